"""Launchers by the command lines and files that public documentation shows."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from joulia.errors import Unavailable
from joulia.parallel import launchers
from joulia.records import store
from joulia.runner import launch
from joulia.simulation.solve import make_case

from .test_conditions_read import PLAIN
from .test_parallel import scaled


@pytest.fixture
def no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LSB_DJOB_HOSTFILE", "LSB_MCPU_HOSTS", "PBS_NODEFILE", "SLURM_MPI_TYPE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(launchers, "_require", lambda name: name)


LONG = {"-n": "--nrs", "-r": "--rs_per_host", "-a": "--tasks_per_rs", "-c": "--cpu_per_rs",
        "-g": "--gpu_per_rs"}  # fmt: skip
"""The short options of jsrun: IBM, LSF Job Step Manager 10.4, jsrun command."""


def long(command: str) -> dict[str, str]:
    """Options of a jsrun command line as it is printed in documentation."""
    words = command.replace("-bpacked:", "--bind packed:").split()
    return {
        LONG.get(name, name): value for name, value in zip(words[::2], words[1::2], strict=True)
    }


def options(command: tuple[str, ...]) -> dict[str, str]:
    """Those of a command line of joulia's."""
    words = [part for word in command[1:] for part in word.split("=", 1)]
    return dict(zip(words[::2], words[1::2], strict=True))


@pytest.mark.parametrize(
    ("documented", "ranks", "threads", "hosts", "on_gpu"),
    [
        # olcf-tutorials/Batch-Script-Examples: 12 sets of 7 cores and a GPU, 6 a node.
        ("-n 12 -r 6 -c 7 -g 1 -a 1 -bpacked:7", 12, 7, 2, True),
        # Summit, 2 nodes: without -r all four would lie on the first node.
        ("-n 4 -r 2 -c 1 -a 1 -bpacked:1", 4, 1, 2, False),
    ],
)
def test_resource_sets_are_those_of_the_documentation(
    documented: str,
    ranks: int,
    threads: int,
    hosts: int,
    on_gpu: bool,
    no_job: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slots = " ".join(f"h36n{n:02d} 42" for n in range(hosts))
    monkeypatch.setenv("LSB_MCPU_HOSTS", f"batch4 1 {slots}")
    got = options(launchers.jsrun(ranks, threads, on_gpu=on_gpu).command)
    assert got.pop("--smpiargs", None) == ("-gpu" if on_gpu else None)
    assert got == long(documented)


def test_the_hosts_of_an_lsf_job(
    no_job: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A line a slot in LSB_DJOB_HOSTFILE, a number a host in LSB_MCPU_HOSTS: IBM Spectrum LSF 10.1,
    environment variables set for job execution."""
    assert launchers.lsf_slots() == {}
    assert launchers.hosts_file() is None
    monkeypatch.setenv("LSB_MCPU_HOSTS", "hostA 4 hostB 2")
    assert launchers.lsf_slots() == {"hostA": 4, "hostB": 2}
    file = tmp_path / "hosts"
    file.write_text("hostA\nhostA\nhostB\nhostB\n")
    monkeypatch.setenv("LSB_DJOB_HOSTFILE", str(file))
    assert launchers.lsf_slots() == {"hostA": 2, "hostB": 2}
    assert launchers.hosts_file() == str(file)
    monkeypatch.setattr(launchers, "is_open_mpi", lambda command: True)
    command = launchers.mpiexec(4, 1).command
    assert command[command.index("--hostfile") + 1] == str(file)
    file.write_text("launch\n" + "hostA\n" * 42 + "hostB\n" * 42)
    assert launchers.lsf_slots() == {"hostA": 42, "hostB": 42}
    file.write_text("hostA\nhostB\n")  # a slot each: nobody is the launch node
    assert launchers.lsf_slots() == {"hostA": 1, "hostB": 1}


@pytest.mark.parametrize(
    ("library", "listed", "loaded", "kind"),
    [
        ("MPICH Version: 5.0.2 MPICH Device: ch4", "pmi2 pmix none", "pmi2 pmix", "pmi2"),
        ("Intel(R) MPI Library 2021.9 for Linux* OS", "none pmi2", "pmi2", "pmi2"),
        ("MPI VERSION : CRAY MPICH version 8.1.27.26", "cray_shasta none", "cray_shasta",
         "cray_shasta"),
        ("Open MPI v5.0.6, package: Open MPI", "pmi2 pmix pmix_v4", "pmi2 pmix", "pmix"),
        ("IBM Spectrum MPI 10.3.0.1", "pmi2 none", "pmi2", "pmi2"),
        # Slurm lists PMIx also where its library is not installed.
        ("Open MPI v4.1.6", "pmix pmi2", "pmi2", "pmi2"),
        ("MPICH Version: 4.2", "none openmpi", "none", None),
    ],
)  # fmt: skip
def test_srun_is_told_how_mpi4pys_library_hears_of_the_others(
    library: str,
    listed: str,
    loaded: str,
    kind: str | None,
    no_job: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(launchers, "mpi_library", lambda: library)
    monkeypatch.setattr(launchers, "mpi_types", lambda command: frozenset(listed.split()))
    monkeypatch.setattr(launchers, "loads", lambda command, kind: kind in loaded.split())
    if kind:
        launcher = launchers.choose(2, 1, "srun")
        assert f"--mpi={kind}" in launcher.command
        assert launcher.name == f"srun --mpi={kind}"
        return
    with pytest.raises(Unavailable, match="--launcher mpiexec starts ranks inside"):
        launchers.choose(2, 1, "srun")
    monkeypatch.setattr(launchers, "detect", lambda: "srun")
    monkeypatch.setattr(launchers, "is_open_mpi", lambda command: False)
    assert launchers.choose(2, 1).name.startswith("mpiexec (MPICH)")
    assert launchers.choose(2, 1).name.endswith("since srun has none of pmi2, cray_shasta, pmix, "
                                                "which mpi4py's MPICH needs")  # fmt: skip


def test_a_user_who_says_how_is_not_asked(no_job: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_MPI_TYPE", "pmix_v5")
    launcher = launchers.choose(2, 1, "srun")
    assert not any(part.startswith("--mpi") for part in launcher.command)
    assert launcher.name == "srun (SLURM_MPI_TYPE=pmix_v5)"


def test_a_site_may_leave_binding_to_joulia(no_job: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_MPI_TYPE", "pmi2")
    launcher = launchers.choose(2, 3, "srun", binding="joulia", options=("--distribution=cyclic",))
    assert not launcher.binds
    assert "--cpu-bind=none" in launcher.command
    assert launcher.command[-1] == "--distribution=cyclic"


# ---- several nodes -------------------------------------------------------------------------


def test_ranks_of_several_nodes_find_their_case_where_all_nodes_see_it(
    no_job: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The temporary folder is each node's own: a rank elsewhere would find no job.json there."""
    monkeypatch.setenv("JOULIA_CACHE_DIR", str(tmp_path))
    alone, two = (make_case("heat", ranks=ranks) for ranks in (1, 2))
    assert launch.shared(two) is None
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "2")
    assert launch.shared(two) == tmp_path / "jobs"
    assert launch.shared(alone) is None
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "1")
    monkeypatch.setenv("LSB_MCPU_HOSTS", "hostA 4 hostB 4")
    assert launch.shared(two) == tmp_path / "jobs"
    monkeypatch.delenv("LSB_MCPU_HOSTS")
    (tmp_path / "nodes").write_text("a\na\nb\nb\n")
    monkeypatch.setenv("PBS_NODEFILE", str(tmp_path / "nodes"))
    assert launch.shared(two) == tmp_path / "jobs"


def test_who_hangs_is_not_asked_of_a_stranger_with_a_ranks_number(tmp_path: Path) -> None:
    """The number of a rank on another node belongs to somebody else on this one."""
    script = "print(flush=True); import time; time.sleep(60) # {}"
    stranger, rank = (
        subprocess.Popen([sys.executable, "-c", script.format(what)], stdout=subprocess.PIPE)
        for what in ("another", tmp_path)
    )
    try:
        for number, child in enumerate((stranger, rank)):
            assert child.stdout is not None
            child.stdout.readline()
            (tmp_path / f"rank-{number}.pid").write_text(str(child.pid))
            (tmp_path / f"rank-{number}.stack").touch()
        assert launch.whereabouts(tmp_path) == ""
        assert rank.wait(10) == -signal.SIGUSR1
        assert stranger.poll() is None
    finally:
        for child in (stranger, rank):
            child.kill()
            child.communicate()


def test_a_record_grows_by_some_fifty_bytes_a_rank(tmp_path: Path) -> None:
    """docs/sites.md says what 4096 ranks cost: lists with a figure a rank, and nothing squared."""

    def size(ranks: int) -> int:
        some = scaled(ranks, 0.01234567890123)
        parallel = replace(
            some.parallel,
            exchange_s_by_rank=tuple(1.234567890123e-05 + 1e-12 * rank for rank in range(ranks)),
        )
        cores = tuple((rank % 40,) for rank in range(ranks))
        conditions = replace(PLAIN, cores=cores)
        path = tmp_path / f"{ranks}.jsonl"
        store.ResultsFile(path).append(replace(some, parallel=parallel, conditions=conditions))
        assert len(store.load(path)) == 1
        return path.stat().st_size

    few, many, more = size(1), size(1024), size(4096)
    assert 20 < (many - few) / 1023 < 80
    assert (more - many) / 3072 == pytest.approx((many - few) / 1023, rel=0.1)

"""Runs through a real Slurm of two nodes, where it is installed; scripts for queues anywhere.

Slurm counts time limits in minutes: that one ended a job is told to it here, not waited for.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import real_slurm
import trees

from joulia.meters import Missing, slurm
from joulia.records import store
from joulia.sites import site
from joulia.system.clock import raw_clock

from .test_store import record

COMMON = ("--no-ceiling", "--repeats", "2", "--threads", "1", "--site", "slurm")
Submit = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def cluster() -> Iterator[real_slurm.Cluster]:
    if lacking := real_slurm.missing():
        pytest.skip(lacking)
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # a socket's name may be no longer than this
    try:
        folder.chmod(0o711)  # munge insists that its socket can be reached
        started = real_slurm.Cluster(folder)
        yield started
        started.stop()
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def submit(cluster: real_slurm.Cluster, joulia, tmp_path: Path) -> Submit:
    """`joulia submit` to that Slurm, into `r.jsonl`."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        given = ("submit", *arguments, *COMMON, "--output", str(tmp_path / "r.jsonl"))
        return joulia(*given, env=cluster.environment, cwd=tmp_path)

    return run


def records(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]


def test_a_run_goes_through_the_queue_to_the_table_and_again_measures_nothing(
    submit: Submit, tmp_path: Path
) -> None:
    asked = ("heat", "-b", "numpy", "--size", "tiny", "--ranks", "1,2", "--nodes", "2")
    asked += ("--window", "0.005", "--wait", "passive")
    done = submit(*asked)
    assert done.returncode == 0, done.stderr
    got = records(tmp_path)
    assert [each["status"] for each in got] == ["valid"] * 2, [each["reasons"] for each in got]
    said = {each["parallel"]["launcher"] for each in got if each["case"]["ranks"] > 1}
    assert said in ({"srun --mpi=pmi2"}, {"srun --mpi=pmix"})
    assert done.stdout.count("valid ") == 2
    assert "running on n[1-2]" in done.stderr
    script = next(tmp_path.glob("r.jobs/*/job.sh")).read_text()
    assert f"{sys.executable} -P -m joulia run heat --backend numpy" in script
    again = submit(*asked)
    assert again.returncode == 0, again.stderr
    assert records(tmp_path) == got


WATTS = {"n1": 100.0, "n2": 60.0}


@contextlib.contextmanager
def meters(cluster: real_slurm.Cluster) -> Iterator[None]:
    """Each node has a tree and a boot of its own, and a meter that tells its WATTS."""
    roots = cluster.folder / "roots"
    for number, (name, watts) in enumerate(WATTS.items()):
        boot = f"{number}aaaaaaa-0000-0000-0000-000000000000"
        trees.node(roots / name, boot)
        meter = {"id": f"{boot}/fake", "watts": {"package-0": watts}}
        trees.put(roots / name, {"run/joulia/fake-meter.json": json.dumps(meter)})
    try:
        yield
    finally:
        shutil.rmtree(roots)


def watts(got: dict[str, Any]) -> list[float]:
    """Of each window of a record. A node more or less, or one twice, is 37 % off."""
    energy, steps = got["energy"], got["time"]["steps_per_sample"]
    assert energy is not None, got["energy_reason"]
    return [
        joules * steps / seconds
        for joules, seconds in zip(energy["samples"], energy["windows_s"], strict=True)
    ]


def test_joules_of_two_nodes_are_read_once_each_and_added_up(
    cluster: real_slurm.Cluster, submit: Submit, tmp_path: Path
) -> None:
    """Four ranks, two on each node, whose meters tell 100 W and 60 W."""
    with meters(cluster):
        done = submit(
            "heat", "-b", "numpy", "--size", "tiny", "--ranks", "4", "--nodes", "2",
            "--window", "0.1", "--energy-tolerance", "20", "--oversubscribe", "--wait", "passive",
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (got,) = records(tmp_path)
    assert got["parallel"]["nodes"] == 2
    assert sorted(map(len, got["energy"]["shared_by_ranks"].values())) == [2, 2]
    # Four ranks on two cores come late.
    assert watts(got) == pytest.approx([sum(WATTS.values())] * 2, rel=0.15)


def test_tasks_of_an_array_that_nobody_followed_come_together_in_the_results(
    cluster: real_slurm.Cluster, submit: Submit, tmp_path: Path
) -> None:
    asked = ("heat", "tracer", "-b", "numpy", "--size", "tiny", "--window", "0.005", "--array")
    sent = submit(*asked, "--no-follow")
    assert sent.returncode == 0, sent.stderr
    assert "the same command follows job" in sent.stderr
    deadline = time.monotonic() + 200.0
    while cluster.ask("squeue", "-h"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    done = submit(*asked)
    assert done.returncode == 0, done.stderr
    assert "ended while nobody followed it" in done.stderr
    assert sorted(each["case"]["kernel"] for each in records(tmp_path)) == ["heat", "tracer"]
    assert "#SBATCH --array=0-1%10" in next(tmp_path.glob("r.jobs/*/job.sh")).read_text()
    assert len(list(tmp_path.glob("r.jobs/*/*.log"))) == 2  # no other job went into the queue


def started(tmp_path: Path, cluster: real_slurm.Cluster, *asked: str) -> subprocess.Popen[str]:
    """`joulia submit` in the background, once its first case is under way."""
    child = subprocess.Popen(
        [sys.executable, "-m", "joulia", "submit", *asked, *COMMON, "--output", "r.jsonl"],
        env=os.environ | cluster.environment,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 60.0
    while not list(tmp_path.glob("r.jobs/*/0.underway")):
        assert child.poll() is None, child.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return child


ASKED = ("heat", "-b", "numpy", "--size", "tiny", "--dtype", "float64,float32")
ASKED += ("--window", "0.4")


def test_a_job_that_is_cancelled_is_one_failed_record_and_the_next_completes_it(
    cluster: real_slurm.Cluster, submit: Submit, tmp_path: Path
) -> None:
    child = started(tmp_path, cluster, *ASKED)
    job = json.loads(next(tmp_path.glob("r.jobs/*/job.json")).read_text())["job"]
    cluster.ask("scancel", job)
    said, _ = child.communicate(timeout=60)
    assert child.returncode == 1, said
    (failed,) = records(tmp_path)
    reason = f"job {job} ended in the middle of it: CANCELLED"
    assert (failed["status"], failed["reasons"]) == ("failed", [reason])
    done = submit(*ASKED)
    assert done.returncode == 0, done.stderr
    assert [each["status"] for each in records(tmp_path)] == ["failed", "valid", "valid"]
    assert records(tmp_path)[0]["id"] == records(tmp_path)[1]["id"]


def test_a_node_of_two_that_is_lost_is_one_failed_record_and_the_job_is_sent_again(
    cluster: real_slurm.Cluster, tmp_path: Path
) -> None:
    """A rank and a meter on each node; the second dies, not the one that runs the script. Joules of
    what is measured after that are both nodes' again."""
    with meters(cluster):
        child = started(
            tmp_path, cluster, *ASKED[:-2], "--window", "0.1", "--energy-tolerance", "20",
            "--ranks", "2", "--nodes", "2", "--wait", "passive", "--oversubscribe",
        )  # fmt: skip
        job = json.loads(next(tmp_path.glob("r.jobs/*/job.json")).read_text())["job"]
        assert cluster.ask("squeue", "-h", "-j", job, "-o", "%N").strip() == "n[1-2]"
        cluster.ask("scontrol", "update", "nodename=n2", "state=down", "reason=test")
        cluster.until(lambda: not cluster.ask("squeue", "-h", "-j", job))
        cluster.ask("scontrol", "update", "nodename=n2", "state=resume")
        said, _ = child.communicate(timeout=200)
    assert child.returncode == 0, said
    got = records(tmp_path)
    assert [each["status"] for each in got] == ["failed", "valid", "valid"]
    assert got[0]["reasons"] == [f"job {job} ended in the middle of it: NODE_FAIL"]
    assert got[0]["id"] == got[1]["id"]
    assert "sent again" in said
    for each in got[1:]:
        assert (each["parallel"]["nodes"], len(each["energy"]["shared_by_ranks"])) == (2, 2)
        assert watts(each) == pytest.approx([sum(WATTS.values())] * 2, rel=0.15)


def test_a_job_that_fails_before_its_first_case_is_no_success_of_earlier_ones(
    cluster: real_slurm.Cluster, joulia, tmp_path: Path
) -> None:
    store.ResultsFile(tmp_path / "r.jsonl").append(record("earlier"))
    text = Path(site.files()["slurm"]).read_text()
    line = 'text = "echo no such module; exit 3"\nwhy = "to fail"\nsource = "a test"\n'
    (tmp_path / "own.toml").write_text(f"{text}\n[[setup]]\n{line}")
    given = ("submit", "heat", "-b", "numpy", "--site", "own.toml", "--output", "r.jsonl")
    done = joulia(*given, env=cluster.environment, cwd=tmp_path)
    assert done.returncode == 1
    *_, log, told = done.stderr.splitlines()
    assert log == "joulia:   no such module"
    assert re.fullmatch(r"joulia: job \d+ wrote no record; so ends its log", told)
    assert len(records(tmp_path)) == 1


def test_a_case_that_srun_started_and_that_hangs_is_not_in_the_way_of_the_next(
    cluster: real_slurm.Cluster, tmp_path: Path
) -> None:
    """Killed at once, srun would leave its ranks behind, on the cores that the next step needs."""
    command = ["run", "heat", "-b", "numpy", "--size", "tiny,small", "--ranks", "2", "--launcher"]
    command += ["srun", "--window", "60", "--timeout", "2", "--output", "r.jsonl", *COMMON]
    subprocess.run(
        ["salloc", "--nodes=1", "--exclusive", sys.executable, "-m", "joulia", *command],
        env=os.environ | cluster.environment,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=100,
    )
    first, second = records(tmp_path)
    assert "no result within 2 s" in first["reasons"][0], first["stderr"]
    assert "no result within 2 s" in second["reasons"][0]
    for each in (first, second):  # a step that waits for another's cores starts no task to kill
        assert "task" in " ".join(each["stderr"]), each["stderr"]
        assert "step creation temporarily disabled" not in " ".join(each["stderr"])


def test_a_slurm_without_energy_is_no_meter(
    cluster: real_slurm.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    with pytest.raises(Missing, match="Slurm measures no energy on this cluster"):
        slurm.open(Path("/"), raw_clock)


def test_doctor_names_launcher_and_mpi_in_an_allocation(cluster: real_slurm.Cluster) -> None:
    script = "from joulia.setup import doctor; print(doctor.mpi())"
    done = subprocess.run(
        ["salloc", "--nodes=2", "--exclusive", sys.executable, "-c", script],
        env=os.environ | cluster.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"srun, srun --mpi=pm(i2|ix): \S.*; (no CUDA|takes memory)", done.stdout)


# ---- scripts -------------------------------------------------------------------------------


def scripted(joulia, tmp_path: Path, *arguments: str) -> str:
    given = ("submit", "heat", "-b", "numpy", "--size", "tiny", *arguments, "--dry-run")
    done = joulia(*given, "--output", str(tmp_path / "r.jsonl"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    path = tmp_path / "job.sh"
    path.write_text(done.stdout)
    subprocess.run(["bash", "-n", str(path)], check=True)
    return done.stdout


def directives(script: str, prefix: str) -> set[str]:
    lines = [line for line in script.splitlines() if line.startswith(f"{prefix} ")]
    assert all(f"\n{line}\n" in script for line in lines)
    before = script.splitlines()
    for line in lines:  # each stands below why it is there
        assert before[before.index(line) - 1].startswith("# ")
    return {line.removeprefix(f"{prefix} ") for line in lines}


def test_satoris_script_asks_for_what_its_guide_shows(joulia, tmp_path: Path) -> None:
    """mit-satori.github.io, satori-cuda-aware-mpi and satori-workload-manager-using-slurm."""
    script = scripted(joulia, tmp_path, "--site", "satori", "--nodes", "2", "--ranks", "1,8")
    got = directives(script, "#SBATCH")
    assert {"--nodes=2", "--gres=gpu:4", "--exclusive", "--mem=0", "--time=12:00:00"} <= got
    commands = [line for line in script.splitlines() if line and not line.startswith("#")]
    assert commands[:4] == [
        "module purge",
        "module add spack",
        "module add cuda/10.1",
        "module load openmpi/3.1.4-pmi-cuda-ucx",
    ]
    assert "export UCX_ERROR_SIGNALS=SIGILL,SIGBUS,SIGFPE" in commands


def test_tx_gaias_script_asks_for_what_its_guide_shows(
    joulia, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """github.com/llsc-supercloud/supercloud-docs-mkdocs, submitting-jobs.md."""
    monkeypatch.setenv("JULIA_DEPOT_PATH", "/a depot:")  # PBS passes no variables on by itself
    script = scripted(joulia, tmp_path, "--site", "tx-gaia", "--time", "0:30:00")
    got = directives(script, "#SBATCH")
    assert {"--gres=gpu:volta:2", "--exclusive", "--partition=xeon-g6-volta"} <= got
    assert "--time=0:30:00" in got
    assert script.index("source /etc/profile") < script.index("-m joulia run")
    assert "\nexport JULIA_DEPOT_PATH='/a depot:'\n" in script


def test_nodes_with_others_are_asked_for_by_cores_and_told_of(joulia, tmp_path: Path) -> None:
    script = scripted(
        joulia, tmp_path, "--site", "slurm", "--shared", "--ranks", "2", "--threads", "3",
        "--directive", "--account=me",
    )  # fmt: skip
    assert {"--ntasks=2 --cpus-per-task=3", "--account=me"} <= directives(script, "#SBATCH")
    given = ("submit", "heat", "-b", "numpy", "--site", "slurm", "--shared", "--dry-run")
    done = joulia(*given, "--output", str(tmp_path / "r.jsonl"))
    assert "the nodes are not exclusive" in done.stderr
    assert "their joules too" in done.stderr


def test_what_is_wrong_is_told_before_anything_waits_in_a_queue(joulia, tmp_path: Path) -> None:
    for wrong, said in (
        (("--site", "nowhere"), "unknown site 'nowhere'"),
        (("--site", "slurm", "--time", "soon"), "--time soon is not allowed. Allowed: H:MM:SS"),
        (("--site", "slurm", "--time", "1:99:00"), "--time 1:99:00 is not allowed. Allowed: H:MM"),
        (("--site", "slurm", "--directive", ""), "--directive '' is not allowed. Allowed: one li"),
        (("--site", "slurm", "--ranks", "x"), "--ranks x is not allowed"),
        ((), "Missing option '--site'"),
    ):
        done = joulia("submit", "heat", *wrong, "--output", str(tmp_path / "r.jsonl"))
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
        assert said in done.stderr

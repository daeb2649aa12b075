"""Where the topology is used: default threads, oversubscription, launchers, workers."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import topology_trees as trees

from joulia.bridge import Device
from joulia.case import Case, Settings
from joulia.measure import worker
from joulia.parallel import launchers
from joulia.runner import cases, launch
from joulia.system import machine, topology
from joulia.system.topology import Topology, places

from .conftest import require

NUMBA = Case("heat", "numba", "cpu", "tiny", (12, 10, 8), "float64")


@pytest.fixture(scope="module")
def ac922(tmp_path_factory: pytest.TempPathFactory) -> Topology:
    return topology.read(range(160), trees.ac922(tmp_path_factory.mktemp("ac922")))


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, ac922: Topology) -> Topology:
    for module in (machine, cases, launch, launchers):
        monkeypatch.setattr(module, "usable_topology", lambda: ac922)
    return ac922


def test_default_threads_are_the_cores_shared_by_the_ranks(here: Topology) -> None:
    threaded, serial = Device(threads=True), Device(threads=False)
    assert [cases.default_threads(threaded, ranks) for ranks in (1, 2, 3, 40, 41, 160)] == [
        40, 20, 13, 1, 1, 1,
    ]  # fmt: skip
    assert cases.default_threads(serial, 1) == 1


def test_oversubscribed_is_what_exceeds_the_hardware_threads(here: Topology) -> None:
    device = Device(threads=True)
    assert cases.reason(replace(NUMBA, threads=160), device) is None
    assert cases.reason(replace(NUMBA, threads=161), device) == (
        "1 ranks x 161 threads exceed 160 hardware threads on 40 cores; --oversubscribe allows it"
    )
    within = launch.environment(replace(NUMBA, threads=160), Settings(), Path())
    above = launch.environment(replace(NUMBA, threads=161), Settings(), Path())
    assert within["OMP_PROC_BIND"] == "close"
    assert "OMP_PROC_BIND" not in above


def test_a_quota_that_the_threads_exceed_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    half = topology.read(range(160), trees.quota(trees.ac922(tmp_path), "50000 100000"))
    monkeypatch.setattr(cases, "usable_topology", lambda: half)
    assert cases.reason(NUMBA, Device(threads=True)) is None
    assert cases.reason(replace(NUMBA, ranks=2), Device(threads=True)) == (
        "2 ranks x 1 threads exceed 160 hardware threads on 40 cores within a CPU quota of 0.5; "
        "--oversubscribe allows it"
    )


@pytest.mark.parametrize(
    ("ranks", "threads", "nodes", "alone"),
    [(2, 20, "1", True), (2, 40, "1", False), (4, 20, "2", True), (160, 1, "1", False)],
)
def test_slurm_gives_a_core_a_thread_where_there_are_enough(
    ranks: int,
    threads: int,
    nodes: str,
    alone: bool,
    here: Topology,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Slurm 22.05 fills the hardware threads of a core otherwise (JUSUF's documentation)."""
    monkeypatch.setattr(launchers, "_require", lambda name: name)
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", nodes)
    monkeypatch.setenv("SLURM_MPI_TYPE", "pmi2")  # nobody is asked what there is
    assert ("--threads-per-core=1" in launchers.srun(ranks, threads).command) == alone


class Bound:
    """What a worker was bound to, on a machine with other processors than this one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, lent: Sequence[int]) -> None:
        self.share: list[int] = []
        monkeypatch.setattr(topology, "_own", [])
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(lent))
        monkeypatch.setattr(os, "sched_setaffinity", self.note)
        monkeypatch.setenv("OMP_PLACES", "cores")

    def note(self, pid: int, share: Sequence[int]) -> None:
        self.share = list(share)


RANK = {"mpich": ("MPI_LOCALRANKID", "MPI_LOCALNRANKS"),
        "openmpi": ("OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE")}  # fmt: skip


@pytest.mark.parametrize("mpi", RANK)
@pytest.mark.parametrize("shape", [(1, 4), (4, 1), (2, 2)])
def test_workers_of_an_ac922_are_bound_to_cores_of_their_own(
    shape: tuple[int, int], mpi: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ranks, threads = shape
    here = topology.read(range(160), trees.ac922(tmp_path))
    bound = Bound(monkeypatch, range(160))
    taken = []
    for local in range(ranks):
        for name, value in zip(RANK[mpi], (local, ranks), strict=True):
            monkeypatch.setenv(name, str(value))
        case = replace(NUMBA, ranks=ranks, threads=threads)
        worker.pin(case, list(range(160)), tmp_path)
        taken.append(bound.share)
        assert os.environ["OMP_PLACES"] == ",".join(f"{{{core}}}" for core in bound.share)
    assert len(here.physical(itertools.chain(*taken))) == 4
    assert taken == places(here, ranks, threads)


def test_a_rank_of_several_nodes_shares_its_own_node_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Eight ranks on four nodes: two a node, a socket each."""
    bound = Bound(monkeypatch, range(160))
    monkeypatch.setenv("MPI_LOCALNRANKS", "2")
    monkeypatch.setenv("MPI_LOCALRANKID", "1")
    worker.pin(replace(NUMBA, ranks=8), list(range(160)), trees.ac922(tmp_path))
    assert bound.share == [80]


def test_what_a_launcher_bound_stays_within_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """jsrun bound the second rank to two cores with their eight hardware threads."""
    bound = Bound(monkeypatch, range(80, 88))
    monkeypatch.setenv("OMPI_COMM_WORLD_LOCAL_RANK", "1")
    worker.pin(replace(NUMBA, ranks=2, threads=2), [], trees.ac922(tmp_path))
    assert bound.share == [80, 84]


def test_more_threads_than_there_are_stay_unbound(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bound = Bound(monkeypatch, range(4))
    worker.pin(replace(NUMBA, threads=5), list(range(4)), trees.ac922(tmp_path))
    assert bound.share == []
    assert os.environ["OMP_PLACES"] == "cores"


@pytest.mark.skipif(len(machine.usable_cores()) < 2, reason="needs two cores")
def test_a_record_says_which_cores_each_rank_took(measured: Any) -> None:
    """Also where OpenMP binds the thread that is asked to the first of its rank's places."""
    require("occa:openmp")
    here = machine.usable_topology()
    (alone,) = measured("heat", "-b", "occa:openmp", "--size", "tiny", "--threads", "2")
    (share,) = places(here, 1, 2) or [[]]
    assert alone["conditions"]["cores"] == [share]
    assert alone["conditions"]["physical_cores"] == len(here.physical(share))
    assert alone["machine"]["physical_cores"] == len(here.cores)
    *_, both = measured("heat", "-b", "numpy", "--size", "tiny", "--ranks", "2")
    assert both["conditions"]["cores"] == places(here, 2, 1)


def test_openmp_and_the_first_touch_bind_threads_alike(tmp_path: Path) -> None:
    """Real threads of a real OpenMP: thread t where the t-th slab of a field was touched.

    Also where it runs already, as inside libocca, and has bound the thread that asks.
    """
    require("occa:openmp")
    if len(machine.usable_cores()) < 2:
        pytest.skip("needs two cores")
    source = tmp_path / "where.c"
    source.write_text(
        "#define _GNU_SOURCE\n#include <omp.h>\n#include <sched.h>\n"
        "void where(int *cpu) {\n#pragma omp parallel\n"
        "  cpu[omp_get_thread_num()] = sched_getcpu();\n}\n"
    )
    library = tmp_path / "libwhere.so"
    command = ["cc", "-fopenmp", "-shared", "-fPIC", "-o", str(library), str(source)]
    subprocess.run(command, check=True)
    script = (
        "import ctypes, json, os, sys, threading\n"
        "from dataclasses import replace\n"
        "from joulia import bridge\n"
        "from joulia.measure.worker import pin\n"
        "from joulia.simulation.solve import make_case\n"
        "from joulia.system import topology\n"
        "from joulia.system.machine import usable_cores\n"
        "pin(replace(make_case('heat'), threads=2), usable_cores())\n"
        "cpus = (ctypes.c_int * 2)()\n"
        "ctypes.CDLL(sys.argv[1]).where(cpus)\n"
        "touching = []\n"
        "def touch(t):\n"
        "    bridge.pin_thread(t)\n"
        "    touching.extend(os.sched_getaffinity(0))\n"
        "for t in range(2):\n"
        "    thread = threading.Thread(target=touch, args=(t,))\n"
        "    thread.start()\n"
        "    thread.join()\n"
        "asks = sorted(os.sched_getaffinity(0))\n"
        "print(json.dumps([topology.own(), list(cpus), touching, topology.bound(), asks]))\n"
    )
    env = os.environ | {"OMP_NUM_THREADS": "2", "OMP_PROC_BIND": "close", "OMP_PLACES": "cores"}
    done = subprocess.run(
        [sys.executable, "-c", script, library], env=env, capture_output=True, text=True, check=True
    )
    own, openmp, touching, bound, asks = json.loads(done.stdout)
    assert len(set(own)) == 2
    assert own == openmp == touching == bound
    assert asks == own[:1]

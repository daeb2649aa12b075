"""How threads and ranks wait: what `--wait` sets, that it works, and that it is an axis."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from virtual import VirtualClock
from windows import Steady, energy, window

from joulia.analysis import compare, labels, scaling
from joulia.bridges import numba as numba_bridge
from joulia.case import WAITS, Case, Settings
from joulia.energy.result import energy_result
from joulia.errors import JouliaError, Unavailable
from joulia.gate.compare import verdicts
from joulia.parallel import launchers
from joulia.records.record import Record
from joulia.registry import case as make
from joulia.runner import arguments, launch, session
from joulia.runner.plan import Request, plan
from joulia.system import waiting

from .conftest import require
from .results import record
from .test_conditions_read import under

PROGRAMS = Path(__file__).parent / "programs"


def case(bridge: str = "numba", device: str = "cpu", **more: Any) -> Case:
    return make("stream", (bridge, device), (64,), **{"threads": 2, **more})


# ---- what is set ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"])
def test_what_contradicts_the_policy_is_replaced(name: str) -> None:
    """A site's module files set OMP_WAIT_POLICY or KMP_BLOCKTIME for everybody."""
    for policy, contrary in (("active", "0"), ("passive", "infinite")):
        asked = waiting.environment(policy, {name: contrary, "PATH": "/bin"})
        assert asked[name] == waiting.VARIABLES[policy][name]
        assert asked["PATH"] == "/bin"
    assert waiting.environment("default", {name: "7"}) == {name: "7"}


def test_llvms_rival_of_the_policy_goes() -> None:
    """libomp ignores OMP_WAIT_POLICY where KMP_LIBRARY is set (kmp_settings.cpp: rivals)."""
    given = {"KMP_LIBRARY": "turnaround"}
    assert "KMP_LIBRARY" not in waiting.environment("passive", given)
    assert waiting.environment("default", given) == given


@pytest.mark.parametrize(
    ("policy", "layer", "kept"),
    [("active", "omp", True), ("active", "workqueue", False), ("active", "tbb", False),
     ("passive", "omp", True), ("passive", "workqueue", True), ("passive", "threadsafe", False)],
)  # fmt: skip
def test_a_layer_of_numba_is_kept_where_it_can_wait_so(policy: str, layer: str, kept: bool) -> None:
    asked = waiting.environment(policy, {waiting.LAYER: layer})
    assert asked.get(waiting.LAYER) == (layer if kept else None)
    assert kept or asked[waiting.LAYER_PRIORITY].startswith("omp ")


def test_numba_without_openmp_cannot_wait_actively(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without libgomp, where Numba falls back to its work queue."""
    monkeypatch.setattr(numba_bridge, "threading_layer", lambda: "workqueue")
    with pytest.raises(Unavailable, match="workqueue, which cannot wait actively"):
        numba_bridge.start(case(wait="active", threads=2))
    assert numba_bridge.start(case(wait="passive"))["numba_threading_layer"] == "workqueue"


# ---- that it works -------------------------------------------------------------------------

SPINNING, SLEEPING = 0.05, 0.02
"""Shares of a core: above the one where threads spin, also on a busy machine; below the other."""


@pytest.mark.parametrize("policy", WAITS)
@pytest.mark.parametrize("backend", ["occa:openmp", "numba", "julia"])
def test_active_threads_spin_between_calls_and_passive_ones_sleep(
    backend: str, policy: str, tmp_path: Path
) -> None:
    require(backend)
    bridge, _, device = backend.partition(":")
    asked = case(bridge, device or "cpu", wait=policy)
    command = [sys.executable, str(PROGRAMS / "waiting_threads.py"), backend, "2"]
    env = launch.environment(asked, Settings(), tmp_path) | {"OMP_PROC_BIND": "false"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    share = float(done.stdout)
    assert share > SPINNING if policy == "active" else share < SLEEPING


@pytest.mark.parametrize("policy", WAITS)
def test_passive_ranks_sleep_while_they_wait(policy: str, tmp_path: Path) -> None:
    """A poll costs microseconds; a nap lasts up to a millisecond.

    A rank that polls gives its core to programs that want it, and stands in the queue meanwhile.
    """
    asked = case("numpy", ranks=2, threads=1, wait=policy)
    command = [*launchers.choose(2, 1).command, sys.executable, "-m", "mpi4py"]
    done = subprocess.run(
        [*command, str(PROGRAMS / "waiting_ranks.py"), policy],
        env=launch.environment(asked, Settings(), tmp_path),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    in_barrier, in_halo = done.stdout.splitlines()
    for line in (in_barrier, in_halo):
        took, wanted = map(float, line.split())
        assert took < 0.1 if policy == "passive" else wanted > 0.5


# ---- what is told --------------------------------------------------------------------------

GNU = "7f00-7f01 r-xp 0 08:01 9 /usr/lib/x86_64-linux-gnu/libgomp.so.1.0.0\n"
LLVM = "7f00-7f01 r-xp 0 08:01 9 /usr/lib/llvm-17/lib/libomp.so.5\n"
INTEL = "7f00-7f01 r-xp 0 08:01 9 /opt/intel/oneapi/compiler/lib/libiomp5.so\n"
BUNDLED = "7f00-7f01 r-xp 0 08:01 9 /venv/scipy.libs/libgomp-a34b3233.so.1.0.0\n"
SPINS = "spins"
NONE = "7f00-7f01 r-xp 0 08:01 9 /usr/lib/libompitrace.so.40\n"


@pytest.mark.parametrize(
    ("maps", "environment", "how"),
    [
        (GNU, {}, {"GNU OpenMP": "spins 300000 turns, then sleeps"}),
        (BUNDLED, {"OMP_WAIT_POLICY": "PASSIVE"}, {"GNU OpenMP": "sleeps"}),
        (GNU, {"GOMP_SPINCOUNT": "infinite", "OMP_WAIT_POLICY": "passive"}, {"GNU OpenMP": SPINS}),
        (LLVM, {}, {"LLVM OpenMP": "spins 200 ms, then sleeps"}),
        (INTEL, {"KMP_BLOCKTIME": "0"}, {"LLVM OpenMP": "sleeps"}),
        (INTEL, {"OMP_WAIT_POLICY": "active"}, {"LLVM OpenMP": "spins"}),
        (NONE, {}, {}),
    ],
)  # fmt: skip
def test_the_default_of_each_openmp_is_told(
    maps: str, environment: dict[str, str], how: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/maps").write_text(maps)
    told = waiting.in_force({}, environment, "default", threads=2, ranks=1, root=tmp_path)
    assert told == how
    assert waiting.spins(told) is ("spins" in how.values())


def test_the_default_of_other_runtimes_is_told() -> None:
    def told(runtime: dict[str, str], **environment: str) -> dict[str, str]:
        return waiting.in_force(runtime, environment, "default", threads=2, ranks=1)

    assert told({"numba_threading_layer": "workqueue"}) == {"Numba's workqueue": "sleeps"}
    julia = told({"julia": "1.11.3"}, JULIA_THREAD_SLEEP_THRESHOLD="1000000")
    assert julia == {"Julia": "spins 1000000 ns, then sleeps"}
    assert "this Julia" in told({"julia": "1.11.3"})["Julia"]
    assert waiting.in_force({}, {}, "passive", threads=1, ranks=1) == {}
    ranks = waiting.in_force({}, {}, "passive", threads=1, ranks=2)
    assert ranks == {"MPI": "sleeps, and asks every 20 to 1000 us"}


def test_there_is_no_idle_beside_threads_that_spin() -> None:
    """What they draw is no idle power: subtracting it would make joules vanish."""
    clock = VirtualClock()
    monitor = energy(clock, [Steady(clock)], spins=True)
    monitor.idle()
    window(monitor, clock, 2.0)
    window(monitor, clock, 2.0)
    monitor.idle()
    data, _ = energy_result(monitor, 10)
    assert data is not None
    assert (data.net, data.idle_w, data.exclusive) == (None, None, None)
    assert data.net_reason is not None
    assert "no idle" in data.net_reason


# ---- an axis -------------------------------------------------------------------------------


def test_a_list_sweeps_where_somebody_waits() -> None:
    request = Request(
        ("stream",), ("numba",), ("tiny",), threads=(1, 2), waits=("active", "passive"),
        ceilings=False, oversubscribe=True,
    )  # fmt: skip
    swept = [(p.case.threads, p.case.wait) for p in plan([request])]
    assert swept == [(1, "default"), (2, "active"), (2, "passive")]
    with pytest.raises(JouliaError, match=r"--wait 'activ'; did you mean 'active'"):
        plan([replace(request, waits=("activ",))])


def test_policies_are_told_apart_and_come_back() -> None:
    cases = [case(wait=wait) for wait in WAITS]
    assert len({session.identify(each, Settings()) for each in cases}) == len(WAITS)
    assert [Case.from_json(each.to_json()) for each in cases] == cases
    older = cases[0].to_json()
    del older["wait"]
    assert Case.from_json(older) == cases[0]
    assert "--wait active" in " ".join(arguments.of_case(cases[1]))
    assert "--wait" not in arguments.of_case(cases[0])
    assert labels.label(cases[2]).endswith("1r x 2t passive")


def waits(policy: str, time: float = 1e-3, backend: str = "numba", threads: int = 2) -> Record:
    made = record(backend, time, threads=threads)
    return under(replace(made, case=replace(made.case, wait=policy)), wait={})


def judged(*records: Record) -> tuple[str, str]:
    """Label and verdict of the entry that is no baseline."""
    (problem,) = compare.comparisons(records)
    (entry,) = [each for each in problem.entries if not each.is_baseline]
    assert entry.time_difference is not None
    return entry.label, entry.time_difference.verdict


def test_compare_names_the_policy_and_judges_it_within_a_backend() -> None:
    quick, slow = waits("active"), waits("passive", 2e-3)
    assert judged(quick, slow) == ("numba 1 x 2 passive", "worse")
    other = waits("active", 2e-3, "occa:openmp")
    assert judged(quick, other) == ("occa:openmp 1 x 2 active", "worse")
    unlike = "conditions differ: wait active | passive"
    assert judged(quick, waits("passive", 2e-3, "occa:openmp"))[1] == unlike
    unlike = "conditions differ: wait active | default"
    assert judged(quick, waits("default", 2e-3, "occa:openmp"))[1] == unlike


def test_one_thread_has_no_policy_that_could_differ() -> None:
    alone = waits("default", 4e-3, "numpy", threads=1)
    assert judged(alone, waits("passive")) == ("numba 1 x 2 passive", "better")


def test_the_gate_names_a_policy_that_one_side_lacks() -> None:
    limits = {"time": 0.03, "energy": 0.05}
    base, head = [[waits(policy)] * 12 for policy in ("active", "passive")]
    reasons = {v.reason for v in verdicts(base, head, limits)}
    assert reasons == {"conditions differ: wait active | passive"}
    (time,) = [v for v in verdicts(base, base, limits) if v.metric == "time"]
    assert (time.verdict, time.case.wait) == ("same", "active")


def test_efficiency_is_against_the_same_policy() -> None:
    wide = [replace(waits(policy, 2e-3), id=policy) for policy in ("active", "passive")]
    made = [
        *(replace(r, case=replace(r.case, ranks=2), time=waits("active", 1e-3 * t).time)
          for r, t in zip(wide, (1.0, 2.0), strict=True)),
        *wide,
    ]  # fmt: skip
    efficiencies = [point.efficiency for point in scaling.points(made, weak=False)]
    assert efficiencies == pytest.approx([1.0, 0.5, 1.0, 1.0])


def test_a_wrong_policy_is_told_in_a_line(joulia: Callable[..., Any], tmp_path: Path) -> None:
    done = joulia("run", "stream", "-b", "numba", "--wait", "lazy", "-o", tmp_path / "r.jsonl")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line == "joulia: unknown --wait 'lazy'. Allowed: default, active, passive"

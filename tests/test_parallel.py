"""Launchers, decomposition, the communication model, scaling, and ranks that die or hang."""

from __future__ import annotations

import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from joulia import registry
from joulia.analysis import prediction, scaling
from joulia.case import Settings, Shape
from joulia.errors import JouliaError, Unavailable
from joulia.grid import divide
from joulia.kernel import Kernel
from joulia.parallel import launchers
from joulia.parallel.network import Transport, fit
from joulia.records import store
from joulia.records.parts import Parallel, Timing
from joulia.records.record import Record
from joulia.runner import launch, session
from joulia.simulation.solve import make_case

from .test_conditions_read import PLAIN
from .test_store import record, workers_of


@pytest.fixture
def scheduler(tmp_path, monkeypatch):
    """Stand-ins for srun and jsrun that note their command line and run the ranks by mpiexec."""
    real = launchers.mpiexec(2, 1).command
    for name, count in (("srun", "--ntasks"), ("jsrun", "--nrs")):
        script = tmp_path / name
        script.write_text(
            f"#!{sys.executable}\n"
            "import os, sys\n"
            "if '--mpi=list' in sys.argv: sys.exit('srun: MPI types are...\\nsrun: pmi2')\n"
            "if sys.argv[-1] == 'true': sys.exit(0)\n"
            f"open({str(tmp_path / 'called')!r}, 'w').write(' '.join(sys.argv[1:]))\n"
            "at = sys.argv.index('-P') - 1\n"
            f"n = sys.argv[sys.argv.index({count!r}) + 1]\n"
            f"real = {list(real)!r}\n"
            "real[2] = n\n"
            "os.execv(real[0], real + sys.argv[at:])\n"
        )
        script.chmod(0o755)
    (tmp_path / "scontrol").write_text("#!/bin/sh\n")  # it knows every job
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


@pytest.mark.parametrize(
    ("variable", "name", "kind", "expected"),
    [
        ("SLURM_JOB_ID", "srun", " --mpi=pmi2", "--ntasks 2 --cpus-per-task 1 --cpu-bind=cores"),
        ("LSB_JOBID", "jsrun", "", "--nrs 2 --tasks_per_rs 1 --cpu_per_rs 1 --bind=packed:1"),
    ],
)
def test_inside_an_allocation_the_schedulers_launcher_starts_the_ranks(
    variable, name, kind, expected, scheduler, monkeypatch
):
    assert launchers.detect() == "mpiexec"
    monkeypatch.setenv(variable, "17")
    assert launchers.detect() == name
    settings = Settings(window_s=0.005, repeats=2)
    result = launch.measured(make_case("heat", ranks=2), settings)
    assert result.status == "valid", result
    assert result.parallel.launcher == name + kind
    assert (scheduler / "called").read_text().startswith(expected)


def test_an_absent_launcher_is_a_reason(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Unavailable, match="no srun found"):
        launchers.choose(2, 1, "srun")


@pytest.mark.parametrize("parts", [(2, 2, 1), (1, 1, 4), (4, 1, 1)])
def test_a_given_decomposition_is_used_and_changes_no_bit(parts, measured):
    text = "x".join(map(str, parts))
    (got,) = measured(
        "heat", "-b", "numpy", "--size", "tiny", "--ranks", "4", "--oversubscribe",
        "--decompose", text,
    )  # fmt: skip
    assert got["status"] == "valid", got["reasons"]
    assert got["parallel"]["parts"] == list(parts)


def test_a_decomposition_that_does_not_fit_is_one_line():
    with pytest.raises(JouliaError, match="--decompose 3x1 is not allowed for 4 ranks on 2 axes"):
        divide((8, 8), 4, (1, 1), (3, 1))
    with pytest.raises(JouliaError, match="leaves a rank 2 of 8 cells"):
        divide((8, 8), 4, (3, 3), (4, 1))


def test_more_threads_than_cores_are_refused_or_marked(measured):
    cores = len(os.sched_getaffinity(0))
    many = ("heat", "-b", "numpy", "--size", "tiny", "--ranks", str(cores + 1))
    (refused,) = measured(*many)
    assert refused["status"] == "skipped"
    assert "--oversubscribe" in refused["reasons"][0]
    *_, marked = measured(*many, "--oversubscribe")
    assert marked["status"] == "valid"
    assert marked["settings"]["oversubscribe"]


def test_the_model_fits_what_it_was_made_from():
    truth = Transport(2e-6, 5e9)
    sizes = [8, 4096, 1 << 21]
    times = [truth.seconds(1, n) for n in sizes]
    fitted = fit(sizes, times)
    assert fitted.bandwidth_bytes_per_s == pytest.approx(5e9, rel=1e-9)
    assert fitted.latency_s == pytest.approx(2e-6, rel=1e-2)
    crowded = fit(sizes, [8e-3, 9e-3, 5e-3])
    assert (crowded.latency_s, crowded.bandwidth_bytes_per_s) == (5e-3, (1 << 21) / 5e-3)


def test_the_record_counts_messages_and_bytes_and_predicts_the_exchange(measured):
    (got,) = measured("heat", "-b", "numpy", "--shape", "12x10x8", "--ranks", "2")
    parallel = got["parallel"]
    assert parallel["parts"] == [2, 1, 1]
    assert parallel["messages"] == 2  # up and down
    assert parallel["bytes"] == 2 * 10 * 8 * 8  # a plane of 10 x 8 float64 each way
    expected = 2 * parallel["latency_s"] + parallel["bytes"] / parallel["bandwidth_bytes_per_s"]
    assert parallel["predicted_exchange_s"] == pytest.approx(expected)


# ---- scaling -------------------------------------------------------------------------------


def scaled(ranks: int, step: float, shape: tuple[int, ...] = (64, 64, 64)) -> Record:
    bare = record(f"r{ranks}")
    return replace(
        bare,
        case=make_case("heat", shape=shape, ranks=ranks),
        machine=replace(bare.machine, cores=4),
        time=Timing((step,), step, (0.9 * step, 1.1 * step), "s/step", 1),
        parallel=Parallel(
            parts=(ranks, 1, 1), nodes=1, exchange_s=0.0, compute_s=step, imbalance=0.0,
            exchange_s_by_rank=(0.0,) * ranks, compute_s_by_rank=(step,) * ranks,
            messages=2, bytes=2 * 64 * 64 * 8, latency_s=1e-6, bandwidth_bytes_per_s=1e9,
            predicted_exchange_s=6.7e-5,
        ),
    )  # fmt: skip


def test_strong_and_weak_efficiency_and_their_intervals():
    strong = scaling.points([scaled(1, 1.0), scaled(2, 0.6), scaled(8, 0.5)], weak=False)
    assert strong[1].efficiency == pytest.approx(1.0 / 0.6 / 2)
    assert strong[1].interval == pytest.approx((0.9 / 0.66 / 2, 1.1 / 0.54 / 2))
    assert strong[2].over
    assert strong[2].efficiency is None
    weak = scaling.points([scaled(1, 1.0), scaled(2, 1.25)], weak=True)
    assert weak[1].efficiency == pytest.approx(0.8)


def test_threads_above_a_quota_have_no_efficiency_and_those_on_a_second_node_have():
    crowded, two = scaled(2, 0.6), scaled(8, 0.5)
    assert not scaling.oversubscribed(crowded)
    assert not scaling.oversubscribed(replace(crowded, conditions=replace(PLAIN, quota_cores=1.5)))
    assert scaling.oversubscribed(replace(crowded, conditions=replace(PLAIN, quota_cores=0.5)))
    assert scaling.oversubscribed(two)
    assert not scaling.oversubscribed(replace(two, parallel=replace(two.parallel, nodes=2)))


def test_weak_scaling_keeps_the_cells_of_a_rank():
    heat, column = (registry.kernel(name).kernel for name in ("heat", "column"))
    assert scaling.weak_shape(heat, (64, 64, 64), 1) == (64, 64, 64)
    assert scaling.weak_shape(heat, (64, 64, 64), 2) == (128, 64, 64)
    assert scaling.weak_shape(column, (64, 64, 64), 2) == (64, 128, 64)
    shape = scaling.weak_shape(heat, (64, 64, 64), 8)
    assert shape[0] * shape[1] * shape[2] == 8 * 64**3


def test_a_prediction_meets_the_measurement_it_rests_on():
    compute = 0.01
    alone, together = scaled(1, compute), scaled(2, compute / 2)
    curve = prediction.predict([alone, together], 64, same)
    assert [p.ranks for p in curve] == [1, 2, 4, 8, 16, 32, 64]
    at_two = curve[1]
    assert at_two.compute_s == pytest.approx(compute / 2)
    assert at_two.exchange_s == pytest.approx(2 * 1e-6 + 2 * 64 * 64 * 8 / 1e9)
    assert all(a.efficiency > b.efficiency for a, b in itertools.pairwise(curve))
    with pytest.raises(JouliaError, match="2 or more ranks"):
        prediction.predict([alone], 8, same)


def same(kernel: Kernel, base: Shape, ranks: int) -> Shape:
    """Strong scaling."""
    return base


@pytest.mark.parametrize(
    ("case", "ranks", "exchanges", "collectives"),
    [
        (("poisson", "--shape", "16x16x8"), "1,2,4", 4, 0),
        (("poisson", "--shape", "16x16x8", "--param", "method=cg", "--param", "z=walls"), "1,2",
         4, 4),
        (("boussinesq", "--size", "tiny"), "1,4", 36, 0),
    ],
)  # fmt: skip
def test_messages_of_each_grid_are_predicted_from_one_rank(
    case, ranks, exchanges, collectives, measured, tmp_path
):
    """What a rank alone tells of a step is enough to say how many messages of which size each grid
    takes on more; and their seconds, by the latency and bandwidth that the ranks measured."""
    measured(*case, "-b", "numpy", "--ranks", ranks, "--oversubscribe", "--wait", "passive")
    alone, *others = store.load(tmp_path / "records.jsonl")
    kernel = registry.kernel(alone.case.kernel).kernel
    here = prediction.at(kernel, alone.case, (1, 1, 1), alone, others[0])
    assert here.compute_s == pytest.approx(alone.parallel.compute_s)
    assert (here.efficiency, here.latency_s) == pytest.approx((1.0, 0.0))
    for each in others:
        parallel = each.parallel
        told = prediction.at(kernel, each.case, parallel.parts, alone, each)
        for found, counted in zip(told.levels, parallel.levels, strict=True):
            timeless = (replace(one, exchange_s=0.0, compute_s=0.0) for one in (found, counted))
            assert next(timeless) == next(timeless)
        coarser = [level for level in parallel.levels[1:] if not level.whole]
        assert {level.exchanges for level in coarser if level.shape != each.case.shape} == {
            exchanges
        }
        messages = sum(level.messages for level in parallel.levels)
        sent = sum(level.bytes for level in parallel.levels)
        assert (messages, sent) == (parallel.messages, parallel.bytes)
        assert parallel.collectives == collectives
        messages += collectives * (each.case.ranks - 1).bit_length()
        assert told.latency_s == pytest.approx(messages * parallel.latency_s)
        assert told.exchange_s == pytest.approx(parallel.predicted_exchange_s)
    *_, most = prediction.predict([alone, *others], 64, scaling.weak_shape)
    wider = replace(alone.case, shape=most.shape)
    assert (most.ranks, most.levels[-1].shape) == (64, kernel.coarser(wider)[-1])


def test_the_scale_command_prints_tables_and_draws_a_plot(joulia, tmp_path):
    plot = tmp_path / "scale.png"
    done = joulia(
        "scale", "heat", "--backend", "numpy,numba", "--size", "tiny", "--ranks", "1,2",
        "--window", "0.01", "--repeats", "6", "--predict", "64", "--plot", plot,
        "--output", tmp_path / "s.jsonl",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "efficiency" in done.stdout
    assert "Predicted, not measured. Assumed:" in done.stdout
    assert plot.read_bytes().startswith(b"\x89PNG")


# ---- failure -------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_rank_killed_at_any_moment_ends_its_case_as_one_record_without_orphans(
    seed, tmp_path, monkeypatch
):
    """Three ranks; one is killed after a random delay; the launcher, the others, all end."""
    monkeypatch.setenv("JOULIA_TEST_MARK", f"{tmp_path}-{seed}")
    marker = f"JOULIA_TEST_MARK={tmp_path}-{seed}"
    noise = random.Random(seed)
    victim = noise.randrange(3)
    settings = Settings(window_s=30.0, repeats=9, timeout_s=60.0, oversubscribe=True)
    case = make_case("heat", "numpy", ranks=3)
    script = (
        "import json, sys; from joulia.runner import launch\n"
        "from joulia.case import Case, Settings\n"
        "from joulia.records.codec import to_json\n"
        "print(json.dumps(to_json(launch.measured(Case.from_json(json.loads(sys.argv[1])), "
        "Settings.from_json(json.loads(sys.argv[2]))))))"
    )
    began = time.monotonic()
    run = subprocess.Popen(
        [sys.executable, "-c", script, json.dumps(case.to_json()), json.dumps(settings.to_json())],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    pid = None
    while pid is None and time.monotonic() - began < 50:
        pid_files = list(tmp_path.glob(f"joulia-*/rank-{victim}.pid"))
        pid = int(pid_files[0].read_text() or 0) or None if pid_files else None
        time.sleep(0.02)
    assert pid is not None
    time.sleep(2.0 * noise.random())
    os.kill(pid, signal.SIGKILL)
    out, _ = run.communicate(timeout=120)
    result = json.loads(out)
    assert result["status"] == "failed"
    assert re.match(rf"rank {victim}: killed by SIGKILL", result["reasons"][0]), result
    deadline = time.monotonic() + 10
    ours = {os.getpid()}
    while set(workers_of(marker)) - ours and time.monotonic() < deadline:
        time.sleep(0.1)
    assert set(workers_of(marker)) - ours == set()
    assert not list(tmp_path.glob("joulia-*"))


def test_a_rank_that_hangs_is_named_with_the_place(tmp_path, plugins, measured):
    (got,) = measured(
        "heat", "-b", "hangrank", "--size", "tiny", "--ranks", "2", "--timeout", "6", env=plugins
    )
    assert got["status"] == "failed"
    assert re.search(r"; rank 1 is in wait \(hangrank\.py:\d+\)$", got["reasons"][0]), got


def test_a_rank_that_raises_is_named_with_its_error(measured, plugins):
    (got,) = measured("heat", "-b", "raiserank", "--size", "tiny", "--ranks", "2", env=plugins)
    assert got["status"] == "failed"
    assert got["reasons"] == ["rank 1: ZeroDivisionError: division by zero"]


def test_sessions_identify_cases_by_what_changes_the_measurement():
    case = make_case("heat")
    same = session.identify(case, Settings(timeout_s=1.0))
    assert session.identify(case, Settings(timeout_s=2.0)) == same
    assert session.identify(case, Settings(overlap=False)) != same


def test_the_launch_folder_is_gone_after_a_case(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    launch.measured(make_case("heat"), Settings(window_s=0.001, repeats=1))
    assert list(Path(tmp_path).iterdir()) == []

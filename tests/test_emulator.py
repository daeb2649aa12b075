"""emulator: exact heat, no offset, errors as its file says, training, and what is refused."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from joulia import registry
from joulia.analysis import frontier
from joulia.errors import JouliaError
from joulia.grid import Tile
from joulia.kernels.emulator import columns, networks
from joulia.kernels.emulator.networks import Choice
from joulia.kernels.emulator.perceptron import (
    mean_free,
    predict,
    weights_of,
)
from joulia.parallel.comm import OneRank
from joulia.simulation import verify
from joulia.simulation.feed import Feed
from joulia.simulation.run import set_up
from joulia.simulation.solve import make_case, solve

from .conftest import require
from .programs_run import PROGRAMS

SHAPE = (columns.LEVELS, 3, 37)
KERNEL = registry.kernel("emulator").kernel


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-13), ("float32", 1e-6)])
@pytest.mark.parametrize("params", [{}, {"density": 0.1}, {"method": "solver", "parts": 2}])
def test_heat_is_exact_whatever_the_network(params, dtype, tolerance):
    solution = solve("emulator", shape=SHAPE, steps=1, dtype=dtype, params={"steps": 8} | params)
    before = KERNEL.initial(solution.case, solution.tile)["temperature"].mean(0)
    flux = KERNEL.tables(solution.case, solution.tile)["flux"]
    after = solution.fields["after"].astype("f8").mean(0)
    assert np.abs(after - before + columns.INTERVAL * flux).max() < 10 * tolerance


def test_an_offset_of_all_temperatures_is_the_answer_s_offset():
    def warmer(case, tile):
        return {"temperature": KERNEL.initial(case, tile)["temperature"] + 3.0}

    plain = solve("emulator", shape=SHAPE, steps=1).fields["after"]
    moved = solve("emulator", shape=SHAPE, steps=1, initial=warmer).fields["after"]
    assert np.abs(moved - plain - 3.0).max() < 1e-10


@pytest.mark.parametrize("choice", networks.SHIPPED, ids=str)
def test_a_shipped_network_has_the_error_that_its_file_says(choice):
    """Over 256 columns of the 10,000: errors are skewed, so within a factor of 1.5."""
    network = networks.load(choice)
    flux = columns.fluxes(np.arange(256, dtype=np.uint64))
    before, after = columns.truth(tuple(range(256)))
    differences, per_flux, per_increment = networks.scales()
    x = np.vstack([np.diff(before, axis=0) / differences, flux / per_flux]).astype("f4")
    change = after - before
    miss = predict(network, x) * per_increment - mean_free(change)
    relative = np.sqrt(np.mean(miss**2) / np.mean(change**2))
    assert 1.0 / 1.5 < relative / networks.test_error(choice) < 1.5


def test_the_page_tells_of_every_network_what_its_file_says():
    page = Path(networks.__file__).with_name("README.md").read_text()
    rows = re.findall(r"^\| (\d x [^|]+?) \| (\d+) \| (0\.\d{4}) \| (0\.\d{4}) \|$", page, re.M)
    assert [name for name, *_ in rows] == list(map(str, networks.SHIPPED))
    for choice, (_, weights, error_told, again) in zip(networks.SHIPPED, rows, strict=True):
        layers = networks.load(choice)
        between = layers[:-1] if choice.stride > 1 else layers  # the last one interpolates
        # Another training, on another processor: as far apart as the page says.
        assert abs(float(again) / float(error_told) - 1.0) < 0.1
        assert int(weights) == weights_of(between)
        assert float(error_told) == pytest.approx(networks.test_error(choice), abs=6e-5)


def test_the_page_says_where_the_feed_s_bytes_lie():
    page = Path(networks.__file__).with_name("README.md").read_text()
    assert "in the page cache, and the rate of the source is memory's, not a disk's" in page


def test_density_is_the_share_of_weights_that_is_left_in_each_matrix():
    for choice in networks.SHIPPED:
        for layer in networks.load(choice):
            if choice.density < 1.0:
                left = np.count_nonzero(layer.w) / layer.w.size
                assert left == pytest.approx(choice.density, abs=0.01)


def test_tickets_beat_a_random_mask_of_as_many_weights():
    ticket = networks.test_error(Choice(2, 128, 0.2))
    assert 1.3 * ticket < networks.test_error(Choice(2, 128, 0.2, mask="random"))


def test_the_solver_comes_nearer_with_levels_and_steps_and_its_error_is_in_every_record():
    errors = []
    for parts, steps in ((1, 8), (1, 32), (2, 32)):
        params = {"method": "solver", "parts": parts, "steps": steps}
        solution = solve("emulator", shape=(32, 16, 16), steps=1, params=params)
        squares, scale = KERNEL.checks.sampled.squares(
            solution.case, solution.tile, solution.fields
        )
        errors.append((squares / scale) ** 0.5)
    assert errors[0] > 2.0 * errors[1] > 2.0 * 1.5 * errors[2]


def test_the_solver_on_the_truth_s_levels_and_steps_is_the_truth():
    fine, flux = columns.profiles(np.arange(5, dtype=np.uint64), 128)
    twice = columns.settled(columns.settled(fine, flux, 16), flux, 16)
    assert twice.mean(0) == pytest.approx(fine.astype("f8").mean(0) - 0.5 * flux, abs=1e-13)
    still = columns.settled(np.ones((32, 2)), np.zeros(2), 4)
    assert still == pytest.approx(np.ones((32, 2)), abs=1e-14)


def test_what_was_not_trained_is_refused_with_what_was():
    with pytest.raises(JouliaError, match=r"no weights for 1 x 64, ticket 0\.1\. Allowed: 1 x 64"):
        solve("emulator", shape=SHAPE, params={"layers": 1, "features": 64, "density": 0.1})
    with pytest.raises(JouliaError, match="needs 32 levels, not 16"):
        solve("emulator", shape=(16, 4, 4))


def test_a_column_is_known_by_its_number_wherever_the_grid_is_cut():
    case = make_case("emulator", shape=SHAPE)
    whole, part = (
        KERNEL.initial(case, tile)["temperature"]
        for tile in (
            set_up(case, OneRank()).tile,
            Tile(SHAPE, (0, 1, 5), (32, 3, 20), 0, (False, True, True)),
        )
    )
    assert (whole[:, 1:3, 5:20] == part).all()


@pytest.mark.parametrize("processor", ["its own", "Haswell"])
def test_no_bit_of_a_column_depends_on_its_place_in_numpy(processor):
    """Whatever BLAS does for other numbers of columns, and at the edges of a product."""
    env = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    if processor == "Haswell":
        flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
        if "avx2" not in flags.split():
            pytest.skip("a processor without AVX2 cannot compute as Haswell")
        env |= {"OPENBLAS_CORETYPE": processor}
    command = [sys.executable, str(PROGRAMS / "columns.py")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2 * len(networks.SHIPPED)
    assert [line for line in lines if not line.endswith(": 0")] == []


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("params", [{}, {"features": 64, "density": 0.2}])
def test_no_bit_of_a_column_depends_on_its_place_in_jax(params, dtype):
    """Also in tiles of whole slabs, where nothing is filled up, and of one."""
    require("jax")
    given = {"steps": 1, "params": params, "dtype": dtype}
    whole = solve("emulator", "jax", shape=(32, 1, 600), **given).fields["after"]
    for count in (37, 256, 257, 512):
        part = solve("emulator", "jax", shape=(32, 1, count), **given).fields["after"]
        assert (part == whole[:, :, :count]).all(), count


@pytest.mark.parametrize("mode", ["memory", "sync", "prefetch"])
def test_a_record_tells_how_its_columns_came(mode, measured):
    (record,) = measured("emulator", "-b", "numpy", "--size", "tiny", "--param", f"feed={mode}")
    assert record["status"] == "valid", record["reasons"] + record["stderr"]
    feed = record["feed"]
    if mode == "memory":
        assert feed is None
        return
    assert feed["bytes"] == 32 * 8 * 10 * 8
    assert feed["file_bytes"] >= 1 << 28
    assert 0.0 < feed["idle_share"] < 1.0
    assert feed["read_bytes_per_s"] > 0.0
    assert feed["idle"] is None


def test_a_prefetch_waits_less_where_a_step_takes_longer_than_a_batch():
    """Half as long to read as to compute."""
    case = make_case("emulator", shape=SHAPE, params={"features": 64})
    run = set_up(case, OneRank())
    want = {"temperature": np.zeros(SHAPE)}
    waited = {}
    for mode in ("sync", "prefetch"):
        feed = Feed(want, mode)
        read = feed.read

        def slow(read=read):
            time.sleep(0.03)
            return read()

        feed.read = slow
        feed.into(run.ops, run.fields)
        feed.restart()
        for _ in range(4):
            time.sleep(0.06)
            feed.into(run.ops, run.fields)
        waited[mode] = feed.waited
    assert waited["sync"] > 4 * 0.03
    assert waited["prefetch"] < 0.5 * waited["sync"]


@pytest.mark.parametrize("mode", ["sync", "prefetch"])
def test_columns_from_a_file_give_the_same_answer_and_waiting_is_counted(mode):
    params = {"features": 64}
    memory = solve("emulator", shape=SHAPE, params=params, steps=1).fields["after"]
    fed = solve("emulator", shape=SHAPE, params=params | {"feed": mode}, steps=3).fields["after"]
    assert (fed == memory).all()


def test_the_file_is_larger_than_the_largest_cache(monkeypatch):
    """504 MB of a Xeon 6980P (Intel ARK) hold 256 MB, and the source would be a cache."""
    monkeypatch.setattr("joulia.simulation.feed.FILE_BYTES", 1 << 16)
    monkeypatch.setattr("joulia.simulation.feed.last_level_cache_bytes", lambda: 504 << 10)
    assert Feed({"temperature": np.zeros(1000)}, "sync").file_bytes >= 2 * 504 << 10


def test_batches_follow_one_another_round_and_round(monkeypatch):
    monkeypatch.setattr("joulia.simulation.feed.FILE_BYTES", 1 << 12)
    monkeypatch.setattr("joulia.simulation.feed.last_level_cache_bytes", lambda: 0)
    case = make_case("emulator", shape=SHAPE, params={"features": 64})
    run = set_up(case, OneRank())
    want = {"temperature": np.arange(np.prod(SHAPE), dtype="f8").reshape(SHAPE)}
    feed = Feed(want, "prefetch")
    for _ in range(feed.batches + 3):
        feed.into(run.ops, run.fields)
        assert (run.ops.host(run.fields["temperature"]) == want["temperature"]).all()
    feed.settle()
    assert feed.reads == feed.batches + 4, "one ahead"
    assert feed.file_bytes == feed.batches * feed.nbytes
    assert feed.reading > 0.0
    assert feed.waited > 0.0
    assert feed.nbytes == want["temperature"].nbytes


@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_float16_keeps_heat_exact_and_costs_no_accuracy(backend):
    """Where the backend has it; others say so."""
    require(backend)
    given = {"steps": 1, "dtype": "float32"}
    full = solve("emulator", backend, shape=SHAPE, **given)
    given["params"] = {"products": "float16"}
    half = solve("emulator", backend, shape=SHAPE, **given)
    relative = [
        squares / change
        for squares, change in (
            KERNEL.checks.sampled.squares(each.case, each.tile, each.fields)
            for each in (full, half)
        )
    ]
    assert relative[1] == pytest.approx(relative[0], rel=0.02)
    assert (half.fields["after"] != full.fields["after"]).any()
    flux = KERNEL.tables(half.case, half.tile)["flux"]
    before = KERNEL.initial(half.case, half.tile)["temperature"].mean(0)
    after = half.fields["after"].astype("f8").mean(0)
    assert np.abs(after - before + columns.INTERVAL * flux).max() < 1e-5
    part, whole = (solve("emulator", backend, shape=(32, 1, n), **given) for n in (9, 40))
    assert (part.fields["after"] == whole.fields["after"][:, :, :9]).all()


def test_float16_is_skipped_where_a_language_has_none():
    planned, _ = frontier.plan(
        "emulator", backends=("numpy", "numba"), dtypes=("float32",), threads=(1,),
        params={"method": ("network",), "features": ("128",), "density": ("1",), "rank": ("0",),
                "layers": ("2",)},
    )  # fmt: skip
    skipped = [each.skip for each in planned if each.case.param("products") == "float16"]
    assert skipped[0] is None
    assert "no function forward_half" in str(skipped[1])
    assert "(products)" in str(skipped[1])
    assert not any(each.skip for each in planned if each.case.param("products") == "dtype")


@pytest.mark.parametrize("choice", networks.SHIPPED, ids=str)
def test_every_network_is_valid_on_few_columns(choice):
    """Where a sample has 80 columns, of which a few may be the worst: within the file's bound."""
    solution = solve("emulator", size="tiny", steps=1, params=dataclasses.asdict(choice))
    error, change = KERNEL.checks.sampled.squares(solution.case, solution.tile, solution.fields)
    assert (error / change) ** 0.5 < KERNEL.checks.sampled.tolerance(solution.case)


@pytest.mark.parametrize(("parts", "steps"), [(1, 8), (1, 32), (2, 24)])
def test_the_solver_in_float32_is_valid(parts, steps, measured):
    """Nearly neutral faces are taken for others, and every step rounds."""
    given = ("--param", "method=solver", "--param", f"parts={parts}", "--param", f"steps={steps}")
    (record,) = measured(
        "emulator", "-b", "numpy", "--shape", "32x32x32", "--dtype", "float32", *given
    )
    assert record["status"] == "valid", record["reasons"] + record["stderr"]


def test_most_values_of_the_solver_agree_to_rounding_and_a_wrong_share_is_found_out():
    """Where it takes a nearly neutral face for another, a whole column may differ."""
    params = {"method": "solver", "steps": 8}
    solution = solve("emulator", shape=(32, 16, 16), steps=1, params=params)
    want = {"after": solution.fields["after"].astype("f8")}
    check = verify.mostly_check(KERNEL, solution.case, OneRank(), want, want)
    assert [c.error for c in check.values()] == [0.0]
    for columns_off, passed in ((2, True), (3, False)):
        off = {"after": want["after"].copy()}
        off["after"][:, 0, :columns_off] += 1e-9
        (found,) = verify.mostly_check(KERNEL, solution.case, OneRank(), off, want).values()
        assert found.passed == passed
        assert found.error == pytest.approx(columns_off / 256)
        off["after"][:, 0, :columns_off] = np.nan
        (found,) = verify.mostly_check(KERNEL, solution.case, OneRank(), off, want).values()
        assert found.passed == passed
    network = make_case("emulator", shape=SHAPE)
    want = solve("emulator", shape=SHAPE, steps=1).fields
    off = {"after": want["after"].copy()}
    off["after"][3, 2, 1] += 1e-9
    (found,) = verify.mostly_check(KERNEL, network, OneRank(), off, want).values()
    assert not found.passed, "no value of a network"


@pytest.mark.parametrize("backend", ["numba"])
def test_the_solver_of_many_columns_is_valid_where_other_languages_round_otherwise(
    backend, measured
):
    """In float64 128 steps take about one column of a thousand another way."""
    require(backend)
    given = ("--shape", "32x64x64", "--threads", "1", "--param", "method=solver")
    (record,) = measured("emulator", "-b", backend, *given)
    assert record["status"] == "valid", record["reasons"] + record["stderr"]


def test_a_choice_is_told_in_words():
    def told(**params):
        return KERNEL.label(make_case("emulator", shape=SHAPE, params=params))

    assert told() == "emulator 2 x 128, dense"
    assert told(features=64, density=0.1) == "emulator 2 x 64, ticket 0.1"
    assert told(products="float16") == "emulator 2 x 128, dense, products in float16"
    assert told(density=0.2, mask="random", feed="sync") == "emulator feed=sync 2 x 128, random 0.2"
    assert told(rank=32) == "emulator 2 x 128, rank 32"
    assert told(method="solver", parts=2, steps=24) == "emulator solver, 64 levels, 24 steps"


def test_a_frontier_over_choices_takes_those_that_a_user_names():
    chosen = KERNEL.frontier
    every = frontier.sweeps(chosen, {})
    assert len(every) == len(chosen.choices)
    sparse = frontier.sweeps(chosen, {"density": ("0.1",), "method": ("network",)})
    assert [choice["features"] for choice in sparse] == [(64,), (128,)]
    planned, _ = frontier.plan("emulator", backends=("numpy",), params={"density": ("1", ".2")})
    dense = [
        each.case.param("density") for each in planned if each.case.param("method") == "network"
    ]
    assert set(dense) == {1.0, 0.2}
    with pytest.raises(JouliaError, match=r"no choice has features=7\. Allowed: 128, 32, 48, 64"):
        frontier.sweeps(chosen, {"features": (7,)})

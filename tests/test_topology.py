"""Pinning and default threads on fake trees of machines: cores first, siblings last."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import topology_trees as trees
from hypothesis import given, settings
from hypothesis import strategies as st

from joulia.system import topology
from joulia.system.topology import Topology, places


def cores_of_ranks(topology: Topology, ranks: int, threads: int) -> list[int]:
    """How many physical cores each rank is on."""
    taken = places(topology, ranks, threads)
    assert taken is not None
    return [len(topology.physical(share)) for share in taken]


def nodes_of_ranks(topology: Topology, ranks: int, threads: int) -> list[set[int]]:
    taken = places(topology, ranks, threads)
    assert taken is not None
    node_of = {thread: core.node for core in topology.cores for thread in core.threads}
    return [{node_of[thread] for thread in share} for share in taken]


# ---- POWER9 --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ac922(tmp_path_factory: pytest.TempPathFactory) -> Topology:
    return topology.read(range(160), trees.ac922(tmp_path_factory.mktemp("ac922")))


def test_an_ac922_has_forty_cores_of_four_threads(ac922: Topology) -> None:
    assert len(ac922.cores) == 40
    assert {len(core.threads) for core in ac922.cores} == {4}
    assert [(core.node, core.package) for core in ac922.cores] == [(0, 0)] * 20 + [(8, 8)] * 20
    assert str(ac922) == "160 hardware threads on 40 cores"


@pytest.mark.parametrize(
    ("ranks", "threads", "expected"),
    [
        (1, 4, [[0, 4, 8, 12]]),
        (4, 1, [[0], [4], [80], [84]]),
        (2, 2, [[0, 4], [80, 84]]),
        (2, 20, [list(range(0, 80, 4)), list(range(80, 160, 4))]),
        (1, 40, [list(range(0, 160, 4))]),
    ],
)
def test_ranks_and_threads_of_an_ac922_take_a_core_each(
    ac922: Topology, ranks: int, threads: int, expected: list[list[int]]
) -> None:
    assert places(ac922, ranks, threads) == expected


def test_siblings_come_when_all_cores_are_taken(ac922: Topology) -> None:
    assert cores_of_ranks(ac922, 40, 1) == [1] * 40
    assert places(ac922, 2, 40) == [
        [thread for thread in range(half, half + 80) if thread % 4 < 2] for half in (0, 80)
    ]
    assert places(ac922, 1, 160) == [list(range(160))]
    assert places(ac922, 1, 161) is None
    # Of 60 threads 20 share a core, and no core stays idle.
    (share,) = places(ac922, 1, 60) or [[]]
    assert (len(ac922.physical(share)), len(share)) == (40, 60)


def test_ranks_stay_in_a_memory_node_where_all_fit(ac922: Topology) -> None:
    assert nodes_of_ranks(ac922, 3, 10) == [{0}, {0}, {8}]
    assert nodes_of_ranks(ac922, 4, 10) == [{0}, {0}, {8}, {8}]
    # Three times 12 fit on the cores, but not within two nodes of 20: no core is shared all the
    # same.
    assert cores_of_ranks(ac922, 3, 12) == [12] * 3


# ---- EPYC ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def epyc(tmp_path_factory: pytest.TempPathFactory) -> Topology:
    return topology.read(range(256), trees.epyc(tmp_path_factory.mktemp("epyc")))


def test_ranks_of_an_epyc_spread_over_sockets_then_nodes(epyc: Topology) -> None:
    assert (len(epyc.cores), epyc.fast_cores) == (128, 128)
    assert places(epyc, 2, 1) == [[0], [64]]
    assert nodes_of_ranks(epyc, 4, 4) == [{0}, {1}, {4}, {5}]
    assert nodes_of_ranks(epyc, 8, 16) == [{node} for node in range(8)]
    assert nodes_of_ranks(epyc, 2, 64) == [{0, 1, 2, 3}, {4, 5, 6, 7}]  # a package each
    assert cores_of_ranks(epyc, 128, 1) == [1] * 128


def test_siblings_of_an_epyc_are_far_apart_in_number(epyc: Topology) -> None:
    (first, *_) = places(epyc, 8, 32) or [[]]
    assert first == [*range(16), *range(128, 144)]
    assert cores_of_ranks(epyc, 8, 32) == [16] * 8


def test_what_slurm_binds_to_whole_cores_is_narrowed_to_a_thread_a_core(tmp_path: Path) -> None:
    """`--cpu-bind=cores` gave a task of two threads 0,128 and 1,129 (ECMWF's listing)."""
    bound = topology.read([0, 1, 128, 129], trees.epyc(tmp_path))
    assert places(bound, 1, 2) == [[0, 1]]


def test_an_affinity_mask_that_leaves_one_sibling_of_some_cores(tmp_path: Path) -> None:
    """taskset -c 1-3,128-130,131: cores 0 to 2 in part or whole, 3 in one sibling."""
    lent = topology.read([1, 2, 3, 128, 129, 130], trees.epyc(tmp_path))
    assert [core.threads for core in lent.cores] == [(1, 129), (2, 130), (3,), (128,)]
    assert lent.fast_cores == 4
    assert places(lent, 4, 1) == [[1], [2], [3], [128]]
    assert places(lent, 1, 5) == [[1, 2, 3, 128, 129]]
    assert lent.holds(6)
    assert not lent.holds(7)


# ---- two kinds of cores, quotas, silence ---------------------------------------------------


def test_a_hybrid_laptop_counts_its_fast_cores(tmp_path: Path) -> None:
    laptop = topology.read(range(16), trees.hybrid_laptop(tmp_path))
    assert (len(laptop.cores), laptop.fast_cores) == (12, 4)
    assert places(laptop, 1, 4) == [[0, 2, 4, 6]]
    assert places(laptop, 2, 2) == [[0, 2], [4, 6]]
    # Then slow cores, and siblings last.
    assert places(laptop, 1, 6) == [[0, 2, 4, 6, 8, 9]]
    assert places(laptop, 1, 13) == [[0, 1, 2, 4, 6, *range(8, 16)]]
    # On E cores alone (taskset -c 8-15) they are what there is.
    assert topology.read(range(8, 16), tmp_path).fast_cores == 8


def test_a_big_little_board_counts_its_big_cores(tmp_path: Path) -> None:
    board = topology.read(range(6), trees.big_little(tmp_path))
    assert (len(board.cores), board.fast_cores) == (6, 2)
    assert places(board, 1, 2) == [[4, 5]]
    assert places(board, 1, 3) == [[0, 4, 5]]


@pytest.mark.parametrize(
    ("limit", "default", "most"),
    [("50000 100000", 1, 1), ("150000 100000", 1, 2), ("400000 100000", 4, 4), ("max", 40, 160)],
)
def test_a_cgroup_quota_bounds_the_threads(
    limit: str, default: int, most: int, tmp_path: Path
) -> None:
    """Half a core, one and a half, four, none, on an AC922: threads above it take turns."""
    granted = topology.read(range(160), trees.quota(trees.ac922(tmp_path), limit))
    assert granted.fast_cores == default
    assert granted.holds(most)
    assert not granted.holds(most + 1)


def test_a_vm_that_tells_nothing_has_as_many_cores_as_processors(tmp_path: Path) -> None:
    vm = topology.read(range(4), trees.silent(tmp_path))
    assert [core.threads for core in vm.cores] == [(0,), (1,), (2,), (3,)]
    assert vm.fast_cores == 4
    assert places(vm, 2, 2) == [[0, 1], [2, 3]]
    assert str(vm) == "4 cores"


def test_every_processor_a_package_of_its_own_is_no_obstacle(tmp_path: Path) -> None:
    """`qemu-system-x86_64 -smp 4` before QEMU 6.2 makes four sockets of one core."""
    vm = topology.read(range(4), trees.processors(tmp_path, 4, str, int, {0: "0-3"}))
    assert places(vm, 1, 4) == [[0, 1, 2, 3]]
    assert places(vm, 2, 2) == [[0, 1], [2, 3]]


def test_cores_are_taken_in_the_order_that_the_user_names(tmp_path: Path) -> None:
    """JOULIA_CORES=84,80,7,4 on an AC922."""
    named = topology.read([84, 80, 7, 4], trees.ac922(tmp_path))
    assert places(named, 1, 1) == [[84]]
    assert places(named, 2, 1) == [[84], [7]]
    assert places(named, 3, 1) == [[84], [80], [7]]


TREES = (trees.ac922, trees.epyc, trees.hybrid_laptop, trees.big_little, trees.silent)


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return [tree(tmp_path_factory.mktemp(tree.__name__)) for tree in TREES]


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_whatever_is_lent_no_thread_is_taken_twice_and_no_core_while_they_suffice(
    roots: list[Path], data: st.DataObject
) -> None:
    root = data.draw(st.sampled_from(roots))
    most = {"ac922": 160, "epyc": 256, "hybrid_laptop": 16, "big_little": 6, "silent": 4}
    count = next(n for name, n in most.items() if name in root.name)
    lent = data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=40, unique=True))
    ranks = data.draw(st.integers(1, 12))
    threads = data.draw(st.integers(1, 12))
    here = topology.read(lent, root)
    taken = places(here, ranks, threads)
    if ranks * threads > len(lent):
        assert taken is None
        return
    assert taken is not None
    assert [len(share) for share in taken] == [threads] * ranks
    every = list(itertools.chain(*taken))
    assert len(set(every)) == len(every)
    assert set(every) <= set(lent)
    if ranks * threads <= len(here.cores):
        assert len(here.physical(every)) == len(every)

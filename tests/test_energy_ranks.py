"""Several ranks, nodes and GPUs under the real mpiexec: one total, whoever reads it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import trees

from joulia.errors import Unavailable
from joulia.parallel import launchers
from joulia.runner import launch

SUPPORT = Path(__file__).parent / "support"
BOOTS = {"a": "aaaaaaaa-0000-0000-0000-000000000000", "b": "bbbbbbbb-0000-0000-0000-000000000000"}
WATTS = {"a": 100.0, "b": 60.0}
GPUS = {
    "a": [("GPU-0a000000-0", "00000000:01:00.0"), ("GPU-0b000000-0", "00000000:02:00.0")],
    "b": [("GPU-0c000000-0", "00000000:01:00.0")],
}
TOTAL_W = 100.0 + 60.0 + 3 * 250.0


@pytest.fixture
def nodes(tmp_path: Path) -> Path:
    """Two simulated nodes: trees with boot ids of their own."""
    for name, boot in BOOTS.items():
        trees.node(tmp_path / name, boot)
        meter = {"id": f"{boot}/fake", "watts": {"package-0": WATTS[name]}}
        gpus = [
            {"uuid": uuid, "bus_id": bus, "curve": {"mean_w": 250.0}} for uuid, bus in GPUS[name]
        ]
        trees.put(
            tmp_path / name,
            {
                "run/joulia/fake-meter.json": json.dumps(meter),
                "run/fake-gpus.json": json.dumps(gpus),
            },
        )
    return tmp_path


def measured(nodes: Path, layout: Sequence[tuple[object, ...]], tries: int = 20) -> Any:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(launch.STRIPPED)}
    path = os.pathsep.join([str(SUPPORT / "site"), str(SUPPORT), clean.get("PYTHONPATH", "")])
    try:
        launcher = launchers.mpiexec(len(layout), 1)
    except Unavailable as error:
        pytest.skip(str(error))
    argv = [
        *launcher.command, sys.executable, str(SUPPORT / "rank_nodes.py"),
        str(nodes), json.dumps(layout), "0.4", str(tries),
    ]  # fmt: skip
    done = subprocess.run(
        argv,
        env=clean | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


A0, A1, B0 = ("a", "GPU-0a000000-0"), ("a", "GPU-0b000000-0"), ("b", "GPU-0c000000-0")
LAYOUTS = [
    [A0, A1, B0],
    [B0, A1, A0, A1, B0],
    [A0, B0, ("a", "0000:02:00.0"), ("b", "GPU-0c"), ("b", None)],
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=["one rank a GPU", "mixed order", "shared GPUs"])
def test_the_total_is_that_of_nodes_and_devices(
    nodes: Path, layout: list[tuple[str, str | None]]
) -> None:
    result = measured(nodes, layout)
    energy = result["energy"]
    assert energy is not None, result["reason"]
    for joules, seconds in zip(energy["samples"], energy["windows_s"], strict=True):
        assert joules == pytest.approx(TOTAL_W * seconds, rel=energy["uncertainty_rel"])
    assert sum(result["readers"]) == 2, "one reader a node"
    first = {node: next(r for r, (n, _) in enumerate(layout) if n == node) for node in ("a", "b")}
    assert [rank for rank, reads in enumerate(result["readers"]) if reads] == sorted(first.values())
    on_a = [rank for rank, (node, _) in enumerate(layout) if node == "a"]
    assert energy["shared_by_ranks"][f"{BOOTS['a']}/fake"] == on_a
    second = [r for r, (_, d) in enumerate(layout) if d in ("GPU-0b000000-0", "0000:02:00.0")]
    assert energy["shared_by_ranks"]["GPU-0b000000-0"] == second


P100 = ("GPU-b668a901-6b19-5c0c-554c-cce49d58af0a", "GPU-6fb6d3db-aafb-f8da-a089-89b8077580fe")
"""`srun --ntasks=2 --gpus-per-task=1 nvidia-smi -L` says "GPU 0" twice, each another UUID (NVIDIA
deepops, issue 1102)."""
FENCED = {
    "one rank a GPU": (True, [(P100[0], [0]), (P100[1], [1])]),
    "a rank without": (True, [(P100[1], [1]), (None, []), (P100[0], [0])]),
    "shared": (True, [(P100[0], [0]), (P100[1], [1]), (P100[0], [0]), (P100[1], [0, 1])]),
    "sampled": (False, [(P100[1], [1]), (P100[0], [0])]),
}
"""Whether the GPUs have a counter; of each rank its GPU, and the GPUs that it sees."""


@pytest.mark.parametrize("case", FENCED)
def test_each_rank_reads_the_gpu_that_it_alone_sees(nodes: Path, case: str) -> None:
    """Slurm's --gpus-per-task: the node's reader sees its own GPU, and no rank sees them all.

    Tesla P100s have no counter: the rank that sees one samples it. One total, whoever sees what.
    """
    counter, layout = FENCED[case]
    name = "Tesla V100-SXM2-16GB" if counter else "Tesla P100-SXM2-16GB"
    gpus = [
        {"uuid": uuid, "bus_id": f"00000000:0{i + 1}:00.0", "name": name, "counter": counter,
         "curve": {"mean_w": 200.0 + 50.0 * i}}
        for i, uuid in enumerate(P100)
    ]  # fmt: skip
    trees.put(nodes / "a", {"run/fake-gpus.json": json.dumps(gpus)})
    seen = [("a", device, [P100[i] for i in indices]) for device, indices in layout]
    result = measured(nodes, seen)
    energy = result["energy"]
    assert energy is not None, result["reason"]
    assert energy["meters"] == sorted([*P100, f"{BOOTS['a']}/fake"])
    for joules, seconds in zip(energy["samples"], energy["windows_s"], strict=True):
        assert joules == pytest.approx(550.0 * seconds, rel=energy["uncertainty_rel"])
    for uuid in P100:
        ranks = [rank for rank, (device, _) in enumerate(layout) if device == uuid]
        assert energy["shared_by_ranks"][uuid] == ranks


def test_a_gpu_that_no_rank_may_read_is_no_total(nodes: Path) -> None:
    result = measured(
        nodes, [("a", "GPU-0a000000-0", ["GPU-0a000000-0"]), ("a", "GPU-0b000000-0", [])]
    )
    assert result["energy"] is None
    assert result["reason"] == "no meter for the GPU named GPU-0b000000-0"


def test_a_node_without_a_meter_is_no_total(nodes: Path) -> None:
    (nodes / "b/run/joulia/fake-meter.json").unlink()
    (nodes / "b/run/fake-gpus.json").unlink()
    result = measured(nodes, [("a", None), ("b", None)])
    assert result["energy"] is None
    assert result["reason"] == f"node {BOOTS['b']} has no meter"


def test_a_meter_that_dies_on_one_node_voids_the_windows_of_all(nodes: Path) -> None:
    spec = {"id": "b/fake", "watts": {"package-0": 60.0}, "fails_after": 3}
    trees.put(nodes / "b", {"run/joulia/fake-meter.json": json.dumps(spec)})
    result = measured(nodes, [("a", None), ("b", None)], tries=1)
    assert result["energy"]["repeats"] == 1
    assert result["energy"]["read_errors"] == 1
    assert "died" in result["energy"]["void_windows"][0]

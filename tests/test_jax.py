"""JAX: its threads, its memory, its caches, and what is said where it is not to be had."""

from __future__ import annotations

import importlib.util
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from joulia import registry, solve
from joulia.bridges import jax as bridge
from joulia.errors import Unavailable
from joulia.records.toolchain import toolchain
from joulia.simulation.solve import make_case

from .conftest import require


def threads_of_a_process(root: Path, *names: str) -> Path:
    """/proc/self/task as Linux lists threads, with the names that jaxlib 0.10 gives its own."""
    for number, name in enumerate(names, 4242):
        task = root / "proc/self/task" / str(number)
        task.mkdir(parents=True)
        (task / "comm").write_text(f"{name}\n")
    return root


def test_a_pool_of_the_case_s_threads_is_taken(tmp_path: Path) -> None:
    """13 threads that compile or wait, and those that compute."""
    names = ["python"] * 13 + ["tf_XLAEigen"] * 2
    bridge.require_threads(2, threads_of_a_process(tmp_path, *names))


@pytest.mark.parametrize("pool", [1, 4])
def test_a_pool_of_other_threads_is_refused(pool: int, tmp_path: Path) -> None:
    """As on a machine of 4 cores where this version does not heed NPROC."""
    root = threads_of_a_process(tmp_path, "python", *["tf_XLAEigen"] * pool)
    with pytest.raises(Unavailable, match=f"JAX computes on {pool} threads instead of 2"):
        bridge.require_threads(2, root)


def test_threads_that_cannot_be_counted_are_refused(tmp_path: Path) -> None:
    """As on macOS, which has no /proc."""
    with pytest.raises(Unavailable, match="cannot be counted here"):
        bridge.require_threads(1, tmp_path)


def test_a_case_computes_on_its_threads_whatever_cores_are_there(measured: Any) -> None:
    require("jax")
    case = ("stream", "-b", "jax", "--size", "tiny", "--threads", "1,2,3", "--oversubscribe")
    for record in measured(*case):
        assert record["status"] == "valid", record["reasons"] + record["stderr"]
        assert record["software"]["jax"] == record["toolchain"]["jax"]
        assert record["software"]["xla_flags"] == bridge.flags()


def test_a_second_number_of_threads_in_one_process_is_refused() -> None:
    """JAX starts once: `joulia.solve` in a notebook cannot change its threads."""
    require("jax")
    program = (
        "from joulia import solve\n"
        "solve('heat', 'jax', steps=1)\n"
        "solve('heat', 'jax', steps=1, threads=3)\n"
    )
    started = [sys.executable, "-c", program]
    done = subprocess.run(started, capture_output=True, text=True, check=False)
    assert "JAX computes on 1 threads instead of 3" in done.stderr.splitlines()[-1]


@pytest.mark.skipif(sys.platform != "linux", reason="page faults of glibc's memory")
def test_what_a_step_computes_on_the_way_is_not_mapped_anew() -> None:
    """Two threads take values into memory of their own: here 33 MiB, which glibc always maps."""
    require("jax")
    program = (
        "import resource\n"
        "from joulia.parallel.comm import OneRank\n"
        "from joulia.simulation.run import set_up\n"
        "from joulia.simulation.solve import make_case\n"
        "faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "run = set_up(make_case('heat', 'jax', shape=(33, 256, 512), threads=2), OneRank())\n"
        "run.steps(2)\n"
        "before = faults()\n"
        "run.steps(2)\n"
        "print(faults() - before)\n"
    )
    started = [sys.executable, "-c", program]
    done = subprocess.run(started, capture_output=True, text=True, check=True)
    pages = 33 * 256 * 512 * 8 / resource.getpagesize()
    assert int(done.stdout) < 0.1 * pages


def test_where_jax_is_not_installed_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "jaxlib" else find(name)
    )
    for device in bridge.devices():
        assert str(device.missing) == "jax is not installed; pip install 'joulia[jax]'"


def test_flags_of_the_user_have_the_last_word_and_change_the_identity(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = make_case("heat", "jax")
    before = toolchain(case, {})
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_max_isa=AVX512")
    assert bridge.flags().split()[-1] == "--xla_cpu_max_isa=AVX512"
    assert toolchain(case, {})["xla_flags"] != before["xla_flags"]
    assert toolchain(case, {"JAX_DEFAULT_MATMUL_PRECISION": "float32"}) != toolchain(case, {})


def heat_ops() -> Any:
    """heat's functions, as this process loads them."""
    require("jax")
    entry, case = registry.kernel("heat"), make_case("heat", "jax")
    bridge.start(case)
    return bridge.load(entry.kernel, entry.source(bridge.SUFFIX), case)


@pytest.fixture
def on_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ops of a GPU, on the arrays of the processor."""
    require("jax")
    load = bridge.load

    def loaded(kernel: Any, source: Any, case: Any) -> Any:
        from joulia.bridges import _jax_ops

        return _jax_ops.JaxGpuOps(load(kernel, source, case).functions)

    monkeypatch.setattr(bridge, "load", loaded)


@pytest.mark.usefixtures("on_a_device")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_ops_of_a_gpu_give_the_same_bits(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    there = solve("heat", "jax", steps=3, shape=(7, 6, 5), dtype=dtype)
    monkeypatch.undo()
    here = solve("heat", "jax", steps=3, shape=(7, 6, 5), dtype=dtype)
    assert there.fields["u"].tobytes() == here.fields["u"].tobytes()


@pytest.mark.usefixtures("on_a_device")
def test_what_a_gpu_packs_comes_out_of_the_right_places() -> None:
    ops = heat_ops()
    values = np.arange(24.0).reshape(2, 3, 4)
    field, buffer = ops.array(values), ops.array(np.zeros(6))
    places = ops.array(np.array([5, 23, 0]))
    ops.gather(field, places, buffer, 2)
    assert ops.host(buffer).tolist() == [0, 0, 5, 23, 0, 0]
    ops.upload(np.array([1.0, 2, 3, 4, 5, 6]), buffer)
    ops.scatter(buffer, 3, places, field)
    ops.move(field, ops.array(np.array([1, 2])), ops.array(np.array([7, 8])))
    ops.synchronize()
    values.ravel()[[5, 23, 0]] = 4, 5, 6
    values.ravel()[[7, 8]] = 1, 2
    assert (ops.host(field) == values).all()
    with pytest.raises(Unavailable, match="messages of JAX go through host memory"):
        ops.directly = True


def test_a_field_is_written_in_place_and_outlives_its_run() -> None:
    """NumPy sees the memory that JAX computes in, and keeps it."""
    ops = heat_ops()
    u, out = (ops.array(np.full((5, 5, 5), value)) for value in (1.0, -7.0))
    seen = ops.host(out)
    ops.diffuse((1, 4) * 3, u, out, 0.1, 0.2, 0.05)
    ops.synchronize()
    assert ops.host(out).ctypes.data == seen.ctypes.data
    assert seen.sum() == 27 * 1.0 - 98 * 7.0
    del out, ops
    assert seen.sum() == 27 * 1.0 - 98 * 7.0


def test_an_array_that_was_moved_is_told() -> None:
    """XLA writes in place in memory of its own: not, for one, in NumPy's."""
    ops = heat_ops()
    field, other = ops.array(np.zeros(5)), ops.array(np.ones(5))
    field.values = other.values
    with pytest.raises(RuntimeError, match="moved an array"):
        ops.host(field)


def test_caches_of_machines_and_versions_lie_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JAX's key has its versions and flags; a home on a cluster is shared by unlike processors."""
    require("jax")
    monkeypatch.setenv("JOULIA_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("JOULIA_COLD_DIR", raising=False)

    class Told:
        __version__ = "0.10.2"

        def __init__(self) -> None:
            self.settings: dict[str, Any] = {}
            self.config = self

        def update(self, name: str, value: Any) -> None:
            self.settings[name] = value

    def folder(processor: str) -> str:
        monkeypatch.setattr(bridge, "cpu_model", lambda: processor)
        told = Told()
        bridge.keep_in_cache(told)
        return str(told.settings["jax_compilation_cache_dir"])

    assert folder("POWER9") == folder("POWER9") != folder("AMD EPYC 7763 64-Core Processor")
    assert folder("POWER9").startswith(str(tmp_path))

"""Memory and a queue of a device's own, on every device that is here; `joulia gpu` runs this there.

`occa:opencl` on a processor is a device for true, with both of its own: it is the one that any
machine has. Every kernel is verified on each in test_kernels.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from joulia.case import DTYPES

from .conftest import BACKENDS, device, require
from .programs_run import PROGRAMS, program
from .promises import COMPLETE
from .test_ranks import (
    FEW,
    GRIDS,
    ODD,
    cases,
    different,
    digests,
    require_mpi_gives,
    require_threads_give,
)

pytestmark = pytest.mark.gpu

DEVICES = [name for name in BACKENDS if device(name).gpu or name == "occa:opencl"]
IN_JOULIAS_HANDS = [name for name in DEVICES if name != "jax:cuda"]
"""Those whose memory joulia moves itself."""

AFTER_THE_PRIMITIVES = """
# A step returns before its work is done, and what is asked for next waits for it.
u = rng.random((66, 66, 2050))
before, after = ops.array(u), ops.array(np.zeros_like(u))
for _ in range(10):
    ops.diffuse((1, 65, 1, 65, 1, 2049), before, after, 0.1, 0.1, 0.1)
inner = u[1:-1, 1:-1, 1:-1]
around = sum(np.roll(u, n, axis)[1:-1, 1:-1, 1:-1] for axis in range(3) for n in (1, -1))
assert np.allclose(ops.host(after)[1:-1, 1:-1, 1:-1], inner + 0.1 * (around - 6 * inner))
"""

ON_A_PROCESSOR = """
import gc
from pathlib import Path
import pytest
from joulia.bridges import _occa_opencl

# More than there is at once is said, and the process goes on.
largest = _occa_opencl.chosen().largest
with pytest.raises(MemoryError, match="GB at once"):
    ops.array(np.broadcast_to(np.float64(0), largest // 8 + 1))
assert (ops.host(a) == values[:, ::-1]).all()

# What goes is free again.
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

once = np.ones(1 << 23)
ops.array(once)
before = resident()
for _ in range(12):
    ops.array(once)
    gc.collect()
assert resident() - before < 2 * once.nbytes
"""


@pytest.mark.parametrize("backend", IN_JOULIAS_HANDS)
def test_the_primitives(backend: str) -> None:
    require(backend)
    script = (PROGRAMS / "primitives.py").read_text() + AFTER_THE_PRIMITIVES
    program({}, "-c", script + ON_A_PROCESSOR * (backend == "occa:opencl"), backend)


@pytest.mark.parametrize("backend", DEVICES)
def test_no_cut_changes_a_bit(backend: str, tmp_path: Path) -> None:
    """Every kernel on 1 to 4 ranks in cuts along every axis, and under mpiexec."""
    require(backend)
    compiles_each_box = backend == "jax:cuda"
    wanted = [(FEW, DTYPES[:1])] if compiles_each_box else [(GRIDS, DTYPES), (ODD, DTYPES[:1])]
    seen = digests(tmp_path, backend, 1, 2 if compiles_each_box else 4, chosen=cases(wanted))
    cuts = 3 if compiles_each_box else 7
    assert {name.split()[0] for name in seen if len(seen[name]) >= cuts} >= set(COMPLETE)
    assert different(seen, seen) == []
    require_mpi_gives(seen, tmp_path, backend, 2)
    if device(backend).threads:
        require_threads_give(seen, tmp_path, backend, cases([(GRIDS, DTYPES[:1])]))

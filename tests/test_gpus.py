"""GPUs in the matrix: ceilings of their own, who shares which, and which way messages go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from joulia import registry
from joulia.case import Case
from joulia.errors import Unavailable
from joulia.parallel import gpus
from joulia.runner import ceilings, plan
from joulia.runner.ceilings import Ceilings
from joulia.runner.plan import Request
from joulia.system import cuda

from .results import record

FIRST = cuda.Gpu("GPU-1", "Tesla V100", "0000:01:00.0", (7, 0), 1 << 34, 6 << 20)
SECOND = replace(FIRST, uuid="GPU-2", bus_id="0000:02:00.0")


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    survey = cuda.Survey((12, 4), (FIRST, SECOND))
    monkeypatch.setattr(cuda, "_asked", lambda: survey)
    yield
    cuda._claimed.clear()


@dataclass
class Ranks:
    """One rank's view of several, each of which tells what `told` says of it."""

    rank: int
    told: list[Any]
    world: Any = None

    @property
    def size(self) -> int:
        return len(self.told)

    def allgather(self, value: Any) -> list[Any]:
        return [value if rank == self.rank else other for rank, other in enumerate(self.told)]


def case(ranks: int = 1, backend: str = "numba:cuda", size: str = "medium") -> Case:
    kernel = registry.kernel("heat").kernel
    ((bridge, device, _),) = registry.backend(backend)
    return Case(
        "heat",
        bridge,
        device,
        size,
        kernel.sizes[size],
        "float64",
        ranks,
        1,
        kernel.resolve({}),
        on_gpu=device == "cuda",
    )


@pytest.mark.usefixtures("two_gpus")
def test_kernels_on_gpus_are_held_to_ceilings_of_gpus() -> None:
    request = Request(["tracer"], ["numba:cuda", "numpy"], sizes=("small",), ranks=(1, 2))
    ceilings = [planned.case for planned in plan.plan([request]) if planned.case.kernel == "stream"]
    places = {(case.param("op"), case.place) for case in ceilings}
    assert places >= {(op, ("gpu", n)) for op in ("triad", "fma") for n in (1, 2)}
    assert places >= {(op, ("core", n)) for op in ("triad", "fma") for n in (1, 2)}
    assert all(case.on_gpu == (case.place[0] == "gpu") for case in ceilings)


@pytest.mark.usefixtures("two_gpus")
def test_what_fits_into_the_second_level_cache_of_its_gpus_is_not_bound_by_memory() -> None:
    assert ceilings.cache_bytes(case(1)) == 6 << 20
    assert ceilings.cache_bytes(case(2)) == 12 << 20
    assert ceilings.cache_bytes(case(4)) == 12 << 20, "four ranks share two"
    assert ceilings.exceeds_caches(case(1))
    assert not ceilings.exceeds_caches(case(1, size="tiny"))


@pytest.mark.usefixtures("two_gpus")
def test_a_ceiling_of_a_processor_bounds_no_gpu() -> None:
    ceilings = Ceilings()
    ceilings.learn(record("numba", 1e-3, kernel="stream", size="medium"))
    on_gpu, beside = record("numba:cuda", 1e-4, size="medium"), record("numba", 1e-2, size="medium")
    assert ceilings.held_against(on_gpu.case, on_gpu.rates).fraction_of_bound is None
    assert ceilings.held_against(beside.case, beside.rates).fraction_of_bound
    ceilings.learn(record("numba:cuda", 1e-4, kernel="stream", size="medium"))
    assert ceilings.held_against(on_gpu.case, on_gpu.rates).fraction_of_bound


@pytest.mark.usefixtures("two_gpus")
def test_the_record_names_each_gpu_once_with_its_ranks() -> None:
    cuda._claimed[:] = [FIRST]
    shared = gpus.shared(case(3), Ranks(0, [FIRST, SECOND, FIRST]))  # type: ignore[arg-type]
    assert [(gpu.uuid, ranks) for gpu, ranks in shared] == [("GPU-1", (0, 2)), ("GPU-2", (1,))]
    assert gpus.shared(case(1, "numpy"), Ranks(0, [None])) == []  # type: ignore[arg-type]


def test_what_is_asked_of_an_mpi_that_takes_no_device_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    two: Any = Ranks(0, [None, None])
    monkeypatch.setattr(gpus, "cuda_aware", lambda: False)
    assert gpus.sends_directly("auto", two) is False
    assert gpus.sends_directly("host", two) is False
    with pytest.raises(Unavailable, match="does not say that it takes device memory"):
        gpus.sends_directly("device", two)
    monkeypatch.setattr(gpus, "cuda_aware", lambda: True)
    assert gpus.sends_directly("auto", two) is True
    assert gpus.sends_directly("device", two) is True
    assert gpus.sends_directly("host", two) is False
    assert gpus.sends_directly("device", Ranks(0, [None])) is False  # type: ignore[arg-type]

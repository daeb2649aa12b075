"""Power limits and clocks of GPUs as an axis, on a stand-in that follows a public recording."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import trees
from fake_limits import LimitedNvml, seen
from fake_nvml import FakeGpu
from limited import begin
from virtual import Curve, LocalSampler, VirtualClock
from windows import UUID, energy, window

from joulia.case import Case, Settings
from joulia.energy.result import energy_result
from joulia.errors import JouliaError
from joulia.meters import nvml
from joulia.records.parts import EndTimeError
from joulia.records.record import Measured, Record
from joulia.records.stats import summary
from joulia.records.store import load
from joulia.report import frontier_plots, page
from joulia.runner import caps, launch, limits, session
from joulia.runner.cases import Planned
from joulia.simulation import end_time
from joulia.simulation.solve import make_case
from joulia.system import cuda

from . import results


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return begin(tmp_path, monkeypatch)


TRACE = {
    250.0: (26.674534, 6065.03), 225.0: (27.281091, 5815.52), 200.0: (28.313233, 5394.75),
    175.0: (29.454168, 5059.21), 150.0: (32.412885, 4830.30), 125.0: (40.209291, 4969.59),
    100.0: (53.866498, 5327.10),
}  # fmt: skip
"""Seconds and joules by power limit: ResNet-50 on one V100, `tests/profile_data/V100+resnet50+gpu0.
csv` of github.com/ml-energy/zeus (Apache-2.0; 2023-07-07)."""


@pytest.fixture
def v100(root: Path, monkeypatch: pytest.MonkeyPatch) -> LimitedNvml:
    """A stand-in GPU that this process and the guard see; the driver shows it as well."""
    trees.put(root, {"run/fake-gpus.json": json.dumps([{"uuid": UUID, "curve": {"mean_w": 40.0}}])})
    library = LimitedNvml(VirtualClock(), [FakeGpu(UUID)], root)
    shown = cuda.Gpu(UUID, "Tesla V100-PCIE-16GB", "0000:01:00.0", (7, 0), 1 << 34, 6 << 20)
    monkeypatch.setattr(cuda, "survey", lambda: cuda.Survey((12, 4), (shown,)))
    monkeypatch.setattr(limits, "nvml_library", lambda: library)
    return library


def on_gpu(**limited: float) -> Case:
    case, _ = end_time.ends_at(make_case("heat", shape=(16, 16, 16)), 0.25)
    return replace(case, bridge="numba", device="cuda", on_gpu=True, **limited)  # type: ignore[arg-type]


def as_the_trace_tells(case: Case, settings: Settings, library: LimitedNvml) -> Measured:
    """A case whose steps take the trace's seconds and joules under the limit that holds now.

    Its joules are counted by joulia's own meter, from the stand-in's counter.
    """
    seconds, joules = TRACE[seen(library)[0] / 1e3]
    clock = VirtualClock()
    gpu = FakeGpu(UUID, curve=Curve(joules / seconds))
    meters = nvml.open(Path("/"), clock, LimitedNvml(clock, [gpu], library.file.parents[1]))
    meters[0].sampler = LocalSampler(meters[0].sampler.reader, 0.05, clock)  # type: ignore[attr-defined]
    monitor = energy(clock, meters, device=UUID)
    monitor.idle()
    for factor in results.NOISE:
        window(monitor, clock, factor * seconds)
    monitor.idle()
    data, reason = energy_result(monitor, 1)
    assert data is not None, reason
    made = results.record("numba", [factor * seconds for factor in results.NOISE])
    assert made.time is not None
    steps = end_time.ends_at(case, 0.25)[1]
    per_step = summary([sample / steps for sample in made.time.samples])
    joules_a_step = summary([sample / steps for sample in data.samples])
    return Measured(
        "valid",
        time=replace(made.time, **vars(per_step)),
        energy=replace(data, **vars(joules_a_step)),
        work=made.work, rates=made.rates, startup=made.startup, parallel=made.parallel,
        verify=made.verify, solution=EndTimeError(0.25, steps, "u", "", 1e-3),
    )  # fmt: skip


@pytest.fixture
def swept(v100: LimitedNvml, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Record]:
    """The trace's limits, measured through a session."""
    monkeypatch.setattr(
        launch, "measured", lambda case, settings: as_the_trace_tells(case, settings, v100)
    )
    planned = [Planned(on_gpu(power_limit_w=watts)) for watts in TRACE]
    with caps.holding([entry.case for entry in planned]) as held:
        outcomes = session.outcomes(planned, Settings(until=0.25), tmp_path / "f.jsonl", caps=held)
        return [outcome.record for outcome in outcomes]


def test_on_a_v100_250_w_is_quickest_and_150_w_takes_the_fewest_joules(
    swept: list[Record], v100: LimitedNvml
) -> None:
    assert [record.status for record in swept] == ["valid"] * len(TRACE), swept[0].reasons
    ((_, words),) = frontier_plots.words(swept)
    assert words[-1] == (
        "16^3, fp64 on numba:cuda: quickest at 250 W, 26.7 s and 6.07 kJ; fewest joules at 150 W, "
        "4.83 kJ: 1.26 times fewer joules for 1.22 times the time; at 100 W takes 5.33 kJ again."
    )
    assert "for 26.7 s: 16^3, fp64 on numba:cuda at 250 W." in words[0]
    assert "for 4.83 kJ: 16^3, fp64 on numba:cuda at 150 W." in words[1]
    html = page.build(swept)
    assert "fewest joules at 150 W" in html
    assert html.count('data-plot="limits"') == 1
    diagram = html[html.index('data-plot="limits"') :]
    for tick in ("30 s", "50 s", "4 kJ", "6 kJ"):
        assert f">{tick}<" in diagram
    assert seen(v100) == (250_000, 0), "as before"


def test_a_gpus_clock_is_locked_for_a_case_and_reset(
    v100: LimitedNvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    under = []

    def measured(case: Case, settings: Settings) -> Measured:
        under.append(seen(v100))
        return Measured("valid")

    monkeypatch.setattr(launch, "measured", measured)
    cases = [on_gpu(power_limit_w=200.0), on_gpu(clock_mhz=1005.0), on_gpu(clock_mhz=1380.0)]
    with caps.holding(cases) as held:
        assert held is not None
        for case in cases:
            held.measured(case, Settings())
    assert under == [(200_000, 0), (250_000, 1005), (250_000, 1380)]
    assert seen(v100) == (250_000, 0)


def test_a_gpus_ranges_are_its_drivers(v100: LimitedNvml) -> None:
    with pytest.raises(JouliaError, match=rf"numba:cuda \({UUID}\). Allowed: 100 to 250 W"):
        caps.Caps([on_gpu(power_limit_w=300.0)])
    with pytest.raises(JouliaError, match="Allowed: 135 to 1380 MHz"):
        caps.Caps([on_gpu(clock_mhz=1500.0)])


def test_only_root_may_limit_a_gpu_and_nothing_is_measured_or_lost(
    v100: LimitedNvml, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    v100.permits = False
    monkeypatch.setattr(launch, "measured", None)
    planned = [Planned(on_gpu(power_limit_w=150.0))]
    file = tmp_path / "f.jsonl"
    kept = results.record("numpy", 1e-3)
    results.write(file, [kept])
    with (
        warnings.catch_warnings(),
        pytest.raises(JouliaError, match="Insufficient Permissions: only root may set") as caught,
        caps.holding([entry.case for entry in planned]) as held,
    ):
        list(session.outcomes(planned, Settings(until=0.25), file, caps=held))
    assert f"nvidia-smi -i {UUID} -pl WATTS" in str(caught.value)
    assert load(file) == [kept]
    assert not limits.left_file().exists()

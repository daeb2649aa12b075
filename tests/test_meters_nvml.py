"""NVIDIA GPUs through a fake NVML: identity, counter, cross-check, MIG, Grace Hopper, faults."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_nvml import FakeGpu, FakeNvml
from virtual import Curve, LocalSampler, VirtualClock

from joulia import meters
from joulia.errors import Unavailable
from joulia.meters import Base, Missing, _gpu, nvml

UUIDS = [f"GPU-{i:08x}-0000-0000-0000-000000000000" for i in range(0xA0, 0xAC)]
HOPPER = "NVIDIA H100 80GB HBM3"


def opened(clock: VirtualClock, *gpus: FakeGpu) -> list[Base]:
    return nvml.open(Path("/"), clock, FakeNvml(clock, gpus), LocalSampler)


def test_each_gpu_is_a_meter_with_its_uuid() -> None:
    clock = VirtualClock()
    first, second = opened(clock, FakeGpu(UUIDS[0]), FakeGpu(UUIDS[1], "00000000:02:00.0"))
    assert (first.id, first.device, first.bus_id) == (UUIDS[0], UUIDS[0], "00000000:01:00.0")
    assert second.id == UUIDS[1]
    assert first.source == "counter"
    assert first.domains["gpu"].systematic_rel == 0.05


def test_the_counter_is_in_joules_and_steps() -> None:
    clock = VirtualClock(10.0)
    (meter,) = opened(clock, FakeGpu(UUIDS[0], curve=Curve(250.0)))
    before = meter.read()["gpu"]
    clock.sleep(0.015)
    assert meter.read()["gpu"] == before
    clock.sleep(1.985)
    assert meter.read()["gpu"] - before == pytest.approx(500.0, abs=0.01)


@pytest.mark.parametrize(
    ("name", "period_s"),
    [("Tesla V100-SXM2-32GB", 0.02), ("NVIDIA A100-SXM4-40GB", 0.1), (HOPPER, 0.1)],
)
def test_update_period_by_generation(name: str, period_s: float) -> None:
    (meter,) = opened(VirtualClock(), FakeGpu(UUIDS[0], name=name))
    assert meter.domains["gpu"].period_s == period_s


def test_the_sampled_power_beside_the_counter() -> None:
    clock = VirtualClock(5.0)
    (meter,) = opened(clock, FakeGpu(UUIDS[0], curve=Curve(200.0, 50.0), power_gain=1.08))
    meter.start(())
    counter, check = meter.read()["gpu"], meter.check()["gpu"]
    clock.sleep(4.0)
    ratio = (meter.check()["gpu"] - check) / (meter.read()["gpu"] - counter)
    assert ratio == pytest.approx(1.08, rel=0.01)


def test_averaged_power_checks_no_counter() -> None:
    """Without field 186 newer GPUs average over a second, which says nothing about a window."""
    (meter,) = opened(VirtualClock(), FakeGpu(UUIDS[0], name=HOPPER, instant=False))
    assert meter.check() == {}
    (volta,) = opened(VirtualClock(), FakeGpu(UUIDS[0], instant=False))
    assert volta.check() != {}


def test_a_gpu_without_a_counter_is_sampled() -> None:
    clock = VirtualClock()
    (meter,) = opened(clock, FakeGpu(UUIDS[0], name="Tesla P100", counter=False))
    assert meter.source == "sampled"
    meter.start(())
    clock.sleep(1.0)
    before = meter.read()["gpu"]
    clock.sleep(2.0)
    assert meter.read()["gpu"] - before == pytest.approx(500.0, rel=1e-3)


def test_averaged_power_has_the_period_of_its_average() -> None:
    gpu = FakeGpu(UUIDS[0], name="NVIDIA A10", counter=False, instant=False, average_s=1.0)
    (meter,) = opened(VirtualClock(), gpu)
    assert meter.domains["gpu"].lag_s == pytest.approx(1.1), "the average, and its refreshing"


def test_a_lost_gpu_is_an_error_and_not_0() -> None:
    clock = VirtualClock()
    (meter,) = opened(clock, FakeGpu(UUIDS[0], fails=(3.0, 4.0)))
    meter.read()
    clock.sleep(3.5)
    with pytest.raises(Unavailable, match="GPU is lost"):
        meter.read()
    clock.sleep(1.0)
    meter.read()


def test_a_counter_that_goes_back_is_an_error() -> None:
    """The driver was loaded again: the counter restarts."""
    clock = VirtualClock(100.0)
    gpu = FakeGpu(UUIDS[0])
    (meter,) = opened(clock, gpu)
    meter.read()
    gpu.curve = Curve(1.0)
    with pytest.raises(Unavailable, match="went back"):
        meter.read()


def test_a_mig_instance_is_not_attributable() -> None:
    (meter,) = opened(VirtualClock(), FakeGpu(UUIDS[0], name=HOPPER, mig=True))
    assert meter.unattributable is not None
    assert "shared, not attributable" in meter.unattributable


def test_grace_hoppers_counter_is_its_modules() -> None:
    """Zeus, pull request 172; power by scope: nvidia-smi -q lists it as Module Power Readings."""
    clock = VirtualClock()
    gpu = FakeGpu(UUIDS[0], name="NVIDIA GH200 480GB", curve=Curve(400.0), module=Curve(650.0))
    (meter,) = opened(clock, gpu)
    assert {n: d.kind for n, d in meter.domains.items()} == {"module": "module"}
    clock.sleep(1.0)
    before, check = meter.read()["module"], meter.check()["module"]
    clock.sleep(1.0)
    assert meter.read()["module"] - before == pytest.approx(650.0)
    assert meter.check()["module"] - check == pytest.approx(650.0)
    gpu.counter = False
    (sampled,) = opened(clock, gpu)
    assert {n: d.kind for n, d in sampled.domains.items()} == {"gpu": "gpu", "module": "module"}


def test_what_does_not_count_is_not_read() -> None:
    clock = VirtualClock()
    gpu = FakeGpu(UUIDS[0], name="NVIDIA GH200 480GB", module=Curve(650.0), counter=False)
    (meter,) = opened(clock, gpu)
    meter.only(["gpu"])
    gpu.module = None  # it would be a failed read from now on
    meter.start(())
    clock.sleep(1.0)
    assert meter.read().keys() == {"gpu"}


def test_no_driver() -> None:
    with pytest.raises(Missing) as caught:
        nvml.open(Path("/"), VirtualClock(), FakeNvml(VirtualClock(), []))
    assert caught.value.state == "absent"


def test_the_real_binding_without_a_driver(tmp_path: Path) -> None:
    """What this machine tells, whichever it is: meters, or a reason with a remedy."""
    opened, missing = meters.open_all(tmp_path, VirtualClock(), only=["nvml"])
    assert opened or missing["nvml"].remedy
    assert all(meter.id.startswith("GPU-") for meter in opened)


GPUS: dict[str, str | None] = {
    uuid: f"00000000:{i + 1:02X}:00.0" for i, uuid in enumerate(UUIDS)
} | {"GPU-abc00000-1111-0000-0000-000000000000": "00000004:04:00.0"}


@pytest.mark.parametrize(
    ("token", "uuid"),
    [
        (UUIDS[10], UUIDS[10]),
        (UUIDS[1].lower(), UUIDS[1]),
        (UUIDS[1].removeprefix("GPU-"), UUIDS[1]),
        ("GPU-abc", "GPU-abc00000-1111-0000-0000-000000000000"),
        ("0000:0b:00.0", UUIDS[10]),
        ("00000000:0B:00.0", UUIDS[10]),
        ("0004:04:00.0", "GPU-abc00000-1111-0000-0000-000000000000"),
        ("0004:04:00", "GPU-abc00000-1111-0000-0000-000000000000"),
    ],
)
def test_devices_by_uuid_prefix_and_bus_id(token: str, uuid: str) -> None:
    assert _gpu.match(token, GPUS) == uuid


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("10", "index"),  # a peer took GPU 10 for GPU 1
        ("1", "index"),
        ("PU-abc", "no meter"),  # a peer stripped GPU-abc to PU-abc
        ("GPU-0000", "several"),
        ("GPU-ffffffff", "no meter"),
        ("0000:99:00.0", "no meter"),
        ("", "no meter"),
        ("MIG-abc00000-1111-0000-0000-000000000000", "not attributable"),
    ],
)
def test_what_names_no_single_gpu(token: str, reason: str) -> None:
    with pytest.raises(Unavailable, match=reason):
        _gpu.match(token, GPUS)

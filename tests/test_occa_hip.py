"""occa:hip without an AMD GPU: what is told to be missing, and what its driver's files say.

No test sees it compute: its kernels and device memory are those of occa:opencl and occa:cuda.
"""

from __future__ import annotations

import pytest
import trees

from joulia.bridges import _occa_hip, _occa_library, occa
from joulia.errors import Unavailable
from joulia.measure.beginning import device
from joulia.parallel.gpus import sends_directly
from joulia.simulation.solve import make_case


def node(root, number, **facts):
    lines = "\n".join(f"{name} {value}" for name, value in facts.items())
    trees.put(root, {f"{_occa_hip.NODES}/{number}/properties": lines})


def test_amds_driver_tells_gpus_by_their_pci_bus_ids(tmp_path):
    """A node of processors, and two GPUs: 0xc100 is bus 0xc1, 0x2308 bus 0x23, device 1."""
    assert _occa_hip.gpus(tmp_path) == []
    node(tmp_path, 10, simd_count=304, location_id=0x2308, domain=1)
    node(tmp_path, 0, cpu_cores_count=64, simd_count=0, location_id=0)
    node(tmp_path, 2, cpu_cores_count=0, simd_count=304, location_id=0xC100, domain=0)
    assert _occa_hip.gpus(tmp_path) == ["0000:c1:00.0", "0001:23:01.0"]


@pytest.fixture
def gpus(monkeypatch):
    for name in _occa_hip.VISIBLE:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(_occa_hip, "gpus", lambda: ["0000:c1:00.0", "0001:23:01.0"])
    return monkeypatch


def test_meters_know_the_first_gpu_unless_hip_was_given_another_order(gpus):
    case = make_case("heat", "occa:hip")
    assert case.on_gpu
    assert device(case) == "0000:c1:00.0"
    gpus.setenv("HIP_VISIBLE_DEVICES", "1")
    assert device(case) is None
    assert occa.gpu_of(make_case("heat", "occa:serial")) is None


def test_what_is_missing_is_said_with_a_remedy(gpus, tmp_path):
    def reason():
        return str(_occa_hip.missing())

    own = _occa_library.own_prefix() / "lib" / "libocca.so"
    gpus.setattr(_occa_hip, "find_library", lambda: own)
    assert reason() == (
        "joulia's own OCCA (1.0.8) knows no HIP of today; set OCCA_DIR to an OCCA 2 that was built "
        "with HIP"
    )
    gpus.setattr(_occa_hip, "find_library", lambda: tmp_path / "lib" / "libocca.so")
    defines = "include/occa/defines"
    for version, enabled, told in (("1.6.0", 1, "has no HIP"), ("2.0.0", 0, "has no HIP")):
        trees.put(tmp_path, {
            f"{defines}/occa.hpp": f'#define OCCA_VERSION_STR "{version}"',
            f"{defines}/compiledDefines.hpp": f"#define OCCA_HIP_ENABLED {enabled}",
        })  # fmt: skip
        assert told in reason()
    trees.put(tmp_path, {f"{defines}/compiledDefines.hpp": "#define OCCA_HIP_ENABLED 1"})
    gpus.setattr(_occa_hip.shutil, "which", lambda name, path=None: None)
    assert "no ROCm found (hipcc)" in reason()
    gpus.setenv("OCCA_HIP_COMPILER", "/nonexistent/hipcc -v")
    assert "OCCA_HIP_COMPILER is /nonexistent/hipcc -v, which is not there" in reason()
    gpus.setattr(_occa_hip.shutil, "which", lambda name, path=None: name)
    assert _occa_hip.missing() is None
    gpus.setattr(_occa_hip, "gpus", list)
    assert reason().startswith("no AMD GPU (/sys/class/kfd/kfd/topology/nodes shows none)")


def test_memory_without_an_address_goes_through_the_host(monkeypatch):
    class TwoRanks:
        size = 2

    monkeypatch.setattr("joulia.parallel.gpus.cuda_aware", lambda: True)
    assert sends_directly("auto", TwoRanks())
    assert not sends_directly("auto", TwoRanks(), addressable=False)
    assert not sends_directly("host", TwoRanks(), addressable=False)
    with pytest.raises(Unavailable, match="no address that MPI could take; --gpu-exchange host"):
        sends_directly("device", TwoRanks(), addressable=False)

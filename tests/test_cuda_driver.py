"""What joulia makes of a CUDA driver, against a stand-in for one that has the faults asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from joulia.errors import Unavailable
from joulia.system import cuda


def uuid(byte: str) -> str:
    """A UUID whose bytes are all the same."""
    return "-".join(byte * n for n in (4, 2, 2, 2, 6))


Ask = Callable[..., Any]


@pytest.fixture
def python(stub: Path, tmp_path: Path) -> Ask:
    """Run lines of Python where the stand-in is the driver; what they print, as JSON."""

    def run(lines: str, driver: str = "", **env: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-c", f"import json\nfrom joulia.system import cuda\n{lines}"],
            env=os.environ
            | {"LD_LIBRARY_PATH": str(stub), "STUB_CUDA": driver}
            | {"STUB_CUDA_LOG": str(tmp_path / "log")}
            | env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


SURVEY = "print(json.dumps([g.uuid for g in cuda.survey().gpus] + list(cuda.survey().driver)))"
MISSING = "e = cuda.missing(); print(json.dumps(e and [e.reason, e.remedy]))"


def test_the_driver_and_its_gpus(python: Ask) -> None:
    assert python(SURVEY, "gpus=2,driver=12040") == [
        f"GPU-{uuid('a0')}", f"GPU-{uuid('a1')}", 12, 4,
    ]  # fmt: skip
    printed = python(
        "print(json.dumps(vars(cuda.survey().gpus[1])))", "gpus=2,capability=90,mode=3"
    )
    assert printed == {
        "uuid": f"GPU-{uuid('a1')}", "name": "Stub GPU 1", "bus_id": "0000:02:00.0",
        "capability": [9, 0], "memory_bytes": 1 << 34, "l2_bytes": 6 << 20, "mode": 3,
    }  # fmt: skip
    assert python("print(json.dumps(cuda.survey().gpus[0].architecture))") == "sm_70"


@pytest.mark.parametrize(
    ("driver", "reason", "remedy"),
    [
        ("fault=100", "the NVIDIA driver shows no GPU (cuInit: CUDA error 100)", "--gpus all"),
        ("gpus=0", "the NVIDIA driver shows no GPU", "CUDA_VISIBLE_DEVICES"),
        ("fault=34", "libcuda.so.1 is the CUDA toolkit's stub", "LD_LIBRARY_PATH"),
        ("fault=101", "CUDA_VISIBLE_DEVICES names a GPU that is not there", "nvidia-smi -L"),
        ("fault=802", "the GPUs are not ready", "nvidia-fabricmanager"),
        ("fault=803", "NVIDIA's kernel module and libcuda are of different", "reboot"),
        ("fault=999", "the NVIDIA driver does not start", "log"),
        ("count=719", "the GPU stopped answering (cuDeviceGetCount: CUDA error 719)", "nvidia-smi"),
        ("fault=12345", "the NVIDIA driver fails (cuInit: CUDA error 12345)", "nvidia-smi"),
        ("abort=1", "the NVIDIA driver ended the process that asked it (exit code -6)", "log"),
    ],
)
def test_a_fault_is_a_reason_with_a_remedy(
    python: Ask, driver: str, reason: str, remedy: str
) -> None:
    printed = python(MISSING, driver)
    assert printed[0].startswith(reason)
    assert remedy in printed[1]


def test_a_driver_that_hangs_is_given_up(python: Ask) -> None:
    printed = python("cuda.PATIENCE_S = 1.0\n" + MISSING, "hang=1")
    assert printed[0] == "the NVIDIA driver does not answer within 1 s"


def test_nobody_waits_for_a_process_that_cannot_be_killed(python: Ask) -> None:
    """As one that is stuck inside the driver."""
    began = time.monotonic()
    printed = python(
        "import os, subprocess\nimmortal = []\ncuda.PATIENCE_S = 1.0\n"
        "subprocess.Popen.kill = lambda self: immortal.append(self.pid)\n"
        f"{MISSING}\nos.kill(immortal[0], 9)",
        "hang=1",
    )
    assert printed[0] == "the NVIDIA driver does not answer within 1 s"
    assert time.monotonic() - began < 30.0


def test_no_driver_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "LIBRARY", "libcuda-that-is-not-there.so.1")
    cuda._asked.cache_clear()
    try:
        missing = cuda.missing()
    finally:
        cuda._asked.cache_clear()
    assert missing is not None
    assert missing.reason.startswith("no NVIDIA driver")
    assert "install NVIDIA's driver" in missing.remedy


@pytest.mark.parametrize(
    ("driver", "runtime", "reason"),
    [
        ("driver=12040", (12, 8), None),  # minor version compatibility
        ("driver=13000", (12, 8), None),
        ("driver=12040", (13, 0), "the driver serves CUDA 12.4, it needs 13.0"),
        ("driver=11040", (12, 0), "the driver serves CUDA 11.4, it needs 12.0"),
    ],
)
def test_a_driver_older_than_the_toolkit(
    python: Ask, driver: str, runtime: tuple[int, int], reason: str | None
) -> None:
    printed = python(
        "from joulia.errors import Unavailable\n"
        f"try:\n    cuda.require_toolkit({runtime}, 'it')\n    print(json.dumps(None))\n"
        "except Unavailable as e:\n    print(json.dumps([e.reason, e.remedy]))",
        driver,
    )
    assert (printed and printed[0]) == reason
    if printed:
        assert "update the driver" in printed[1]


@pytest.mark.parametrize(
    ("driver", "extra"),
    [
        ("driver=12040,capability=90", "joulia[cuda12]"),
        ("driver=13000,capability=90", "joulia[cuda13]"),
        ("driver=13000,capability=75", "joulia[cuda13]"),
        ("driver=13000,capability=70", "joulia[cuda12]"),  # CUDA 13 has dropped Volta
        ("driver=14000,capability=100", "joulia[cuda13]"),
        ("driver=11040,capability=70", "joulia[cuda12]"),
        ("fault=100", "joulia[cuda12]"),
    ],
)
def test_the_extra_suits_driver_and_gpu(python: Ask, driver: str, extra: str) -> None:
    assert python("print(json.dumps(cuda.extra()))", driver) == extra


@pytest.mark.parametrize(
    ("runtime", "capability", "refused"),
    [((13, 0), 70, True), ((13, 0), 75, False), ((12, 9), 70, False), ((14, 0), 70, False)],
)
def test_a_gpu_that_the_runtime_has_no_code_for(
    python: Ask, runtime: tuple[int, int], capability: int, refused: bool
) -> None:
    printed = python(
        "from joulia.errors import Unavailable\n"
        f"try:\n    cuda.require_compiler({runtime}, 'it')\n    print(json.dumps(None))\n"
        "except Unavailable as e:\n    print(json.dumps([e.reason, e.remedy]))",
        f"driver=14000,capability={capability}",
    )
    wanted = ["CUDA 13.0 of it does not compile for sm_70 (Stub GPU 0)"]
    assert printed == ([*wanted, "pip install 'joulia[cuda12]'"] if refused else None)


ROOM = (
    "from joulia.errors import Unavailable\n"
    "try:\n    cuda.require_room({wanted}, {sharing})\n    print(json.dumps(None))\n"
    "except Unavailable as e:\n    print(json.dumps([e.reason, e.remedy]))"
)


@pytest.mark.parametrize(
    ("driver", "wanted", "sharing", "reason"),
    [
        ("", 1 << 30, 2, None),
        ("free=1073741824", 600 << 20, 1, None),
        ("free=1073741824", 600 << 20, 2, "has 1.0 GiB of 16.0 GiB free, this case needs 1.2 GiB"),
        ("mode=3", 1 << 20, 1, None),
        ("mode=3", 1 << 20, 2, "is in exclusive mode, and 2 ranks would share it"),
        ("mode=2", 1 << 20, 1, "is closed to computing"),
        ("context=46", 1 << 20, 1, "the GPU is busy or in exclusive mode"),
        ("context=2", 1 << 20, 1, "the GPU's memory is full"),
    ],
)
def test_room_on_a_gpu(
    python: Ask, driver: str, wanted: int, sharing: int, reason: str | None
) -> None:
    printed = python(ROOM.format(wanted=wanted, sharing=sharing), driver)
    if reason is None:
        assert printed is None
    else:
        assert reason in printed[0]
        assert printed[1]


@pytest.mark.parametrize(
    ("driver", "rank", "visible"),
    [
        ("gpus=2", 0, f"GPU-{uuid('a0')},GPU-{uuid('a1')}"),
        ("gpus=2", 1, f"GPU-{uuid('a1')},GPU-{uuid('a0')}"),
        ("gpus=2", 2, f"GPU-{uuid('a0')},GPU-{uuid('a1')}"),
        ("gpus=2", 3, f"GPU-{uuid('a1')},GPU-{uuid('a0')}"),
        ("gpus=1", 3, f"GPU-{uuid('a0')}"),
        ("gpus=2,mig=1", 1, f"MIG-{uuid('b1')}"),
    ],
)
def test_ranks_go_round_the_gpus(python: Ask, driver: str, rank: int, visible: str) -> None:
    printed = python(
        f"import os\ncuda.claim({rank})\n"
        "print(json.dumps([os.environ['CUDA_VISIBLE_DEVICES'], cuda.current().uuid]))",
        driver,
    )
    assert printed == [visible, visible.partition(",")[0]]


def test_pinned_memory_is_let_go_once(python: Ask, tmp_path: Path) -> None:
    python(
        "import gc\nfirst = cuda.pinned(1000, 'float64')\nsecond = cuda.pinned(7, 'float32')\n"
        "first[:] = 1.0\npart = first[10:20]\ndel first\ngc.collect()\n"
        "total = float(part.sum())\ndel part\ngc.collect()\n"
        "print(json.dumps([total, second.size]))"
    )
    assert (tmp_path / "log").read_text().split() == ["register", "register", "unregister"]


def test_pages_that_cannot_be_locked_are_a_reason(python: Ask) -> None:
    printed = python(
        "from joulia.errors import Unavailable\n"
        "try:\n    cuda.pinned(8, 'float64')\n"
        "except Unavailable as e:\n    print(json.dumps(e.reason))",
        "register=2",
    )
    assert "cuMemHostRegister_v2: CUDA error 2" in printed


# ---- as a user sees it ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("driver", "reason"),
    [
        ("fault=803", "different versions"),
        ("abort=1", "ended the process that asked it"),
        ("mode=2", "closed to computing"),
        ("free=1024", "GiB free, this case needs"),
    ],
)
def test_a_run_tells_it_in_one_line(
    joulia: Ask, stub: Path, tmp_path: Path, driver: str, reason: str
) -> None:
    env = {"LD_LIBRARY_PATH": str(stub), "STUB_CUDA": driver}
    done = joulia(
        "run", "heat", "-b", "numba:cuda", "--size", "tiny", "--no-ceiling", "-o",
        tmp_path / "r.jsonl", env=env,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("skipped: numba:cuda")]
    assert reason in line


def test_list_and_doctor_name_the_gpus_and_the_faults(joulia: Ask, stub: Path) -> None:
    env = {"LD_LIBRARY_PATH": str(stub), "STUB_CUDA": "fault=802"}
    assert "start nvidia-fabricmanager" in joulia("list", env=env).stdout
    env = {"LD_LIBRARY_PATH": str(stub), "STUB_CUDA": "gpus=2,mode=3,driver=12040"}
    examined = json.loads(joulia("doctor", "--json", env=env).stdout)
    assert examined["gpus"]["state"] == "ok"
    assert examined["gpus"]["detail"].startswith("CUDA 12.4: Stub GPU 0 (GPU-a0a0a0a0-")
    assert "exclusive mode" in examined["gpus"]["detail"]


def test_the_unavailable_of_a_fault_holds_both_parts() -> None:
    error = cuda.fault(802, "cuInit")
    assert isinstance(error, Unavailable)
    assert str(error) == f"{error.reason}; {error.remedy}"

"""Stands before the real pynvml on PYTHONPATH: GPUs from a file under JOULIA_ROOT, in real time."""

import json
import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

from fake_limits import LimitedNvml
from fake_nvml import FakeGpu, FakeNvml, NVMLError
from virtual import Curve

from joulia.system.clock import raw_clock


def _library() -> FakeNvml:
    root = Path(os.environ["JOULIA_ROOT"])
    path = root / "run/fake-gpus.json"
    if not path.is_file():
        return FakeNvml(raw_clock, [], broken="NVML Shared Library Not Found")
    gpus = json.loads(path.read_text())
    known = [FakeGpu(**gpu | {"curve": Curve(**gpu["curve"])}) for gpu in gpus]
    return LimitedNvml(raw_clock, known, root)


_shared = _library()
__all__ = ["NVMLError"]


def __getattr__(name: str) -> object:
    return getattr(_shared, name)

"""NVIDIA's run-time compiler of the wheel nvidia-cuda-nvrtc-cu12: no GPU, no toolkit needed."""

from __future__ import annotations

import ctypes
import importlib.util
from pathlib import Path


def library() -> Path | None:
    """libnvrtc of CUDA 12, the last one for sm_70; None where the wheel is not installed."""
    try:
        spec = importlib.util.find_spec("nvidia.cuda_nvrtc")
    except ModuleNotFoundError:
        return None
    folders = list(spec.submodule_search_locations or []) if spec else []
    return next((path for f in folders for path in Path(f).glob("lib/libnvrtc.so.12")), None)


def compile_(path: Path, source: str, architecture: str) -> tuple[str, str]:
    """What ptxas reports of a real architecture (sm_70), and the PTX; raises on an error."""
    nvrtc = ctypes.CDLL(str(path))
    program = ctypes.c_void_p()
    made = nvrtc.nvrtcCreateProgram(
        ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None
    )
    assert made == 0

    def text(size_of: str, text_of: str) -> str:
        size = ctypes.c_size_t()
        getattr(nvrtc, size_of)(program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        getattr(nvrtc, text_of)(program, buffer)
        return buffer.value.decode()

    options = [f"--gpu-architecture={architecture}", "--ptxas-options=-v"]
    array = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
    failed = nvrtc.nvrtcCompileProgram(program, len(options), array)
    report = text("nvrtcGetProgramLogSize", "nvrtcGetProgramLog")
    assert not failed, report
    ptx = text("nvrtcGetPTXSize", "nvrtcGetPTX")
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return report, ptx

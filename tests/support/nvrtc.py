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
    return next((found for f in folders for found in Path(f).glob("lib/libnvrtc.so.12")), None)


def compile_(path: Path, source: str, architecture: str) -> str:
    """What compiling for an architecture prints, ptxas's report included; raises on an error."""
    nvrtc = ctypes.CDLL(str(path))
    program = ctypes.c_void_p()
    made = nvrtc.nvrtcCreateProgram(
        ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None
    )
    assert made == 0
    options = [f"--gpu-architecture={architecture}", "--ptxas-options=-v"]
    array = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
    failed = nvrtc.nvrtcCompileProgram(program, len(options), array)
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    assert not failed, log.value.decode()
    return log.value.decode()

"""Julia's kernels as a GPU runs them, a work-item a cell and fields behind it, on the processor."""

import numpy as np

from joulia.bridge import Device
from joulia.bridges import _julia_cuda
from joulia.bridges import julia as base

SUFFIX = ".jl"
cache = base.cache


class Ops(_julia_cuda.JuliaDeviceOps):
    def pinned(self, count, dtype):
        return np.empty(count, dtype)

    def device_id(self):
        return None


def devices():
    processor, _ = base.devices()
    return (Device(threads=False, missing=processor.missing),)


def start(case):
    versions = base.start(case)
    main = base._state["main"]
    base._state["backend"] = main.seval(
        "JouliaKernels.OneCell(JouliaKernels.KernelAbstractions.CPU())"
    )
    return versions


def load(kernel, source, case):
    functions = base.load(kernel, source, case).functions
    return Ops(functions, base._state["package"], base._state["backend"])

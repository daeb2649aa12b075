"""Kokkos' way on a GPU, on a processor: cells and teams as there, memory and moves of its own.

`python kokkos_device.py PROGRAM ARGUMENTS...` runs a program so on `kokkos:openmp`: it compiles and
calls what `kokkos:cuda` does, over the space OpenMP.
"""

from __future__ import annotations

import runpy
import sys

import numpy as np

from joulia.bridge import Device
from joulia.bridges import kokkos
from joulia.system import cuda

kokkos.devices = lambda: (Device("openmp", gpu=True),)
cuda.pinned = np.empty
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")

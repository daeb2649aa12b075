"""Kokkos on a GPU: arrays in the memory of its space, and moves within it."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from joulia.arrays import Host
from joulia.case import Shape
from joulia.device_memory import DeviceOps

FUNCTIONS = ("upload", "download", "copy", "gather", "scatter", "move", "free", "fence")


class DeviceArray:
    """An array in a device's memory, which it frees when it goes."""

    def __init__(self, library: Any, host: Host) -> None:
        self.shape: Shape = host.shape
        self.dtype = host.dtype.name
        self.size = host.size
        self.nbytes = host.nbytes
        # An array of nothing has an address as well.
        self.address = ctypes.c_void_p(library.kokkos_allocate(ctypes.c_long(max(1, host.nbytes))))
        weakref.finalize(self, library.kokkos_free, self.address).atexit = False


class KokkosDeviceOps(DeviceOps):
    """Arrays are in Kokkos' memory; all work goes to its space's own queue in order."""

    def __init__(self, functions: Mapping[str, Callable[..., None]], library: Any) -> None:
        super().__init__(functions)
        library.kokkos_allocate.restype = ctypes.c_void_p
        for name in FUNCTIONS:
            getattr(library, f"kokkos_{name}").restype = None
        self.library = library

    def array(self, host: Host) -> DeviceArray:
        array = DeviceArray(self.library, host)
        self.upload(np.ascontiguousarray(host), array)
        return array

    def upload(self, host: Host, array: Any) -> None:
        at = ctypes.c_void_p(host.ctypes.data)
        self.library.kokkos_upload(at, array.address, ctypes.c_long(host.nbytes))

    def download(self, array: Any, host: Host) -> None:
        at = ctypes.c_void_p(host.ctypes.data)
        self.library.kokkos_download(array.address, at, ctypes.c_long(host.nbytes))

    def copy(self, source: Any, target: Any) -> None:
        nbytes = ctypes.c_long(source.nbytes)
        self.library.kokkos_copy(source.address, target.address, nbytes)

    def gather(self, array: Any, places: Any, buffer: Any, at: int) -> None:
        count = ctypes.c_long(places.size)
        to = element(buffer, at)
        self.library.kokkos_gather(count, array.address, places.address, to)

    def scatter(self, buffer: Any, at: int, places: Any, array: Any) -> None:
        count = ctypes.c_long(places.size)
        begin = element(buffer, at)
        self.library.kokkos_scatter(count, begin, places.address, array.address)

    def move(self, array: Any, sources: Any, targets: Any) -> None:
        count = ctypes.c_long(sources.size)
        self.library.kokkos_move(count, sources.address, targets.address, array.address)

    def shape(self, array: Any) -> Shape:
        return tuple(array.shape)

    def dtype(self, array: Any) -> str:
        return str(array.dtype)

    def address(self, array: Any) -> int:
        return int(array.address.value)

    def synchronize(self) -> None:
        self.library.kokkos_fence()


def element(array: DeviceArray, at: int) -> ctypes.c_void_p:
    """Where an element of it lies."""
    assert array.address.value is not None
    return ctypes.c_void_p(array.address.value + at * np.dtype(array.dtype).itemsize)

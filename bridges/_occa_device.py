"""OCCA's device memory: arrays that lie there, and the work that a device's queue does on them."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from joulia.arrays import Host
from joulia.bridges._occa_calls import remembering
from joulia.bridges._occa_library import OccaType, address, free, library
from joulia.case import Shape
from joulia.device_memory import DeviceOps

MOVES = ("gather", "scatter", "move")
"""The kernels of `_occa_moves.okl` that exchanges need there."""


class DeviceArray:
    """An array in a device's memory, and OCCA's handle on it; it frees the memory when it goes."""

    def __init__(self, device: OccaType, host: Host) -> None:
        lib = library()
        host = np.ascontiguousarray(host)
        self.shape: Shape = host.shape
        self.dtype = host.dtype.name
        self.nbytes = host.nbytes
        # An array of nothing has an address as well.
        self.handle = lib.occaDeviceMalloc(device, max(1, host.nbytes), None, lib.default)
        weakref.finalize(self, free, self.handle).atexit = False
        if host.nbytes:
            lib.occaCopyPtrToMem(self.handle, host.ctypes.data, host.nbytes, 0, lib.default)


class OccaDeviceOps(DeviceOps):
    """Arrays are OCCA's device memory; all work goes to the device's queue in order."""

    def __init__(
        self,
        functions: Mapping[str, Callable[..., None]],
        device: OccaType,
        moves: Mapping[str, OccaType],
    ) -> None:
        super().__init__(functions)
        self.device = device
        self.lib = library()
        # A copy that is not asynchronous goes to CUDA's default stream, which nobody waits for.
        self.in_stream = self.lib.properties(b"{async: true}")
        self.moves = {
            name: remembering(built, self._convert, limit=4096) for name, built in moves.items()
        }

    def _convert(self, *arguments: Any) -> list[OccaType]:
        integer = self.lib.occaInt32
        return [a.handle if isinstance(a, DeviceArray) else integer(a) for a in arguments]

    def array(self, host: Host) -> DeviceArray:
        return DeviceArray(self.device, host)

    def upload(self, host: Host, array: Any) -> None:
        self.lib.occaCopyPtrToMem(array.handle, host.ctypes.data, array.nbytes, 0, self.lib.default)

    def download(self, array: Any, host: Host) -> None:
        self.synchronize()
        self.lib.occaCopyMemToPtr(host.ctypes.data, array.handle, array.nbytes, 0, self.lib.default)

    def copy(self, source: Any, target: Any) -> None:
        self.lib.occaCopyMemToMem(target.handle, source.handle, source.nbytes, 0, 0, self.in_stream)

    def gather(self, array: Any, places: Any, buffer: Any, at: int) -> None:
        self.moves["gather"](*places.shape, at, array, places, buffer)

    def scatter(self, buffer: Any, at: int, places: Any, array: Any) -> None:
        self.moves["scatter"](*places.shape, at, buffer, places, array)

    def move(self, array: Any, sources: Any, targets: Any) -> None:
        self.moves["move"](*sources.shape, sources, targets, array)

    def shape(self, array: Any) -> Shape:
        return tuple(array.shape)

    def dtype(self, array: Any) -> str:
        return str(array.dtype)

    def address(self, array: Any) -> int:
        return address(array.handle)

    def synchronize(self) -> None:
        self.lib.occaDeviceFinish(self.device)

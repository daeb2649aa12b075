"""Ops of a runtime that computes in a GPU's memory: fields stay there from start to end.

What crosses to the host in a time step is what ranks exchange, and not even that where MPI takes
device memory. A bridge supplies a few primitives; boxes are moved by lists of element offsets that
lie in device memory, so that one kernel serves every box of every layout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from joulia.arrays import Host
from joulia.bridge import Ops, Parcel, rows
from joulia.case import Shape
from joulia.grid import Box
from joulia.system import cuda

DEVICE, PINNED = "device memory (CUDA-aware MPI)", "pinned host buffers"


def offsets(shape: Shape, box: Box) -> Host:
    """The offsets of a box's elements in an array of this shape, in the box's own order."""
    inside = np.zeros((), np.int64)
    bounds = list(zip(box[::2], box[1::2], strict=True))
    for (a, b), n in zip(bounds, shape, strict=True):
        inside = inside[..., None] * n + np.arange(a, b)
    return inside.ravel()


class DeviceOps(Ops):
    """What a bridge to a GPU supplies, and what that gives the spine.

    All primitives queue their work in the order of the calls; only `download` and `synchronize`
    block.
    """

    addressable = True
    """Whether arrays have an address that an MPI could take."""
    directly = False
    """Whether messages lie in device memory, which MPI must then be able to take."""

    @property
    def through(self) -> str:  # type: ignore[override]
        return DEVICE if self.directly else PINNED

    # What a bridge supplies.

    def array(self, host: Host) -> Any:
        raise NotImplementedError

    def upload(self, host: Host, array: Any) -> None:
        """`array` takes the values of `host`, of the same size; both are contiguous."""
        raise NotImplementedError

    def download(self, array: Any, host: Host) -> None:
        """`host` takes the values of `array`, of the same size; blocks until it has them."""
        raise NotImplementedError

    def gather(self, array: Any, places: Any, buffer: Any, at: int) -> None:
        """buffer[at + i] = array[places[i]], all of them by offsets into flat memory."""
        raise NotImplementedError

    def scatter(self, buffer: Any, at: int, places: Any, array: Any) -> None:
        """array[places[i]] = buffer[at + i], all of them by offsets into flat memory."""
        raise NotImplementedError

    def move(self, array: Any, sources: Any, targets: Any) -> None:
        """array[targets[i]] = array[sources[i]], by offsets into flat memory."""
        raise NotImplementedError

    def shape(self, array: Any) -> Shape:
        raise NotImplementedError

    def address(self, array: Any) -> int:
        """Where the array's first element lies in device memory."""
        raise NotImplementedError

    # What the spine gets.

    def host(self, array: Any) -> Host:
        values = np.empty(self.shape(array), self.dtype(array))
        self.download(array, values)
        return values

    def copier(self, shape: Shape, copies: Sequence[tuple[Box, Box]]) -> Callable[[Any], None]:
        every = [
            tuple(
                self.array((starts[:, None] + np.arange(part.length)).ravel())
                for starts in (part.sources, part.targets)
            )
            for part in rows(shape, copies)
        ]

        def copy(array: Any) -> None:
            for sources, targets in every:
                self.move(array, sources, targets)

        return copy

    def parcel(self, shape: Shape, box: Box, fields: int, dtype: str) -> Parcel:
        return DeviceParcel(self, offsets(shape, box), fields, dtype)

    def pinned(self, count: int, dtype: str) -> Host:
        """Host memory that the device copies to and from quickly."""
        return cuda.pinned(count, dtype)

    def device_id(self) -> str | None:
        return cuda.current().uuid


class DeviceParcel:
    """A parcel packed on the device, and sent from there or from pinned host memory."""

    def __init__(self, ops: DeviceOps, places: Host, fields: int, dtype: str) -> None:
        self.ops = ops
        self.count = places.size
        self.places = ops.array(places)
        values = np.zeros(fields * places.size, dtype)
        self.buffer = ops.array(values)
        self.nbytes = values.nbytes
        self.message: Any
        if ops.directly:
            self.message = cuda.DevicePointer(ops.address(self.buffer), values.size, dtype)
        else:
            self.message = ops.pinned(values.size, dtype)

    def pack(self, arrays: Sequence[Any]) -> None:
        for i, array in enumerate(arrays):
            self.ops.gather(array, self.places, self.buffer, i * self.count)
        if not self.ops.directly:
            self.ops.download(self.buffer, self.message)

    def unpack(self, arrays: Sequence[Any]) -> None:
        if not self.ops.directly:
            self.ops.upload(self.message, self.buffer)
        for i, array in enumerate(arrays):
            self.ops.scatter(self.buffer, i * self.count, self.places, array)

"""Fields that come from a file in batches, a batch a step: how long does the device idle for them?

Read when they are wanted (`sync`), or ahead by a thread while the step before computes
(`prefetch`). Reading lets other threads of the process run.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
import weakref
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from joulia.arrays import Arrays, Host
from joulia.bridge import Ops
from joulia.system.machine import last_level_cache_bytes

clock = time.perf_counter
FILE_BYTES = 1 << 28
CACHES = 2
"""The file is at least so large, and so many times what the processor's largest cache keeps."""


class Feed:
    """Batches of some fields, one behind another in a temporary file, read round and round.

    `batch` is what each of them holds: steps are then repeats of one computation, as everywhere,
    while all bytes travel. `waited` are seconds in which a step waited for its batch, and for its
    way into the runtime's arrays; `reading` are seconds in which `reads` batches were read.
    `reader` is the system's id of a thread that reads ahead, one more than the case computes on.
    """

    def __init__(self, batch: Mapping[str, Host], mode: str) -> None:
        self.names = tuple(batch)
        self.shapes = {name: (host.shape, host.dtype) for name, host in batch.items()}
        whole = b"".join(np.ascontiguousarray(host).tobytes() for host in batch.values())
        self.nbytes = len(whole)
        least = max(FILE_BYTES, CACHES * last_level_cache_bytes())
        self.batches = max(2, -(-least // self.nbytes))
        self.file, path = tempfile.mkstemp(prefix="joulia-columns-")
        Path(path).unlink()  # it is gone with its last descriptor, however the process ends
        weakref.finalize(self, os.close, self.file)
        for _ in range(self.batches):
            os.write(self.file, whole)
        self.buffers = [bytearray(self.nbytes), bytearray(self.nbytes)]
        self.turn = 0
        self.pool = ThreadPoolExecutor(1) if mode == "prefetch" else None
        self.ahead: Future[bytearray] | None = None
        self.reader: int | None = None
        if self.pool is not None:
            self.reader = self.pool.submit(threading.get_native_id).result()
        self.waited = self.reading = 0.0
        self.reads = 0

    @property
    def file_bytes(self) -> int:
        return self.batches * self.nbytes

    def read(self) -> bytearray:
        began = clock()
        buffer = self.buffers[self.turn % 2]
        place = self.turn % self.batches * self.nbytes
        if os.preadv(self.file, [buffer], place) != self.nbytes:
            raise OSError(f"batch {self.turn % self.batches} of the columns' file ends early")
        self.turn += 1
        self.reading += clock() - began
        self.reads += 1
        return buffer

    def batch(self) -> bytearray:
        """The next batch; the one after it is on its way when this returns, where it may be."""
        if self.pool is None:
            return self.read()
        buffer = self.ahead.result() if self.ahead else self.read()
        self.ahead = self.pool.submit(self.read)
        return buffer

    def into(self, ops: Ops, fields: Arrays) -> None:
        """The next batch into the runtime's arrays."""
        ops.synchronize()  # what the device still does is not waiting for its input
        began = clock()
        buffer, start = self.batch(), 0
        for name in self.names:
            shape, dtype = self.shapes[name]
            count = int(np.prod(shape))
            host = np.frombuffer(buffer, dtype, count, start).reshape(shape)
            ops.fill(fields[name], host)
            start += host.nbytes
        ops.synchronize()
        self.waited += clock() - began

    def settle(self) -> None:
        """Wait for what is still being read."""
        if self.ahead is not None:
            self.ahead.result()

    def restart(self) -> None:
        """Count anew."""
        self.settle()
        self.waited = self.reading = 0.0
        self.reads = 0

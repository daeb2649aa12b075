"""Memory of this process: what is freed is kept, where the C library is glibc."""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""glibc's malloc.h."""


def keep() -> None:
    """Keep what is freed from now on, instead of handing it back to the system.

    glibc maps large arrays anew, and the kernel clears their pages, each time that one is
    allocated: on virtual machines that costs more than to compute what is in them.
    """
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)

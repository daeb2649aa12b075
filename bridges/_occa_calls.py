"""Calls of OCCA's kernels from Python, as cheap as its C API lets them be."""

from __future__ import annotations

import ctypes
import functools
import platform
from collections.abc import Callable
from typing import Any

from joulia.bridges._occa_library import OccaType, library


def remembering(
    built: OccaType, convert: Callable[..., list[OccaType]], limit: int = 256
) -> Callable[..., None]:
    """A Python function that runs the kernel on what `convert` makes of its arguments.

    A time step calls with few different argument lists: each is turned into OCCA's values once,
    and a list that is still in place from the last call is not handed over again. No more than
    `limit` are kept.
    """
    place = hand_over(built)
    again = functools.partial(library().occaKernelRunFromArgs, built)
    known: dict[tuple[Any, ...], Callable[[], None]] = {}
    last: Callable[[], None] | None = None

    def call(*arguments: Any) -> None:
        nonlocal last
        run = known.get(arguments)
        if run is None:
            if len(known) >= limit:  # arguments that change at every step
                known.clear()
            run = known[arguments] = place(convert(*arguments))
        if run is last:
            again()
        else:
            run()
            last = run

    return call


def hand_over(built: OccaType) -> Callable[[list[OccaType]], Callable[[], None]]:
    """A function that puts a list of arguments in place, for calls that only run the kernel.

    One variadic call costs a third of a call for each argument. On x86-64 it costs a tenth: there,
    structures of this size lie behind one another on the stack, so that all of them may be passed
    as one. Elsewhere on Linux each is passed by itself; on other systems (Apple's arm64 passes
    variadic arguments unlike others) each takes a call.
    """
    lib = library()
    system, processor = platform.system(), platform.machine()
    address = ctypes.cast(lib.occaKernelRunN, ctypes.c_void_p).value or 0

    def packed(values: list[OccaType]) -> Callable[[], None]:
        together = _together(1 + len(values))
        run = ctypes.CFUNCTYPE(None, together, ctypes.c_int)(address)
        every = (OccaType * (1 + len(values)))(built, *values)
        return functools.partial(run, together(every), len(values))

    def listed(values: list[OccaType]) -> Callable[[], None]:
        count = len(values)
        run = ctypes.CFUNCTYPE(None, OccaType, ctypes.c_int, *[OccaType] * count)(address)
        return functools.partial(run, built, count, *values)

    def pushed(values: list[OccaType]) -> Callable[[], None]:
        def run() -> None:
            lib.occaKernelClearArgs(built)
            for value in values:
                lib.occaKernelPushArg(built, value)
            lib.occaKernelRunFromArgs(built)

        return run

    if system != "Linux":
        return pushed
    return packed if processor == "x86_64" else listed


@functools.cache
def _together(count: int) -> Any:
    """The type of `count` values in one structure; once for each count, since ctypes keeps it."""
    return type("Together", (ctypes.Structure,), {"_fields_": [("every", OccaType * count)]})

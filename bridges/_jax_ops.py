"""Ops of JAX: fields whose values are replaced by functions that write them in place."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from joulia.arrays import Host
from joulia.bridge import HostOps
from joulia.case import Shape
from joulia.device_memory import DeviceOps
from joulia.errors import Unavailable
from joulia.grid import Box
from joulia.kernel import Kernel


class Field:
    """An array of JAX, which nothing can change, in the place of one that is written.

    Functions that are given its values, to use their memory for those they return, replace them.
    In host memory NumPy sees them where they are: `np.asarray(field)` keeps the field.
    """

    def __init__(self, values: Any) -> None:
        self.values = values
        self.address = int(values.unsafe_buffer_pointer())
        """Where they lie."""

    @property
    def __array_interface__(self) -> dict[str, Any]:
        dtype = np.dtype(self.values.dtype)
        place = (self.address, False)
        return {"version": 3, "shape": self.values.shape, "typestr": dtype.str, "data": place}


class Function:
    """A source's function `f(box, *arrays, *ints, *reals)`, compiled for each box and its ints."""

    def __init__(self, function: Callable[..., Any], arrays: int, ints: int) -> None:
        names = list(inspect.signature(function).parameters)
        written: tuple[str, ...] = vars(function)["writes"]
        self.function = function
        self.arrays, self.ints = arrays, ints
        self.written = [names.index(name) - 1 for name in written]
        self.compiling = False
        self.compiled = functools.cache(self.jitted)

    def jitted(self, places: tuple[int, ...]) -> Any:
        """For calls whose array i is the one in the place `places[i]`.

        One that is written and read under another name is handed over once: memory that is used
        for results may have no other name.
        """
        given = sorted(set(places))
        chosen = [given.index(place) for place in places]

        @functools.wraps(self.function)
        def called(box: Box, *arguments: Any) -> Any:
            return self.function(box, *(arguments[at] for at in chosen), *arguments[len(given) :])

        return jax.jit(
            called,
            static_argnums=(0, *range(1 + len(given), 1 + len(given) + self.ints)),
            donate_argnums=[1 + given.index(at) for at in self.written],
        )

    def __call__(self, box: Box, *arguments: Any) -> None:
        fields, numbers = arguments[: self.arrays], arguments[self.arrays :]
        written = {fields[at]: at for at in self.written}
        places = tuple(written.get(field, at) for at, field in enumerate(fields))
        values = [field.values for at, field in enumerate(fields) if places[at] == at]
        compiled = self.compiled(places)
        if self.compiling:
            compiled.lower(box, *values, *numbers).compile()
            return
        results = compiled(box, *values, *numbers)
        if len(self.written) == 1:
            results = (results,)
        for at, result in zip(self.written, results, strict=True):
            fields[at].values = result


def compiled_functions(
    supplied: Mapping[str, Callable[..., Any]], kernel: Kernel
) -> dict[str, Function]:
    return {
        f.name: Function(supplied[f.name], len(f.arrays), len(f.ints)) for f in kernel.functions
    }


@contextlib.contextmanager
def compiling(functions: Mapping[str, Any]) -> Iterator[None]:
    """Calls compile, and compute nothing."""
    for function in functions.values():
        function.compiling = True
    yield
    for function in functions.values():
        function.compiling = False


class JaxOps(HostOps):
    """On processors, where calls return when their work is done.

    XLA shares a computation among the threads of one pool (`jax.require_threads` counts them), and
    has others that hand it out, and the thread that calls.
    """

    def __init__(self, functions: Mapping[str, Callable[..., None]], threads: int) -> None:
        super().__init__(functions, threads)
        self.pool = threads

    def wrap(self, host: Host) -> Any:
        # Memory of XLA's own: of another's it would make a copy before it writes there.
        return Field(jnp.array(np.ascontiguousarray(host), copy=True))

    def array(self, host: Host) -> Any:
        return self.wrap(host)

    def view(self, array: Any) -> Host:
        array.values.block_until_ready()
        if array.values.unsafe_buffer_pointer() != array.address:
            raise RuntimeError("XLA moved an array that was to be written in place")
        return np.asarray(array)

    def dtype(self, array: Any) -> str:
        return str(array.values.dtype)

    def prepare(self, step: Callable[[], object]) -> None:
        with compiling(self.functions):
            step()

    def synchronize(self) -> None:
        """Calls return when their work is done."""


@functools.partial(jax.jit, donate_argnums=2, static_argnums=3)
def _gathered(array: Any, places: Any, buffer: Any, at: int) -> Any:
    return lax.dynamic_update_slice(buffer, array.reshape(-1)[places], (at,))


@functools.partial(jax.jit, donate_argnums=3, static_argnums=1)
def _scattered(buffer: Any, at: int, places: Any, array: Any) -> Any:
    flat = array.reshape(-1).at[places].set(buffer[at : at + places.size], unique_indices=True)
    return flat.reshape(array.shape)


@functools.partial(jax.jit, donate_argnums=0)
def _moved(array: Any, sources: Any, targets: Any) -> Any:
    flat = array.reshape(-1)
    return flat.at[targets].set(flat[sources], unique_indices=True).reshape(array.shape)


class JaxGpuOps(DeviceOps):
    """On a GPU, to which work goes in the order of the calls."""

    @property
    def directly(self) -> bool:
        return False

    @directly.setter
    def directly(self, asked: bool) -> None:
        if asked:
            raise Unavailable(
                "messages of JAX go through host memory: it does not promise where an array stays",
                "--gpu-exchange host",
            )

    def array(self, host: Host) -> Any:
        return Field(jnp.array(np.ascontiguousarray(host), copy=True))

    def upload(self, host: Host, array: Any) -> None:
        # A copy of its own: JAX reads what it is given later, and the next message may come there.
        array.values = jax.device_put(host.reshape(self.shape(array)).copy())

    def download(self, array: Any, host: Host) -> None:
        host[...] = np.asarray(array.values).reshape(host.shape)

    def copy(self, source: Any, target: Any) -> None:
        target.values = jnp.copy(source.values)

    def gather(self, array: Any, places: Any, buffer: Any, at: int) -> None:
        buffer.values = _gathered(array.values, places.values, buffer.values, at)

    def scatter(self, buffer: Any, at: int, places: Any, array: Any) -> None:
        array.values = _scattered(buffer.values, at, places.values, array.values)

    def move(self, array: Any, sources: Any, targets: Any) -> None:
        array.values = _moved(array.values, sources.values, targets.values)

    def shape(self, array: Any) -> Shape:
        return tuple(array.values.shape)

    def dtype(self, array: Any) -> str:
        return str(array.values.dtype)

    def prepare(self, step: Callable[[], object]) -> None:
        with compiling(self.functions):
            step()

    def synchronize(self) -> None:
        # A device does in order what is queued: wait for one more, empty, piece of work.
        _marker().block_until_ready()


@jax.jit
def _marker() -> Any:
    return jnp.zeros(())

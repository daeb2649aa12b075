"""A stand-in for CuPy, for tests: its arrays are NumPy's behind a wall.

It has what joulia uses of CuPy and nothing else, and refuses what CuPy refuses: to become a NumPy
array unasked, and to compute with one. It is stricter where CuPy would silently copy or be slow:
NumPy's functions, indices and values in host memory. `calls` counts launches and what waits for the
device or crosses to the host. STAND_IN_OLD and STAND_IN_NEW change text in the sources and in the
operations of ElementwiseKernel, for tests that must see it found out.
"""

from __future__ import annotations

import ctypes
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import SourceFileLoader
from types import SimpleNamespace
from typing import Any

import numpy as np

__version__ = "stand-in"

calls: Counter[str] = Counter()
"""How often: launch; wait, to_host (which waits as well), to_device."""

OLD, NEW = os.environ.get("STAND_IN_OLD", ""), os.environ.get("STAND_IN_NEW", "")


def _changed(text: str) -> str:
    return text.replace(OLD, NEW) if OLD else text


if OLD:
    _compile = SourceFileLoader.source_to_code

    def _compile_changed(self: Any, data: Any, path: Any, **options: Any) -> Any:
        if str(path).endswith("_cupy.py"):
            data = _changed(bytes(data).decode())
        return _compile(self, data, path, **options)

    SourceFileLoader.source_to_code = _compile_changed  # type: ignore[method-assign]


# ---- arrays ----------------------------------------------------------------------------------


def _operand(x: Any) -> Any:
    if isinstance(x, ndarray):
        return x._host
    if isinstance(x, (bool, int, float, np.generic)):
        return x
    raise TypeError(f"Unsupported type {type(x)}")


def _launched(operation: Callable[..., Any], *arguments: Any) -> ndarray:
    calls["launch"] += 1
    with np.errstate(all="ignore"):
        return ndarray(np.asarray(operation(*map(_operand, arguments))))


class ndarray:
    def __init__(self, host: Any) -> None:
        self._host = host

    # What CuPy refuses.

    def __array__(self, *arguments: Any, **options: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Use `.get()`.")

    def __array_ufunc__(self, *arguments: Any, **options: Any) -> Any:
        raise TypeError("a function of NumPy was called with an array of CuPy")

    def __array_function__(self, *arguments: Any, **options: Any) -> Any:
        raise TypeError("a function of NumPy was called with an array of CuPy")

    # What waits.

    def get(self) -> Any:
        calls["to_host"] += 1
        return self._host.copy()

    def __bool__(self) -> bool:
        calls["to_host"] += 1
        return bool(self._host)

    def __float__(self) -> float:
        calls["to_host"] += 1
        return float(self._host)

    # What does not.

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self._host.shape)

    @property
    def dtype(self) -> Any:
        return self._host.dtype

    @property
    def size(self) -> int:
        return int(self._host.size)

    @property
    def itemsize(self) -> int:
        return int(self._host.itemsize)

    @property
    def data(self) -> MemoryPointer:
        return MemoryPointer(self._host)

    def reshape(self, *shape: int) -> ndarray:
        return ndarray(self._host.reshape(*shape))

    def __len__(self) -> int:
        return len(self._host)

    def __iter__(self) -> Iterator[ndarray]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: Any) -> ndarray:
        found = self._host[_index(index)]
        if not isinstance(found, np.ndarray):  # CuPy gives a view without axes, NumPy a number
            found = self._host[(*index, ...) if isinstance(index, tuple) else (index, ...)]
        return ndarray(found)

    def __setitem__(self, index: Any, value: Any) -> None:
        calls["launch"] += 1
        self._host[_index(index)] = _operand(value)


def _index(index: Any) -> Any:
    for part in index if isinstance(index, tuple) else (index,):
        if not (part is Ellipsis or isinstance(part, (slice, int))):
            raise TypeError(f"an index of type {type(part)}: an implicit copy or gather")
    return index


def _operators() -> None:
    for name in ("add", "sub", "mul", "truediv", "gt"):
        plain = getattr(np.ndarray, f"__{name}__")

        def forward(self: ndarray, other: Any, plain: Any = plain) -> ndarray:
            return _launched(plain, self, other)

        setattr(ndarray, f"__{name}__", forward)
        if name == "gt":
            continue
        reverse = getattr(np.ndarray, f"__r{name}__")
        in_place = getattr(np.ndarray, f"__i{name}__")

        def backward(self: ndarray, other: Any, reverse: Any = reverse) -> ndarray:
            return _launched(reverse, self, other)

        def update(self: ndarray, other: Any, in_place: Any = in_place) -> ndarray:
            _launched(in_place, self, other)
            return self

        setattr(ndarray, f"__r{name}__", backward)
        setattr(ndarray, f"__i{name}__", update)
    for name in ("neg", "abs"):
        plain = getattr(np.ndarray, f"__{name}__")
        setattr(ndarray, f"__{name}__", lambda self, plain=plain: _launched(plain, self))


_operators()


class MemoryPointer:
    def __init__(self, host: Any) -> None:
        assert host.flags.c_contiguous
        self._nbytes = host.nbytes
        self.ptr = int(host.ctypes.data)

    def copy_from_host_async(self, address: int, size: int) -> None:
        calls["to_device"] += 1
        assert size <= self._nbytes
        ctypes.memmove(self.ptr, address, size)

    def copy_to_host_async(self, address: int, size: int) -> None:
        calls["to_host"] += 1
        assert size <= self._nbytes
        ctypes.memmove(address, self.ptr, size)


# ---- functions -------------------------------------------------------------------------------


class ufunc:
    def __init__(self, name: str) -> None:
        self._of_numpy = getattr(np, name)

    def __call__(self, *arguments: Any, out: ndarray | None = None) -> ndarray:
        if out is None:
            return _launched(self._of_numpy, *arguments)
        if not isinstance(out, ndarray):
            raise TypeError("return arrays must be of cupy.ndarray")
        calls["launch"] += 1
        with np.errstate(all="ignore"):
            self._of_numpy(*map(_operand, arguments), out=out._host)
        return out


add, subtract, multiply = ufunc("add"), ufunc("subtract"), ufunc("multiply")
sqrt, maximum = ufunc("sqrt"), ufunc("maximum")


def _unset(host: Any) -> ndarray:
    host.fill(np.nan)  # nobody may read it before it is written
    return ndarray(host)


def empty(shape: Any, dtype: Any = float) -> ndarray:
    return _unset(np.empty(shape, dtype))


def empty_like(a: ndarray) -> ndarray:
    return _unset(np.empty_like(a._host))


def zeros_like(a: ndarray) -> ndarray:
    calls["launch"] += 1
    return ndarray(np.zeros_like(a._host))


def ones(shape: Any, dtype: Any = float) -> ndarray:
    return ndarray(np.ones(shape, dtype))


def array(host: Any) -> ndarray:
    calls["to_device"] += 1
    return ndarray(np.array(host))


def where(condition: ndarray, x: Any, y: Any) -> ndarray:
    return _launched(np.where, condition, x, y)


def stack(arrays: Sequence[ndarray]) -> ndarray:
    calls["launch"] += 1
    return ndarray(np.stack([a._host for a in arrays]))


def ascontiguousarray(a: ndarray) -> ndarray:
    return _launched(np.ascontiguousarray, a)


def moveaxis(a: ndarray, source: int, destination: int) -> ndarray:
    return ndarray(np.moveaxis(a._host, source, destination))


def copyto(dst: ndarray, src: ndarray) -> None:
    calls["launch"] += 1
    np.copyto(dst._host, src._host)


class ElementwiseKernel:
    """Runs operations that read the same in Python: assignments, with indices into raw arrays."""

    def __init__(self, in_params: str, out_params: str, operation: str, name: str) -> None:
        self.parameters = [text.split() for text in f"{in_params}, {out_params}".split(", ")]
        self.results = {text.split()[-1] for text in out_params.split(", ")}
        self.code = compile(_changed(operation), name, "exec")

    def __call__(self, *arguments: ndarray) -> None:
        calls["launch"] += 1
        generic, names = set(), {}
        for (*raw, kind, name), argument in zip(self.parameters, arguments, strict=True):
            host = argument._host
            assert host.ndim == 1
            generic |= {host.dtype} if kind == "T" else set()
            assert kind == "T" or host.dtype == kind, f"{name} is not of type {kind}"
            # What is not raw is one element a thread, and may only be written where it is a result.
            names[name] = host if raw else host.copy()
        assert len(generic) == 1, "one precision a kernel"
        exec(self.code, names)
        for (*raw, _, name), argument in zip(self.parameters, arguments, strict=True):
            if name in self.results and not raw:
                argument._host[...] = names[name]


# ---- the device ------------------------------------------------------------------------------


class Stream:
    def synchronize(self) -> None:
        calls["wait"] += 1


cuda = SimpleNamespace(
    runtime=SimpleNamespace(
        runtimeGetVersion=lambda: int(os.environ.get("STAND_IN_CUDA", "12090"))
    ),
    get_current_stream=Stream,
)

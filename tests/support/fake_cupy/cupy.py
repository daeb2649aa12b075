"""A stand-in for CuPy that computes with NumPy, late, and refuses what CuPy refuses.

Work is queued, as on a GPU: it is done when somebody waits for it, and reads what its arrays and
host buffers hold then. New memory holds NaN until its turn. Refused are host arrays among a GPU's,
conversions that nobody asked for, and ufuncs with arguments that CuPy's do not have. Scalars of
NumPy must have the arrays' dtype, since releases of CuPy promote others in different ways. What a
program counts: `synchronizations`, the times that the host waited, and `uploads`, of host memory.

FAKE_CUPY_FAULT names one thing that goes wrong:
  stale      elements are not moved
  unordered  the host does not wait for what it reads
  square     a ufunc gives the wrong answer
  compiler   there is no compiler
  version    it was built for a CUDA 99
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

__version__ = "0.0 (a stand-in)"

FAULT = os.environ.get("FAKE_CUPY_FAULT", "")
QUEUE = 1024
"""Operations that may wait, as in a stream."""

synchronizations = 0
uploads = 0

_queue: list[Callable[[], None]] = []
_compiled: set[tuple[Any, ...]] = set()


def _later(work: Callable[[], None]) -> None:
    _queue.append(work)
    if len(_queue) >= QUEUE:
        _work_off()


def _work_off() -> None:
    waiting = _queue[:]
    _queue.clear()
    with np.errstate(all="ignore"):
        for work in waiting:
            work()


def _synchronize() -> None:
    global synchronizations
    synchronizations += 1
    _work_off()


def _compile(*key: Any) -> None:
    """As CuPy: operations are compiled when they are first used, into files."""
    if FAULT == "compiler":
        raise RuntimeError("CuPy failed to load libnvrtc.so.12: OSError: no such file")
    if key in _compiled:
        return
    _compiled.add(key)
    folder = Path(os.environ.get("CUPY_CACHE_DIR", Path.home() / ".cupy" / "kernel_cache"))
    kernel = folder / (hashlib.sha256(repr(key).encode()).hexdigest() + ".cubin")
    if not kernel.exists():
        folder.mkdir(parents=True, exist_ok=True)
        kernel.touch()


_scalars = (bool, int, float, np.generic)


class ndarray(np.lib.mixins.NDArrayOperatorsMixin):
    """An array whose values only `get` shows."""

    __array_priority__ = 100

    def __init__(self, memory: Any) -> None:
        self._memory = memory

    # What CuPy has.

    dtype = property(lambda self: self._memory.dtype)
    shape = property(lambda self: self._memory.shape)
    ndim = property(lambda self: self._memory.ndim)
    size = property(lambda self: self._memory.size)
    itemsize = property(lambda self: self._memory.itemsize)
    nbytes = property(lambda self: self._memory.nbytes)

    @property
    def data(self) -> Any:
        return SimpleNamespace(ptr=self._memory.ctypes.data)

    def __len__(self) -> int:
        return len(self._memory)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, ndarray):
            return self.take(key)
        return ndarray(self._memory[_basic(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(key, ndarray):
            _compile("scatter", self.dtype)
            places = _integers(key)
            if self.ndim != 1 or not isinstance(value, ndarray) or value.shape != key.shape:
                raise NotImplementedError("not used")

            def scatter() -> None:
                self._memory[places] = value._memory

            if FAULT != "stale":
                _later(scatter)
            return
        target = ndarray(self._memory[_basic(key)])
        if not (isinstance(value, ndarray) and _same(value._memory, target._memory)):
            copyto(target, value)

    def reshape(self, *shape: Any) -> ndarray:
        if not self._memory.flags.c_contiguous:
            raise NotImplementedError("CuPy copies: not used")
        return ndarray(self._memory.reshape(*shape))

    def astype(self, dtype: Any) -> ndarray:
        """A conversion that is asked for."""
        _compile("astype", self.dtype, np.dtype(dtype))
        result = empty(self.shape, np.dtype(dtype))

        def convert() -> None:
            result._memory[...] = self._memory

        _later(convert)
        return result

    def take(self, indices: ndarray, out: ndarray | None = None) -> ndarray:
        _compile("take", self.dtype)
        places = _integers(indices)
        if self.ndim != 1:
            raise NotImplementedError("not used")
        result = empty(indices.shape, self.dtype) if out is None else out
        if result.dtype != self.dtype:
            raise TypeError("Output dtype mismatch")
        if result.shape != indices.shape:
            raise ValueError("Output shape mismatch")

        def gather() -> None:
            result._memory[...] = self._memory[places]

        _later(gather)
        return result

    def get(self, out: Any = None) -> Any:
        """The values on the host."""
        if out is None:
            out = np.empty(self.shape, self.dtype)
        _require_alike(self, out)
        if FAULT != "unordered":
            _synchronize()
        np.copyto(out, self._memory)
        return out

    def set(self, host: Any) -> None:
        """Read from `host` when its turn comes: CuPy does so where that is pinned."""
        global uploads
        _require_alike(self, host)
        uploads += 1
        _later(lambda: np.copyto(self._memory, host))

    # What waits for the GPU.

    def item(self) -> Any:
        return self.get().item()

    def __bool__(self) -> bool:
        return bool(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __repr__(self) -> str:
        return repr(self.get())

    # What NumPy asks.

    def __array__(self, *arguments: Any, **more: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__" or ufunc.__name__ not in UFUNCS:
            return NotImplemented
        if "out" in kwargs:
            (kwargs["out"],) = kwargs["out"]
        return _elementwise(ufunc, *inputs, **kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        replacement = FUNCTIONS.get(func.__name__)
        if replacement is None or not all(issubclass(t, ndarray) for t in types):
            return NotImplemented
        return replacement(*args, **kwargs)


def _same(a: Any, b: Any) -> bool:
    """As after x[i] += y, where the result lies in its place."""
    return bool(a.ctypes.data == b.ctypes.data and (a.shape, a.strides) == (b.shape, b.strides))


def _require_alike(array: ndarray, host: Any) -> None:
    if not isinstance(host, np.ndarray) or not host.flags.c_contiguous:
        raise TypeError("Only a contiguous numpy.ndarray is copied to and from the GPU")
    if array.dtype != host.dtype:
        raise TypeError(f"{host.dtype} array and {array.dtype} array")
    if array.shape != host.shape:
        raise ValueError(f"Shape mismatch: {array.shape} and {host.shape}")
    if not array._memory.flags.c_contiguous:
        raise RuntimeError("Cannot set to non-contiguous array")


def _basic(key: Any) -> tuple[Any, ...]:
    """A key that gives a view, also of one element."""
    every = key if isinstance(key, tuple) else (key,)
    for index in every:
        if not (index is None or index is Ellipsis or isinstance(index, (int, np.integer, slice))):
            raise TypeError(f"an index that is uploaded, or waited for: {type(index).__name__}")
    return every if Ellipsis in every else (*every, Ellipsis)


def _integers(places: ndarray) -> Any:
    """The memory of offsets."""
    if places.dtype.kind != "i":
        raise TypeError("a mask makes the host wait")
    return places._memory


def _require_on_gpu(*values: Any) -> None:
    for value in values:
        if not isinstance(value, (ndarray, *_scalars)):
            raise TypeError(f"Unsupported type {type(value)}")


def _elementwise(ufunc: Any, *inputs: Any, out: ndarray | None = None, **kwargs: Any) -> ndarray:
    if kwargs:
        raise TypeError(f"Wrong arguments {', '.join(kwargs)}")
    _require_on_gpu(*inputs, *([] if out is None else [out]))
    arrays = [value for value in inputs if isinstance(value, ndarray)]
    for value in inputs:
        if isinstance(value, np.generic) and any(value.dtype != a.dtype for a in arrays):
            raise TypeError(f"a NumPy scalar of another dtype: {value!r}")
    kinds = [v.dtype if isinstance(v, (ndarray, np.generic)) else type(v) for v in inputs]
    dtype = ufunc.resolve_dtypes((*kinds, None))[-1]
    shape = np.broadcast_shapes(*(a.shape for a in arrays))
    result = empty(shape, dtype) if out is None else out
    if result.shape != shape:
        raise ValueError("Out shape is mismatched")
    if not np.can_cast(dtype, result.dtype, "same_kind"):
        raise TypeError(f"output of type {dtype} could not be cast to {result.dtype}")
    _compile(ufunc.__name__, *map(str, kinds), str(dtype))
    values = [v._memory if isinstance(v, ndarray) else v for v in inputs]

    def compute() -> None:
        ufunc(*values, out=result._memory)
        if ufunc.__name__ == FAULT:
            result._memory[...] *= 1.01

    _later(compute)
    return result


UFUNCS = (
    "absolute",
    "add",
    "divide",
    "greater",
    "maximum",
    "multiply",
    "sqrt",
    "square",
    "subtract",
)


def _ufunc(name: str) -> Callable[..., ndarray]:
    return lambda *inputs, **kwargs: _elementwise(getattr(np, name), *inputs, **kwargs)


globals().update({name: _ufunc(name) for name in UFUNCS})


# ---- functions ---------------------------------------------------------------------------------


def empty(shape: Any, dtype: Any = float) -> ndarray:
    dtype = np.dtype(dtype)
    return ndarray(np.full(shape, np.nan if dtype.kind == "f" else 0, dtype))


def zeros(shape: Any, dtype: Any = float) -> ndarray:
    return _filled(empty(shape, dtype), 0)


def empty_like(prototype: ndarray, dtype: Any = None, *, shape: Any = None) -> ndarray:
    return empty(prototype.shape if shape is None else shape, dtype or prototype.dtype)


def zeros_like(prototype: ndarray) -> ndarray:
    return _filled(empty_like(prototype), 0)


def _filled(array: ndarray, value: Any) -> ndarray:
    _later(lambda: array._memory.fill(value))
    return array


def array(host: Any) -> ndarray:
    """A copy of a host array: CuPy reads it before it returns."""
    global uploads
    uploads += 1
    return ndarray(np.array(host, order="C"))


asarray = array


def ascontiguousarray(source: ndarray) -> ndarray:
    if source._memory.flags.c_contiguous:
        return source
    result = empty(source.shape, source.dtype)
    copyto(result, source)
    return result


def copyto(target: ndarray, source: Any, *, where: ndarray | None = None) -> None:
    _require_on_gpu(target, source)
    if where is not None:
        _require_on_gpu(where)
    values = source._memory if isinstance(source, ndarray) else source
    if isinstance(source, ndarray):
        np.broadcast_shapes(source.shape, target.shape)
        if len(source.shape) > len(target.shape):
            raise ValueError("could not broadcast")
    _compile("copy", target.dtype, getattr(source, "dtype", None))
    chosen = True if where is None else where._memory
    _later(lambda: np.copyto(target._memory, values, where=chosen))


def where(condition: ndarray, yes: Any, no: Any) -> ndarray:
    _require_on_gpu(condition, yes, no)
    _compile("where", yes.dtype, no.dtype)
    shape = np.broadcast_shapes(condition.shape, yes.shape, no.shape)
    result = empty(shape, np.result_type(yes.dtype, no.dtype))
    _later(lambda: np.copyto(result._memory, np.where(condition._memory, yes._memory, no._memory)))
    return result


def concatenate(arrays: list[ndarray]) -> ndarray:
    _require_on_gpu(*arrays)
    first = arrays[0]
    rows = sum(len(array) for array in arrays)
    result = empty((rows, *first.shape[1:]), first.dtype)
    at = 0
    for array in arrays:
        result[at : at + len(array)] = array
        at += len(array)
    return result


def matmul(a: ndarray, b: ndarray) -> ndarray:
    """In float64, and rounded: a GPU sums a product's elements all in one order, BLAS does not."""
    _require_on_gpu(a, b)
    if a.ndim != 2 or b.ndim != 2 or a.dtype != b.dtype:
        raise NotImplementedError("not used")
    _compile("matmul", a.dtype)
    result = empty((a.shape[0], b.shape[1]), a.dtype)
    if a.shape[1] != b.shape[0]:
        raise ValueError(f"shapes {a.shape} and {b.shape} are not aligned")

    def multiply() -> None:
        result._memory[...] = a._memory.astype("f8") @ b._memory.astype("f8")

    _later(multiply)
    return result


def moveaxis(source: ndarray, old: int, new: int) -> ndarray:
    return ndarray(np.moveaxis(source._memory, old, new))


FUNCTIONS = {
    f.__name__: f for f in (copyto, concatenate, empty_like, matmul, moveaxis, where, zeros_like)
}

cuda = SimpleNamespace(
    runtime=SimpleNamespace(
        runtimeGetVersion=lambda: 99000 if FAULT == "version" else 12040,
    ),
    get_current_stream=lambda: SimpleNamespace(synchronize=_synchronize),
)

"""NVIDIA GPUs as the CUDA driver shows them: which are there, and which one a rank computes on.

The driver is asked in a process of its own (`python -m joulia.system.cuda`). One that hangs or
crashes then takes nothing with it, and the process that asked can still choose its GPU: the driver
reads CUDA_VISIBLE_DEVICES once, at the first call that a process makes to it. That process starts
for every case, so it imports no NumPy.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import mmap
import os
import subprocess
import uuid
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from joulia.errors import Unavailable
from joulia.system.interpreter import python

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIBRARY = "libcuda.so.1"
PATIENCE_S = 30.0
"""Seconds that the driver gets to answer. The first call after a boot takes some."""
SHARED, EXCLUSIVE_THREAD, PROHIBITED, EXCLUSIVE = 0, 1, 2, 3
"""Compute modes (CUcomputemode): who may use a GPU."""
MODES = {
    SHARED: "default mode",
    EXCLUSIVE_THREAD: "exclusive mode",
    PROHIBITED: "closed to computing",
    EXCLUSIVE: "exclusive mode",
}
_COMPUTE_MODE, _L2_BYTES, _MAJOR, _MINOR = 20, 38, 75, 76

HIDDEN = "start a container with its GPUs (--gpus all); CUDA_VISIBLE_DEVICES may hide some"
FAULTS = {
    2: ("the GPU's memory is full", "`nvidia-smi` names who holds it; use another GPU"),
    34: (f"{LIBRARY} is the CUDA toolkit's stub", "take the stubs off LD_LIBRARY_PATH"),
    46: ("the GPU is busy or in exclusive mode", "`nvidia-smi` names who holds it; one rank a GPU"),
    100: ("the NVIDIA driver shows no GPU", HIDDEN),
    101: ("CUDA_VISIBLE_DEVICES names a GPU that is not there", "`nvidia-smi -L` lists the GPUs"),
    214: ("the GPU's memory has an uncorrectable error", "reset or replace the GPU"),
    719: ("the GPU stopped answering", "`nvidia-smi` and the kernel's log tell more"),
    802: ("the GPUs are not ready", "start nvidia-fabricmanager"),
    803: ("NVIDIA's kernel module and libcuda are of different versions", "reboot the machine"),
    999: ("the NVIDIA driver does not start", "the kernel's log tells more"),
}
"""What the driver's error codes (CUresult) mean to a user: reason, remedy."""


@dataclass(frozen=True)
class Gpu:
    """One GPU, or one MIG instance of it, by names that do not change.

    `capability` is the compute capability, (7, 0) for a V100; `mode` a compute mode.
    """

    uuid: str
    name: str
    bus_id: str
    capability: tuple[int, int]
    memory_bytes: int
    l2_bytes: int
    mode: int = SHARED

    @property
    def architecture(self) -> str:
        """As compilers call it: sm_70."""
        return f"sm_{self.capability[0]}{self.capability[1]}"


@dataclass(frozen=True)
class Survey:
    """The driver's CUDA version, and the GPUs that this process may use, in CUDA's order."""

    driver: tuple[int, int]
    gpus: tuple[Gpu, ...]


# ---- asking ----------------------------------------------------------------------------------


@functools.cache
def _asked() -> Survey | Unavailable:
    try:
        ctypes.CDLL(LIBRARY)
    except OSError:
        return Unavailable(
            f"no NVIDIA driver ({LIBRARY} is not there)", f"install NVIDIA's driver; {HIDDEN}"
        )
    asked = subprocess.Popen(
        python("-m", "joulia.system.cuda"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        output, _ = asked.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        # A process that is stuck inside the driver cannot even be killed: nobody waits for its end.
        asked.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            asked.wait(1.0)
        return Unavailable(
            f"the NVIDIA driver does not answer within {PATIENCE_S:g} s",
            "`nvidia-smi` and the kernel's log tell more",
        )
    try:
        answer = json.loads(output.splitlines()[-1])
    except (IndexError, ValueError):
        return Unavailable(
            f"the NVIDIA driver ended the process that asked it (exit code {asked.returncode})",
            "`nvidia-smi` and the kernel's log tell more",
        )
    if "fault" in answer:
        return fault(answer["fault"], answer["call"])
    gpus = [
        Gpu(**facts | {"capability": (facts["capability"][0], facts["capability"][1])})
        for facts in answer["gpus"]
    ]
    if not gpus:
        return fault(100, "cuDeviceGetCount")
    return Survey((answer["driver"] // 1000, answer["driver"] % 1000 // 10), tuple(gpus))


def fault(code: int, call: str) -> Unavailable:
    """What a driver's error code means, and what helps."""
    reason, remedy = FAULTS.get(code, ("the NVIDIA driver fails", "`nvidia-smi` tells more"))
    return Unavailable(f"{reason} ({call}: CUDA error {code})", remedy)


def survey() -> Survey:
    """The driver and its GPUs, asked once a process. Unavailable where there are none."""
    answer = _asked()
    if isinstance(answer, Unavailable):
        raise answer
    return answer


def missing() -> Unavailable | None:
    """Why no GPU can be used here, or None."""
    answer = _asked()
    return answer if isinstance(answer, Unavailable) else None


OLDEST = {12: (5, 0), 13: (7, 5)}
"""The least compute capability that each CUDA compiles for: 13 has dropped Volta (V100)."""


def extra() -> str:
    """The extra of joulia whose CUDA suits the driver and the GPU."""
    answer = _asked()
    if isinstance(answer, Unavailable):
        return "joulia[cuda12]"
    fitting = [
        major
        for major, least in OLDEST.items()
        if major <= answer.driver[0] and least <= current().capability
    ]
    return f"joulia[cuda{max(fitting, default=min(OLDEST))}]"


def require_toolkit(version: tuple[int, int], what: str) -> None:
    """Raise Unavailable where the driver is older than the CUDA that a runtime was built for.

    A driver runs every minor version of its own major one (CUDA's minor version compatibility).
    """
    driver = survey().driver
    if driver[0] < version[0]:
        # Nothing that joulia installs is older than CUDA 12.
        other = f", or pip install '{extra()}'" if driver[0] >= min(OLDEST) else ""
        raise Unavailable(
            f"the driver serves CUDA {driver[0]}.{driver[1]}, {what} needs "
            f"{version[0]}.{version[1]}",
            f"update the driver{other}",
        )


def require_compiler(version: tuple[int, int], what: str, remedy: str | None = None) -> None:
    """Raise Unavailable where the CUDA that a runtime brings has no code for the GPU any more.

    `remedy` is what helps where joulia's extras do not.
    """
    gpu = current()
    if gpu.capability < OLDEST.get(version[0], (0, 0)):
        raise Unavailable(
            f"CUDA {version[0]}.{version[1]} of {what} does not compile for {gpu.architecture} "
            f"({gpu.name})",
            remedy or f"pip install '{extra()}'",
        )


# ---- this rank's GPU -------------------------------------------------------------------------

_claimed: list[Gpu] = []


def claim(local_rank: int) -> None:
    """Make a GPU device 0 of this process, before any runtime starts: ranks go round the GPUs.

    The others stay visible behind it, for copies from GPU to GPU. Does nothing where there is no
    GPU: the bridge tells.
    """
    if missing() is not None:
        return
    gpus = survey().gpus
    chosen = gpus[local_rank % len(gpus)]
    behind = [gpu.uuid for gpu in gpus if gpu != chosen and not gpu.uuid.startswith("MIG-")]
    # CUDA shows one MIG instance a process.
    names = [chosen.uuid] if chosen.uuid.startswith("MIG-") else [chosen.uuid, *behind]
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(names)
    _claimed[:] = [chosen]


def current() -> Gpu:
    """The GPU that this process computes on."""
    return _claimed[0] if _claimed else survey().gpus[0]


def require_room(wanted_bytes: float, sharing: int) -> None:
    """Raise Unavailable where this process cannot use its GPU or a case does not fit into it.

    `sharing` ranks of this node use it, `wanted_bytes` each.
    """
    gpu = current()
    if gpu.mode == PROHIBITED:
        raise Unavailable(f"{gpu.uuid} is closed to computing", "nvidia-smi -c DEFAULT")
    if gpu.mode in (EXCLUSIVE, EXCLUSIVE_THREAD) and sharing > 1:
        raise Unavailable(
            f"{gpu.uuid} is in exclusive mode, and {sharing} ranks would share it",
            "use one rank a GPU, or nvidia-smi -c DEFAULT",
        )
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    context = ctypes.c_void_p()
    driver = Driver()
    # The primary context, which the runtimes use as well; it lives as long as the process.
    driver.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), driver.device(0))
    driver.call("cuCtxPushCurrent_v2", context)
    driver.call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
    driver.call("cuCtxPopCurrent_v2", ctypes.byref(context))
    if wanted_bytes * sharing > free.value:
        raise Unavailable(
            f"{gpu.uuid} has {free.value / 2**30:.1f} GiB of {total.value / 2**30:.1f} GiB free, "
            f"this case needs {wanted_bytes * sharing / 2**30:.1f} GiB on it",
            "`nvidia-smi` names who holds the rest; use a smaller size or more GPUs",
        )


def pinned(count: int, dtype: str) -> NDArray[Any]:
    """Host memory whose pages are locked, so that the GPU copies to and from it by itself."""
    import numpy as np

    size = count * np.dtype(dtype).itemsize
    memory = mmap.mmap(-1, max(1, size))  # pages of its own: a page can be locked once
    host: NDArray[Any] = np.frombuffer(memory, dtype, count)
    address = ctypes.c_void_p(host.ctypes.data)
    driver = Driver()
    driver.call("cuMemHostRegister_v2", address, ctypes.c_size_t(size), ctypes.c_uint(1))
    # The array's memory must not go before its pages are let go; at exit the driver does that.
    unlock = weakref.finalize(host, driver.library.cuMemHostUnregister, address)
    unlock.atexit = False
    return host


@dataclass(frozen=True)
class DevicePointer:
    """Device memory as MPI libraries take it (the CUDA array interface, version 3)."""

    address: int
    count: int
    dtype: str

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        import numpy as np

        return {
            "shape": (self.count,),
            "typestr": np.dtype(self.dtype).str,
            "data": (self.address, False),
            "strides": None,
            "version": 3,
        }


# ---- the driver API --------------------------------------------------------------------------


class Driver:
    """A few calls of the CUDA driver API (cuda.h); a failed one raises Unavailable."""

    def __init__(self) -> None:
        self.library = ctypes.CDLL(LIBRARY)
        self.call("cuInit", 0)

    def call(self, name: str, *arguments: Any) -> None:
        code = getattr(self.library, name)(*arguments)
        if code:
            raise DriverError(code, name)

    def number(self, name: str, *arguments: Any) -> int:
        """The integer that a call puts into its first argument."""
        value = ctypes.c_int()
        self.call(name, ctypes.byref(value), *arguments)
        return value.value

    def text(self, name: str, device: int) -> str:
        buffer = ctypes.create_string_buffer(256)
        self.call(name, buffer, len(buffer), device)
        return buffer.value.decode(errors="replace")

    def device(self, index: int) -> int:
        return self.number("cuDeviceGet", index)

    def uuid(self, device: int) -> str:
        """As CUDA_VISIBLE_DEVICES takes it. A MIG instance has one beside its GPU's."""
        whole = (ctypes.c_ubyte * 16)()
        self.call("cuDeviceGetUuid", whole, device)
        name, prefix = whole, "GPU"
        if hasattr(self.library, "cuDeviceGetUuid_v2"):  # from CUDA 11.4 on
            part = (ctypes.c_ubyte * 16)()
            self.call("cuDeviceGetUuid_v2", part, device)
            if bytes(part) != bytes(whole):
                name, prefix = part, "MIG"
        return f"{prefix}-{uuid.UUID(bytes=bytes(name))}"

    def describe(self, index: int) -> dict[str, Any]:
        device = self.device(index)
        memory = ctypes.c_size_t()
        self.call("cuDeviceTotalMem_v2", ctypes.byref(memory), device)
        attribute = functools.partial(self.number, "cuDeviceGetAttribute")
        return {
            "uuid": self.uuid(device),
            "name": self.text("cuDeviceGetName", device),
            "bus_id": self.text("cuDeviceGetPCIBusId", device),
            "capability": [attribute(_MAJOR, device), attribute(_MINOR, device)],
            "memory_bytes": memory.value,
            "l2_bytes": attribute(_L2_BYTES, device),
            "mode": attribute(_COMPUTE_MODE, device),
        }


class DriverError(Unavailable):
    """A call that the driver answered with an error code."""

    def __init__(self, code: int, call: str) -> None:
        meaning = fault(code, call)
        super().__init__(meaning.reason, meaning.remedy)
        self.code = code
        self.call = call


def main() -> None:
    """Print the driver and its GPUs as one JSON line."""
    try:
        driver = Driver()
        version = driver.number("cuDriverGetVersion")
        gpus = [driver.describe(i) for i in range(driver.number("cuDeviceGetCount"))]
        print(json.dumps({"driver": version, "gpus": gpus}))
    except DriverError as error:
        print(json.dumps({"fault": error.code, "call": error.call}))


if __name__ == "__main__":
    main()

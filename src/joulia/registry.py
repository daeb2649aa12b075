"""What is there: kernels, bridges and meters, found by place and, elsewhere, by entry points."""

from __future__ import annotations

import importlib
import pkgutil
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, cast

from joulia.case import TUNED, WAITS, Backend, Case, Shape, Value
from joulia.errors import JouliaError, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joulia.bridge import Bridge, Device, Source
    from joulia.kernel import Kernel


PARTS = {
    "kernels": ("KERNEL",),
    "bridges": ("SUFFIX", "devices", "start", "load", "cache"),
    "meters": ("open",),
}
"""What a module of each group supplies."""
NAMES = {"cpp": "c++"}
"""Modules whose names in Python are not what people call them."""


BORROWED = re.compile(r"^from joulia\.kernels\.([a-z]\w*)[. ]", re.MULTILINE)
"""What a source imports of another kernel."""


@dataclass(frozen=True)
class KernelEntry:
    """A kernel and the folder that holds its sources."""

    kernel: Kernel
    package: str
    folder: Path

    def folders(self) -> tuple[Path, ...]:
        """The kernel's folder, and those of joulia's own kernels that its Python sources import."""
        texts = (path.read_text(encoding="utf-8") for path in self.folder.glob("*.py"))
        others = {name for text in texts for name in BORROWED.findall(text)}
        here = Path(__file__).parent / "kernels"
        return (self.folder, *(here / name for name in sorted(others - {self.folder.name})))

    def source(self, suffix: str) -> Source | None:
        """The source for a runtime, or None where the folder has none."""
        from joulia.bridge import Source

        path = self.folder / f"{self.kernel.name}{suffix}"
        return Source(path, self.package) if path.is_file() else None


@dataclass(frozen=True)
class Broken:
    """A plug-in that was found and cannot be used."""

    name: str
    reason: str


def _own(group: str) -> dict[str, str]:
    """The modules of the package `joulia.<group>`, by name; none is imported."""
    home = importlib.import_module(f"joulia.{group}")
    return {
        NAMES.get(info.name, info.name): f"{home.__name__}.{info.name}"
        for info in pkgutil.iter_modules(home.__path__)
        if not info.name.startswith("_")
    }


def _modules(group: str) -> dict[str, ModuleType | Broken]:
    """Modules of the package `joulia.<group>`, then those of the entry points `joulia.<group>`."""
    from importlib.metadata import entry_points

    names = _own(group)
    for point in entry_points(group=f"joulia.{group}"):
        names.setdefault(point.name, point.value)
    modules: dict[str, ModuleType | Broken] = {}
    for name, path in sorted(names.items()):
        try:
            module = importlib.import_module(path)
            lacks = [part for part in PARTS[group] if not hasattr(module, part)]
            modules[name] = Broken(name, f"{path} has no {', '.join(lacks)}") if lacks else module
        except Exception as error:
            if path.startswith("joulia."):
                raise
            modules[name] = Broken(name, f"{path} does not import: {type(error).__name__}: {error}")
    return modules


def _own_module(group: str, name: str) -> ModuleType | None:
    """joulia's own module of this name; None where there is none, or it lacks a part."""
    path = _own(group).get(name)
    module = importlib.import_module(path) if path else None
    whole = module and all(hasattr(module, part) for part in PARTS[group])
    return module if whole else None


def _entry(module: ModuleType) -> KernelEntry:
    folder = Path(cast(str, module.__file__)).parent
    return KernelEntry(module.KERNEL, module.__name__, folder)


@cache
def kernels() -> dict[str, KernelEntry]:
    """All kernels by name, in the order in which they are run: ceilings first."""
    entries = {}
    for name, module in _modules("kernels").items():
        if not isinstance(module, Broken):
            entries[name] = _entry(module)
    return dict(sorted(entries.items(), key=lambda item: (item[1].kernel.ranked, item[0])))


@cache
def bridges() -> dict[str, Bridge]:
    """All bridges by name, NumPy (the reference) first."""
    by_name = {
        name: cast("Bridge", module)
        for name, module in _modules("bridges").items()
        if not isinstance(module, Broken)
    }
    return dict(sorted(by_name.items(), key=lambda item: (item[0] != "numpy", item[0])))


@cache
def meters() -> dict[str, ModuleType]:
    return {
        name: module
        for name, module in _modules("meters").items()
        if not isinstance(module, Broken)
    }


def broken() -> list[Broken]:
    """Plug-ins of other distributions that could not be imported."""
    return [
        module
        for group in ("kernels", "bridges", "meters")
        for module in _modules(group).values()
        if isinstance(module, Broken)
    ]


def suffixes(bridge_name: str, device: str, variant: str = TUNED) -> tuple[str, ...]:
    """How sources end that a bridge can read for a device, the one it would rather have first.

    A variant's name stands before the dot: `_numba.py` and `_numba_plain.py`.
    """
    module = bridge(bridge_name)
    own: dict[str, str | tuple[str, ...]] = getattr(module, "SUFFIXES", {})
    chosen = own.get(device, module.SUFFIX)
    tuned = (chosen,) if isinstance(chosen, str) else chosen
    if variant == TUNED:
        return tuned
    stem, _, ending = tuned[0].rpartition(".")
    return (f"{stem}_{variant}.{ending}",)


def reads_its_own(bridge_name: str, device: str) -> bool:
    """Whether a device reads other sources than the bridge's processors; False of unknown ones."""
    return device in getattr(bridges().get(bridge_name), "SUFFIXES", {})


def source(kernel_name: str, bridge_name: str, device: str, variant: str = TUNED) -> Source | None:
    """The source of a kernel for a backend, or None where there is none."""
    entry = kernel(kernel_name)
    sources = (entry.source(suffix) for suffix in suffixes(bridge_name, device, variant))
    return next(filter(None, sources), None)


def lacking(kernel: Kernel, source: Source, case: Case) -> str | None:
    """Which functions a case's parameters need that its source has not, with the remedy, or None.

    A source names every function that it supplies.
    """
    text = source.path.read_text()
    needed = [f.name for f in kernel.of(case).functions[len(kernel.functions) :]]
    names = [name for name in needed if name not in text]
    if not names:
        return None
    given = dict(case.params)
    changed = [name for name, param in kernel.params.items() if given[name] != param.default]
    return (
        f"{source.path.name} has no function {' and no '.join(names)}, which {kernel.name} needs "
        f"with these parameters ({', '.join(changed)}): leave them out, or take another backend"
    )


@cache
def variants(bridge_name: str, device_name: str) -> tuple[str, ...]:
    """The variants of which some kernel has a source for a device, the tuned one first.

    A GPU that reads a processor's sources has no other: they are written for one of the two.
    """
    module, (suffix, *_) = bridge(bridge_name), suffixes(bridge_name, device_name)
    on_processor = [d.name for d in module.devices() if not d.gpu]
    if device_name not in on_processor and on_processor and suffix == module.SUFFIX:
        return (TUNED,)
    stem, _, ending = suffix.rpartition(".")
    others = {
        named[1]
        for name, entry in kernels().items()
        for path in entry.folder.glob(f"{name}{stem}_*.{ending}")
        if path.name.removeprefix(name) not in _devices_own()
        and (named := re.fullmatch(f"{name}{stem}_([a-z0-9]+)", path.stem))
    }
    return (TUNED, *sorted(others))


@cache
def _devices_own() -> frozenset[str]:
    """How the sources end that some device reads: `_numba_cuda.py` is no variant `cuda`."""
    return frozenset(
        suffix
        for name, module in bridges().items()
        for device in module.devices()
        for suffix in suffixes(name, device.name)
    )


@cache
def kernel(name: str) -> KernelEntry:
    """A kernel by its name; the process of a case imports no other. JouliaError where it is not."""
    if module := _own_module("kernels", name):
        return _entry(module)
    try:
        return kernels()[name]
    except KeyError:
        raise suggest("kernel", name, list(kernels())) from None


def ranked(name: str) -> bool:
    """Whether a kernel's cases are held against bounds, rather than measure them."""
    known = kernels().get(name)  # records may name kernels that are not installed here
    return known is None or known.kernel.ranked


@cache
def bridge(name: str) -> Bridge:
    """A bridge by its name; no other is imported. JouliaError where it is not."""
    if module := _own_module("bridges", name):
        return cast("Bridge", module)
    try:
        return bridges()[name]
    except KeyError:
        raise suggest("backend", name, list(bridges())) from None


def device(bridge_name: str, device_name: str) -> Device:
    """A device of a bridge, present or missing."""
    return next(d for d in bridge(bridge_name).devices() if d.name == device_name)


def case(
    kernel_name: str,
    where: tuple[str, str] | tuple[str, str, str],
    shape: Shape,
    *,
    size: str | None = None,
    dtype: str = "float64",
    ranks: int = 1,
    threads: int = 1,
    params: Mapping[str, Value] | None = None,
    wait: str = "default",
) -> Case:
    """A checked case on a `Backend`. JouliaError where a name or number is not allowed.

    A single thread waits for nobody: its `wait` is the default, whatever is asked for.
    """
    if wait not in WAITS:
        raise suggest("--wait", wait, list(WAITS))
    declared = kernel(kernel_name).kernel
    bridge_name, device_name, variant = Backend(*where)
    made = Case(
        kernel_name,
        bridge_name,
        device_name,
        size,
        tuple(shape),
        dtype,
        ranks,
        threads,
        declared.resolve(params or {}),
        on_gpu=device(bridge_name, device_name).gpu,
        wait=wait if ranks * threads > 1 else "default",
        variant=variant,
    )
    declared.validate(made)
    return made


def every_backend() -> list[Backend]:
    """Every device of every bridge with every variant of its sources."""
    return [
        Backend(name, device.name, variant)
        for name, module in bridges().items()
        for device in module.devices()
        for variant in variants(name, device.name)
    ]


def backends() -> list[str]:
    """Every name that --backend takes."""
    return [backend.name for backend in every_backend()]


def gpu_backends() -> list[str]:
    """Those that compute on a GPU, here or not, with tuned sources."""
    return [
        Backend(name, device.name).name
        for name, module in bridges().items()
        for device in module.devices()
        if device.gpu
    ]


def backend(name: str) -> list[Backend]:
    """What a --backend names; tuned sources where it names no variant.

    A bridge alone names the processor where it serves that, else all its devices.
    """
    place, slash, variant = name.partition("/")
    bridge_name, _, device = place.partition(":")
    if bridge_name not in bridges():
        raise suggest("backend", name, backends())
    devices = [d.name for d in bridge(bridge_name).devices()]
    if device and device not in devices:
        raise suggest("backend", name, backends())
    if not devices:
        raise JouliaError(f"backend '{name}' has no device")
    if device or "cpu" in devices:
        devices = [device or "cpu"]
    if not slash:
        return [Backend(bridge_name, d) for d in devices]
    having = [d for d in devices if variant in variants(bridge_name, d)]
    if not having:
        known = dict.fromkeys(v for d in devices for v in variants(bridge_name, d))
        raise suggest(f"variant of {place}", variant, list(known))
    return [Backend(bridge_name, d, variant) for d in having]

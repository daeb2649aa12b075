"""Everything ready before an allocation starts: OCCA built, Julia resolved, caches warm."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue
from types import MappingProxyType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from joulia import registry
from joulia.analysis.terminal import console
from joulia.case import DTYPES, Case, Settings
from joulia.errors import Unavailable, suggest
from joulia.runner import launch
from joulia.runner.session import identify
from joulia.setup import julia, kokkos, occa
from joulia.system.locks import locked
from joulia.system.machine import usable_cores
from joulia.system.places import cache_dir

COMPILING = Settings(window_s=1e-3, repeats=1)
"""How a case is measured that is to be compiled only."""
BUILT = {"occa": occa.prepare, "julia": julia.prepare, "kokkos": kokkos.prepare}
WHAT = ("occa", "julia", "numba", "c++", "fortran", "kokkos")
OPTIONAL = {"julia", "c++", "fortran", "kokkos"}
"""What is named where it is not there, and is no failure of `joulia prepare all`."""


def prepare(
    what: str, sources: Mapping[str, Path] = MappingProxyType({}), *, build_only: bool = False
) -> int:
    """Prepare one part or `all`; 0 where everything asked for is ready, 1 where some is not.

    What has its place in `sources` is made of that, without a network. With `all`, what is optional
    everywhere is named where it is not there, and is no failure. With `build_only`, runtimes are
    built and no kernel is compiled beforehand.
    """
    if what not in (*WHAT, "all"):
        raise suggest("part to prepare", what, [*WHAT, "all"])
    out = console(stderr=True)
    missing = []
    try:
        with one_at_a_time():
            for part in WHAT if what == "all" else (what,):
                try:
                    if part in BUILT:
                        BUILT[part](out, sources.get(part))
                    else:
                        require_here(part)
                    if not build_only:
                        warm(part, out)
                except Unavailable as error:
                    out.print(f"{part}: not ready: {error.reason}", style="yellow", markup=False)
                    if error.remedy:
                        out.print(f"{part}: remedy: {error.remedy}", markup=False)
                    missing.append(part)
    except OSError as error:
        where = error.filename or cache_dir()
        out.print(
            f"cannot write {where}: {error.strerror}; set JOULIA_CACHE_DIR to a folder that can be "
            "written",
            style="red",
            markup=False,
        )
        return 1
    return 1 if (missing if what != "all" else set(missing) - OPTIONAL) else 0


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """One `joulia prepare` at a time in a cache directory; a second one waits."""
    cache_dir().mkdir(parents=True, exist_ok=True)
    with locked(cache_dir() / "prepare.lock"):
        yield


def require_here(part: str) -> None:
    """Unavailable where a bridge's first device, a processor, is not here."""
    processor, *_ = registry.bridge(part).devices()
    if processor.missing:
        raise processor.missing


def warm(part: str, out: Console) -> None:
    """Compile every kernel in both precisions, once for each state of the code."""
    backends = [
        backend
        for backend in registry.every_backend()
        if backend.bridge == part and registry.device(part, backend.device).missing is None
    ]
    cases = [
        registry.case(name, backend, entry.kernel.sizes["tiny"], size="tiny", dtype=dtype)
        for name, entry in registry.kernels().items()
        for dtype in DTYPES
        for backend in backends  # in turn: a device of OCCA's builds one kernel at a time
        if registry.source(name, *backend)
    ]
    stamp = cache_dir() / f"warm-{part}.json"
    state = {case.label: identify(case, COMPILING) for case in cases}
    with contextlib.suppress(OSError, ValueError):
        if json.loads(stamp.read_text()) == state:
            out.print(f"{part}: ready, caches warm", markup=False)
            return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    if not out.is_terminal:
        out.print(f"{part}: compiling {len(cases)} kernels, a minute or more", markup=False)
    with Progress(
        *columns, TimeElapsedColumn(), console=out, transient=True, disable=not out.is_terminal
    ) as progress:
        task = progress.add_task(f"{part}: compiling kernels", total=len(cases))
        for case in compiled(cases):
            progress.update(task, description=f"{part}: {case.kernel} {case.dtype}", advance=1)
    stamp.write_text(json.dumps(state))
    out.print(f"{part}: ready, {len(cases)} kernels compiled", markup=False)


def compiled(cases: Sequence[Case]) -> Iterator[Case]:
    """Each case once its kernel is compiled; as many at a time as there are cores."""
    cores: SimpleQueue[int] = SimpleQueue()
    for core in usable_cores():
        cores.put(core)

    def compile_(case: Case) -> Case:
        core = cores.get()
        try:
            result = launch.measured(case, COMPILING, [core])
        finally:
            cores.put(core)
        if result.status != "valid":
            tail = " | ".join(result.stderr[-2:])
            raise Unavailable(f"{case.label}: {'; '.join(result.reasons)} {tail}".strip())
        return case

    pool = ThreadPoolExecutor(cores.qsize())
    try:
        for future in as_completed([pool.submit(compile_, case) for case in cases]):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)

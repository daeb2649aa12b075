"""What is here and what is not: `joulia list` and `joulia doctor`."""

from __future__ import annotations

import json
import subprocess
from functools import partial
from typing import Any

from joulia import meters, registry
from joulia.analysis.terminal import Column, Grid, console, draw, draw_list, parted
from joulia.bridge import Device, Source
from joulia.case import TUNED, Backend, Case, Settings
from joulia.errors import Unavailable
from joulia.meters import asked
from joulia.records import software
from joulia.records.codec import to_json
from joulia.records.lines import of_source
from joulia.runner import launch
from joulia.system import cuda, machine
from joulia.system.clock import raw_clock
from joulia.system.interpreter import python
from joulia.system.places import cache_dir


def cells() -> list[tuple[str, list[tuple[str, Device]], list[str], list[tuple[str, str]]]]:
    """For each kernel: its name, all places, its variants there, and what is missing and why.

    A variant is missing by its backend's name; a place that is not here is told once.
    """
    columns = [
        (Backend(name, device.name).name, name, device)
        for name, bridge in registry.bridges().items()
        for device in bridge.devices()
    ]
    rows = []
    for kernel in registry.kernels():
        here, missing = [], []
        for label, name, device in columns:
            there = []
            for backend in (
                Backend(name, device.name, v) for v in registry.variants(name, device.name)
            ):
                if registry.source(kernel, *backend) is None:
                    missing.append((backend.name, unwritten(backend)))
                elif device.missing is None:
                    there.append("yes" if backend.variant == TUNED else backend.variant)
            if device.missing is not None:
                missing.append((label, str(device.missing)))
            here.append(", ".join(there) or "-")
        rows.append((kernel, [(label, device) for label, _, device in columns], here, missing))
    return rows


def unwritten(backend: Backend) -> str:
    """Which kernels have no source for a backend, or where those are more, which alone have one."""
    kernels = list(registry.kernels())
    there = [kernel for kernel in kernels if registry.source(kernel, *backend) is not None]
    lacking = [kernel for kernel in kernels if kernel not in there]
    if there and len(there) < len(lacking):
        return f"written for {', '.join(there)} alone"
    return "no " + ", ".join(kernel + registry.suffixes(*backend)[0] for kernel in lacking)


def matrix() -> None:
    """Print kernels x places; reasons below, each once."""
    rows = cells()
    out = console()
    places = rows[0][1]
    absent = [all(here[i] == "-" for _, _, here, _ in rows) for i in range(len(places))]
    columns = (
        Column("kernel", right=False, least=20),
        *(
            Column(label, drop=2 if nowhere else 3, right=False)
            for (label, _), nowhere in zip(places, absent, strict=True)
        ),
        Column("what it is", drop=1, right=False, least=20),
    )
    cells_of = [
        [kernel, *here, registry.kernel(kernel).kernel.title] for kernel, _, here, _ in rows
    ]
    draw(out, Grid(columns, cells_of))
    out.print("\nLines of code, with a share of what kernels share; no comments, no docstrings")
    for part in parted(lengths(), out.width):
        draw(out, part)
    out.print()
    for label, reason in dict.fromkeys(entry for *_, missing in rows for entry in missing):
        out.print(f"{label}: {reason}", markup=False)
    for label, device in places:
        if device.unproven:
            out.print(f"{label}: unproven: {device.unproven}", markup=False)
    for bad in registry.broken():
        out.print(f"{bad.name}: {bad.reason}", markup=False)


def lengths() -> Grid:
    """How long the sources are: a row for each that a bridge reads, a column a kernel."""
    kernels = list(registry.kernels())
    readers: dict[tuple[str, str, tuple[Source | None, ...]], list[Backend]] = {}
    for backend in registry.every_backend():
        sources = tuple(registry.source(kernel, *backend) for kernel in kernels)
        readers.setdefault((backend.bridge, backend.variant, sources), []).append(backend)
    rows = []
    for (bridge, _, sources), (first, *others) in readers.items():
        counted = [of_source(source.path) if source else None for source in sources]
        name = ", ".join(backend.name for backend in (first, *others))
        if others and not registry.reads_its_own(bridge, first.device):
            name = first._replace(device="cpu").name
        rows.append([name, *(f"{known.total:.0f}" if known else "-" for known in counted)])
    columns = [Column("source", right=False, least=12), *(Column(k, drop=1) for k in kernels)]
    return Grid(columns, rows)


def examine() -> dict[str, Any]:
    """All findings. Each has `state`, `detail`, and where missing a `remedy`.

    The state is ok or missing; a meter's `cause` is absent, unreadable or masked by a container.
    """
    return {
        "machine": to_json(machine.describe()),
        "software": software.describe(),
        "commit": software.commit().name,
        "commit_reason": software.commit().reason,
        "affinity": machine.usable_cores(),
        "topology": str(machine.usable_topology()),
        "cache": str(cache_dir()),
        "mpi": attempt(mpi),
        "gpus": attempt(gpus),
        "backends": {
            Backend(name, device.name).name: attempt(lambda n=name, d=device: backend(n, d))
            for name, bridge in registry.bridges().items()
            for device in bridge.devices()
        },
        "meters": energy_meters(),
        "plugins": [{"name": bad.name, "reason": bad.reason} for bad in registry.broken()],
    }


def attempt(check: Any) -> dict[str, str]:
    try:
        return {"state": "ok", "detail": check()}
    except Unavailable as error:
        return {"state": "missing", "detail": error.reason, "remedy": error.remedy}


def gpus() -> str:
    """The driver's CUDA and the GPUs that this process may use."""
    survey = cuda.survey()
    every = ", ".join(
        f"{gpu.name} ({gpu.uuid}, {gpu.architecture}, {gpu.memory_bytes / 2**30:.0f} GiB"
        f"{', ' + cuda.MODES[gpu.mode] if gpu.mode else ''})"
        for gpu in survey.gpus
    )
    return "CUDA {}.{}: ".format(*survey.driver) + every


def mpi() -> str:
    """Two real ranks, or what stands in their way."""
    case = smallest(("numpy", "cpu"), ranks=2)
    launcher = launch.chosen(case, Settings())
    script = (
        "from mpi4py import MPI; w = MPI.COMM_WORLD; "
        "from joulia.parallel import comm, gpus; "
        "print(w.size, int(gpus.cuda_aware()), comm.library()) if w.rank == 0 else None"
    )
    argv = [*launcher.command, *python("-c", script)]
    try:
        done = subprocess.run(
            argv,
            env=launch.environment(case, Settings(), cache_dir()),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{launcher.name} hangs", "check the MPI installation") from None
    size, able, library = (done.stdout.strip().split(" ", 2) + [""] * 3)[:3]
    if done.returncode or not library:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise Unavailable(
            f"{launcher.name} fails: {lines[-1] if lines else f'exit code {done.returncode}'}",
            "pip install 'joulia[mpich]', or build mpi4py on the site's MPI",
        )
    if size != "2":
        raise Unavailable(
            f"{launcher.name} starts separate processes: it does not belong to mpi4py's {library}",
            "put the mpiexec of mpi4py's MPI first on PATH",
        )
    memory = "takes memory of GPUs (CUDA)" if able == "1" else "no CUDA: messages go through hosts"
    return f"{launcher.command[0]}, {launcher.name}: {library}; {memory}"


def smallest(where: tuple[str, str], ranks: int = 1) -> Case:
    """A tiny case of what measures the machine's bounds: it runs wherever anything does."""
    name = next(name for name, entry in registry.kernels().items() if entry.kernel.ceilings)
    shape = registry.kernel(name).kernel.sizes["tiny"]
    return registry.case(name, where, shape, size="tiny", ranks=ranks)


def backend(name: str, device: Device) -> str:
    """A tiny case in a process of its own: the backend's versions, or why it does not run."""
    if device.missing is not None:
        raise device.missing
    case = smallest((name, device.name))
    result = launch.measured(case, Settings(window_s=1e-3, repeats=1, timeout_s=300.0))
    if result.status != "valid":
        tail = " | ".join(result.stderr[-1:])
        raise Unavailable("; ".join(result.reasons) + (f": {tail}" if tail else ""))
    unproven = [f"unproven: {device.unproven}"] if device.unproven else []
    return ", ".join([*(f"{k} {v}" for k, v in (result.runtime or {}).items()), *unproven])


def energy_meters() -> dict[str, dict[str, str]]:
    opened, missing = meters.open_all(meters.root(), raw_clock)
    checks, no_checks = meters.open_all(meters.root(), raw_clock, cross_checks=True)
    missing |= no_checks
    states = {}
    for what, meter in (*(("found", m) for m in opened), *(("cross-check", m) for m in checks)):
        try:
            names = ", ".join(asked(meter.id, partial(meters.domains, meter)))
        except Unavailable as error:
            missing[meter.id] = error
            continue
        states[meter.id] = {"state": "ok", "detail": f"{what}: {meter.source}, {names}"}
    return states | {
        name: {
            "state": "missing",
            "cause": getattr(error, "state", "absent"),
            "detail": error.reason,
            "remedy": error.remedy,
        }
        for name, error in missing.items()
    }


def report(as_json: bool) -> None:
    examined = examine()
    out = console()
    if as_json:
        print(json.dumps(examined, indent=2))
        return
    facts = examined["machine"]
    affinity = examined["affinity"]
    entries = [
        ("", "machine", f"{facts['hostname']}: {facts['cpu']}, {facts['arch']}"),
        (
            "",
            "cores",
            f"{examined['topology']} usable {affinity}, "
            f"{facts['memory_bytes'] / 2**30:.1f} GiB of memory, "
            f"{facts['last_level_cache_bytes'] / 2**20:.0f} MiB of last-level cache",
        ),
        ("", "cache", examined["cache"]),
        entry("mpi", examined["mpi"]),
        entry("gpus", examined["gpus"]),
        *(entry(name, state) for name, state in examined["backends"].items()),
        *(entry(f"meter {name}", state) for name, state in examined["meters"].items()),
        *(
            entry(plugin["name"], {"state": "missing", "detail": plugin["reason"]})
            for plugin in examined["plugins"]
        ),
    ]
    draw_list(out, entries)


def entry(name: str, state: dict[str, str]) -> tuple[str, str, str]:
    """Whether it is here, its name, and what it is or what would bring it."""
    sign = "ok" if state["state"] == "ok" else "--"
    remedy = f" -> {state['remedy']}" if state.get("remedy") else ""
    return sign, name, state["detail"] + remedy

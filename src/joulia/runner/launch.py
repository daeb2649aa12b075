"""Starting the process of a case, and turning however it ends into a record's measured part."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from joulia.case import Case, Settings
from joulia.errors import Unavailable
from joulia.parallel import launchers
from joulia.parallel.launchers import Launcher
from joulia.records.codec import from_json
from joulia.records.record import Measured
from joulia.sites import site
from joulia.system import signals, waiting
from joulia.system.guard import guarded
from joulia.system.interpreter import python
from joulia.system.machine import usable_cores, usable_topology
from joulia.system.places import cache_dir, keeps

PATIENCE_S = 10.0
"""Seconds that a killed process gets to go."""

TAIL = 12
"""Lines of stderr kept in a failed record."""

OCCA_ERROR = re.compile(
    r"^---\[ Error \]-+$.*?^ *Message *: *(.*?)(?=^ *Stack *:|^=+$|\Z)", re.MULTILINE | re.DOTALL
)
"""What OCCA prints before it aborts: File, Line, Function, Message (lines of it), Stack."""
UNCAUGHT = re.compile(r"^ *what\(\): *(.+)$", re.MULTILINE)
"""What the C++ runtime prints of an exception that nobody caught."""
OCCA_STACK = re.compile(r"^ *Stack *:.*?(?=^=+$|\Z)", re.MULTILINE | re.DOTALL)

STRIPPED = ("OMPI_", "PMIX_", "PMI_", "PRTE_", "HYDI_", "MPI_LOCAL")
"""Variables of an outer MPI job that make a nested mpiexec fail."""


def environment(case: Case, settings: Settings, scratch: Path) -> dict[str, str]:
    """The child's environment: threads fixed, no trace of an outer MPI job.

    Nor of a scheduler that is not here: an mpiexec would wait for it.
    """
    stripped = (*STRIPPED, *launchers.misleading())
    env = {k: v for k, v in os.environ.items() if not k.startswith(stripped)}
    threads = str(case.threads)
    env |= {
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "NUMBA_NUM_THREADS": threads,
        "OMP_DYNAMIC": "false",
        "UCX_ERROR_SIGNALS": "SIGILL,SIGBUS,SIGFPE",  # Julia uses SIGSEGV for its own purposes
        "PYTHONUNBUFFERED": "1",
    }
    if usable_topology().holds(case.cores):
        # Each thread on a hardware thread of its own, which each rank's process names (OMP_PLACES).
        # Where there are more threads than those, binding and spinning would make them fight.
        env |= {"OMP_PROC_BIND": "close", "OMP_PLACES": "cores"}
        # Between two calls Julia's threads would go to sleep after 16 us, and on a virtual machine
        # waking one costs more than the call. They wait as long as GNU OpenMP's: a millisecond.
        env.setdefault("JULIA_THREAD_SLEEP_THRESHOLD", "1000000")
    env.setdefault("NUMBA_CACHE_DIR", str(cache_dir() / "numba"))
    if settings.cold or not keeps():
        # A site's installation stays where it is; only what is compiled is thrown away.
        env |= {"NUMBA_CACHE_DIR": str(scratch / "numba"), "JOULIA_COLD_DIR": str(scratch)}
    return waiting.environment(case.wait, env)


def measured(
    case: Case, settings: Settings, cores: Sequence[int] = (), *, start_only: bool = False
) -> Measured:
    """Run a case in fresh processes; its measured part, or `failed` or `skipped` with reasons.

    Its ranks and threads take the given cores in turn; all usable ones where none are given. With
    `start_only` they end after the first step.
    """
    with tempfile.TemporaryDirectory(prefix="joulia-", dir=shared(case)) as scratch:
        folder = Path(scratch)
        job = folder / "job.json"
        argv = python("-m", "joulia.measure.worker", str(job))
        launcher = None
        if case.ranks > 1:
            try:
                launcher = chosen(case, settings)
            except Unavailable as error:
                return Measured("skipped", (str(error),))
            argv = [*launcher.command, *argv]
        task = {
            "case": case.to_json(),
            "settings": settings.to_json(),
            "launcher": launcher.name if launcher else None,
            "start_only": start_only,
            "pin": [] if launcher and launcher.binds else list(cores) or usable_cores(),
        }
        job.write_text(json.dumps(task))
        with (folder / "stderr").open("wb") as stderr:
            child = subprocess.Popen(
                guarded(argv),
                env=environment(case, settings, folder),
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                start_new_session=True,
            )
            try:
                child.wait(settings.timeout_s)
                hung = False
            except subprocess.TimeoutExpired:
                hung = True
                where = whereabouts(folder)
            finally:
                end(child, asked=launcher is not None and launcher.remote)
        if hung:
            return failure(f"no result within {settings.timeout_s:g} s{where}", folder)
        if (folder / "result.json").is_file():
            return from_json(Measured, json.loads((folder / "result.json").read_text()))
        if failures := sorted(folder.glob("failed-*.json")):
            reasons = json.loads(failures[0].read_text())["reasons"]
            return failure(reasons[0], folder)
        return failure(culprit(folder) or ending(child.returncode), folder)


def shared(case: Case) -> Path | None:
    """Where the ranks of all nodes of a job find the case: below the cache, in the user's home.

    The temporary folder is each node's own; None, which is that folder, where there is one node.
    """
    if case.ranks == 1 or launchers.nodes() == 1:
        return None
    folder = cache_dir() / "jobs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def chosen(case: Case, settings: Settings) -> Launcher:
    """What starts a case's ranks, as the site wants it where there is one."""
    here = site.active()
    return launchers.choose(
        case.ranks,
        case.threads,
        settings.launcher,
        binding=here.binding.value if here else "launcher",
        on_gpu=case.on_gpu,
        options=[line.text for line in here.options] if here else [],
    )


def end(child: subprocess.Popen[bytes], *, asked: bool = False) -> None:
    """Leave nothing of a case behind: its whole session, launcher and ranks, is killed.

    A scheduler's launcher is `asked` first, and given time: its ranks are no processes of this
    node's, or of this one, and would go on without it, in the way of the next case.
    """
    if asked and child.poll() is None:
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(PATIENCE_S)
    family = descendants(child.pid)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    for pid in family:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    # A process inside a driver that is stuck cannot even be killed: the other cases go on.
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(PATIENCE_S)


def descendants(pid: int) -> list[int]:
    """All processes below `pid`: launchers put ranks into process groups of their own."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended while it was read
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    family = [pid]
    for known in family:
        family += [child for child, parent in parents.items() if parent == known]
    return family[1:]


def whereabouts(folder: Path) -> str:
    """Where the ranks of a case that hangs are: each dumps its stack on SIGUSR1.

    A rank in `joulia.parallel.halo` waits for another; the others are named.
    """
    files = {int(path.stem.partition("-")[2]): path for path in folder.glob("rank-*.pid")}
    for path in files.values():
        with contextlib.suppress(OSError, ValueError):
            pid = int(path.read_text())
            # On another node's rank: the same number is somebody else here.
            if os.fsencode(folder) in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGUSR1)
    time.sleep(1.0)
    positions = []
    for rank, path in sorted(files.items()):
        frame = re.search(
            r'File "([^"]+)", line (\d+) in (\S+)', path.with_suffix(".stack").read_text()
        )
        if frame and "/joulia/parallel/" not in frame[1]:
            positions.append(f"rank {rank} is in {frame[3]} ({Path(frame[1]).name}:{frame[2]})")
    return f"; {', '.join(positions)}" if positions else ""


def culprit(folder: Path) -> str | None:
    """The rank that ended a parallel case, as MPICH's and Open MPI's launchers tell it."""
    text = (folder / "stderr").read_text(errors="replace")
    pid = re.search(r"\bPID (\d+)", text)
    if not pid:
        return None
    for path in folder.glob("rank-*.pid"):
        if path.read_text() == pid[1]:
            rank = path.stem.partition("-")[2]
            number = re.search(r"EXIT (?:STATUS|CODE): (\d+)|exited on\s+signal (\d+)", text)
            code = int(number[1] or number[2]) if number else 0
            # MPICH gives the bare number of a signal, which no exit code of joulia's workers is.
            return f"rank {rank}: {ending(-code if 1 < code < 65 else code)}"
    return None


def ending(code: int) -> str:
    """In words, how a process ended that left no result."""
    number = -code if code < 0 else code - 128 if 128 < code < 160 else 0
    if not number:
        return f"ended with exit code {code} and no result"
    name = signals.name(number)
    hint = " (out of memory?)" if name == "SIGKILL" else ""
    return f"killed by {name}{hint}"


def failure(reason: str, folder: Path) -> Measured:
    text = (folder / "stderr").read_text(errors="replace")
    if error := OCCA_ERROR.search(text):
        reason += f": OCCA: {' '.join(error[1].split())}"
    elif error := UNCAUGHT.search(text):
        reason += f": {error[1].strip()}"
    # Its stack is of C++ and Python's interpreter: what the compiler said stands before it.
    lines = [line for line in OCCA_STACK.sub("", text).splitlines() if line.strip()]
    return Measured("failed", (reason,), stderr=tuple(lines[-TAIL:]))

"""Git about a repository: as it is on disk, whatever variables say, and not for ever."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

PATIENCE_S = 10.0
"""Seconds that git gets for a question: on a file system that hangs it never answers."""
KEPT = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_EXEC_PATH")
"""Variables that say how git works; the others name a repository, as in a hook, not this one."""


def environment() -> dict[str, str]:
    """This process's, without variables that name another repository, as a hook has them."""
    return {k: v for k, v in os.environ.items() if k in KEPT or not k.startswith("GIT_")}


def git(repository: Path, *arguments: str, patience_s: float | None = PATIENCE_S) -> str:
    """What git says of a repository, without the last line's end.

    Raises FileNotFoundError where there is no git, subprocess.CalledProcessError where it refuses
    and subprocess.TimeoutExpired where it does not answer; nothing of it then goes on.
    """
    # To ask is not to write: other processes may hold the index.
    told = environment() | {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    command = ["git", "-C", str(repository), *arguments]
    with subprocess.Popen(
        command,
        env=told,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            said, complaint = process.communicate(timeout=patience_s)
        except BaseException:
            # At an interrupt Popen gives a process a moment to end by itself, and reaps it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, said, complaint)
    return said.strip()

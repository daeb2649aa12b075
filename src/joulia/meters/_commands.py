"""A site's own programs (`ipmitool`, `sstat`): where they are, and what they print."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from joulia.errors import Unavailable

LONGEST = 160
"""Characters of a program's own words that are passed on."""
SYSTEM = ("/usr/sbin", "/sbin")
"""Where administrators' programs are that users have not on PATH."""


def where(root: Path, program: str) -> str | None:
    """A program's path on PATH or among the administrators', all below `root`."""
    places = [*os.environ.get("PATH", os.defpath).split(os.pathsep), *SYSTEM]
    below = [str(root / place.lstrip("/")) for place in places if place.startswith("/")]
    return shutil.which(program, path=os.pathsep.join(below))


def output(command: Sequence[str], timeout_s: float) -> str:
    """What a command prints. Unavailable with what it says where it fails, or takes too long."""
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
            stdin=subprocess.DEVNULL,
            env=os.environ | {"LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{name} took more than {timeout_s:g} s") from None
    except OSError as error:
        raise Unavailable(f"cannot run {name}: {error.strerror}") from None
    if done.returncode:
        words = " ".join((done.stderr or done.stdout).split())[:LONGEST]
        raise Unavailable(f"{name}: {words or f'exit code {done.returncode}'}")
    return done.stdout

"""A Python of joulia's own: it imports nothing from the folder that it happens to run in."""

from __future__ import annotations

import sys
from pathlib import Path

HOLDS_JOULIA = Path(__file__).parents[2]
"""The folder from which this joulia is imported."""


def python(*arguments: str, executable: str | Path = sys.executable) -> list[str]:
    """The command line of a new Python process: `python("-m", "joulia.measure.worker", JOB)`.

    Without -P the current folder comes first on its path: a `numba.py` or `statistics.py` that lies
    there, or another checkout's `src/`, would run in place of what is installed.
    """
    return [str(executable), *([] if started_here() else ["-P"]), *arguments]


def started_here() -> bool:
    """Whether this very joulia is that of the current folder (`cd src; python -m joulia`).

    It may be installed nowhere: its processes find it as it was found.
    """
    return sys.path[:1] == [str(HOLDS_JOULIA)] and Path.cwd() == HOLDS_JOULIA

"""Runs a command that ends with its parent: `python guard.py PARENT COMMAND...`.

The usual way, a function that Popen calls between fork and exec, loses interrupts: while Python
forks it runs callbacks whose exceptions, KeyboardInterrupt among them, are printed and dropped.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def guarded(command: Sequence[str]) -> list[str]:
    """The command line that runs `command` and ends, however this process ends, with it.

    On systems other than Linux, the command itself.
    """
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def die_with_parent() -> None:
    """On Linux, end when the parent does, however it ended: no orphan keeps a core busy."""
    if sys.platform == "linux":
        import ctypes
        import signal

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    parent, *command = sys.argv[1:]
    die_with_parent()
    if os.getppid() != int(parent):
        raise SystemExit("the parent ended before its command began")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()

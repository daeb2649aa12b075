"""Signals that end a program: held back here, passed on to the program that they are meant for."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
HELD = (*ENDING, signal.SIGCHLD)
LOOK_S = 1.0
"""Seconds after which a command is looked at though nothing said that it ended."""


def name(number: int) -> str:
    """As people know it; real-time signals have no name."""
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Keep signals that end a program waiting, in this thread and those that it starts.

    A command's end as well: a thread that does not hold it back would take it, and tell nobody.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def drop() -> None:
    """Forget what waits."""
    while signal.sigtimedwait(ENDING, 0.0):
        pass


def wait_passing_on(command: Sequence[str]) -> int:
    """Run a command to its end, as Popen's return code; it gets what this process is sent.

    To be called where signals are held. A key of the terminal (Ctrl-C) reaches the command as well;
    that the terminal is gone (a closed window, a lost connection) the kernel tells the first
    process of the session alone.
    """

    def release() -> None:
        # A shell without job control starts what is in the background with interrupts ignored.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)

    child = subprocess.Popen(command, preexec_fn=release)
    while child.poll() is None:
        got = signal.sigtimedwait(HELD, LOOK_S)
        # What processes send has a code of zero or less (SI_USER, SI_TKILL); the kernel's is above.
        if got and got.si_signo in ENDING:
            told_alone = got.si_signo == signal.SIGHUP and os.getsid(0) == os.getpid()
            if got.si_code <= 0 or told_alone:
                child.send_signal(got.si_signo)
    return child.returncode

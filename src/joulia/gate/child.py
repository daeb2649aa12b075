"""Runs a command and tells what it used: `python child.py PARENT TIMEOUT STDOUT STDERR COMMAND...`.

A small process of its own, which imports nothing of joulia: to the peak memory of a command the
kernel adds what the process that started it holds at that moment, and joulia holds NumPy.

Prints `ready` and waits for a line. Then it runs the command in a session of its own, and prints
`ended STATUS SECONDS CPU_SECONDS PEAK_BYTES` (the status as of os.waitpid), `late` where the
command took longer than TIMEOUT seconds, or `error NUMBER` where it cannot be started. What the
command leaves running is ended with it, and so is all of it where the parent ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

ENDING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
PR_SET_PDEATHSIG = 1
MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


def with_parent(number: int) -> Callable[[], None]:
    """A function that has this process sent a signal when its parent ends; Linux only."""
    if sys.platform != "linux":
        return lambda: None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(PR_SET_PDEATHSIG, number)


def main() -> None:
    parent, timeout, stdout, stderr, *command = sys.argv[1:]
    with_parent(signal.SIGTERM)()
    if os.getppid() != int(parent):
        raise SystemExit("the parent ended before its command began")
    print("ready", flush=True)
    if sys.stdin.readline():
        print(run(command, stdout, stderr, float(timeout)), flush=True)


def run(command: Sequence[str], stdout: str, stderr: str, timeout_s: float) -> str:
    """Run a command to its end, and tell of it in a line."""
    tie = with_parent(signal.SIGKILL)
    reader, writer = os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # until its group is there to be ended
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        begin(command, stdout, stderr, writer, tie)
    os.close(writer)
    trouble = os.read(reader, 16)  # ends when the command has taken the place of the fork
    if trouble:
        os.waitpid(child, 0)
        return f"error {trouble.decode()}"
    late = False

    def end(number: int, frame: Any) -> None:
        nonlocal late
        late = number == signal.SIGALRM
        os.killpg(child, signal.SIGKILL)
        if not late:
            os._exit(1)

    for number in (*ENDING, signal.SIGALRM):
        signal.signal(number, end)
    signal.setitimer(signal.ITIMER_REAL, max(1e-6, timeout_s - (time.monotonic() - began)))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    # Not reaped yet: until then no other process can have its number, which is its group's.
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    seconds = time.monotonic() - began
    signal.pthread_sigmask(signal.SIG_BLOCK, {*ENDING, signal.SIGALRM})
    with contextlib.suppress(PermissionError):  # of what it started under another name
        os.killpg(child, signal.SIGKILL)
    _, status, used = os.wait4(child, 0)
    if late:
        return "late"
    cpu_s = used.ru_utime + used.ru_stime
    return f"ended {status} {seconds!r} {cpu_s!r} {used.ru_maxrss * MAXRSS_UNIT}"


def begin(
    command: Sequence[str], stdout: str, stderr: str, writer: int, tie: Callable[[], object]
) -> None:
    """In the fork: become the command; its trouble goes to `writer`, which closes when it runs."""
    try:
        os.setsid()
        tie()
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        for number, file in ((1, stdout), (2, stderr)):
            os.dup2(os.open(file, flags, 0o600), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for default in (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(default, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.execvp(command[0], list(command))
    except OSError as error:
        os.write(writer, str(error.errno).encode())
    finally:
        os._exit(127)


if __name__ == "__main__":
    main()

"""Runs a command and tells what it used: `python child.py PARENT TIMES TIMEOUT OUT ERR COMMAND...`.

A small process of its own, which imports nothing of joulia: to the peak memory of a command the
kernel adds what the process that started it holds at that moment, and joulia holds NumPy.

Prints `ready` and waits for a line. Then it runs the command so many times, one after another, each
in a session of its own, and prints a line for each: `ended STATUS SECONDS CPU_SECONDS PEAK_BYTES`
(the status as of os.waitpid), `late` where the command took longer than TIMEOUT seconds, or `error
NUMBER` where it cannot be started. After one that did not end well there is none. What the command
leaves running is ended with it, and so is all of it where the parent ends.
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

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
PR_SET_PDEATHSIG = 1
MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


def with_parent(number: int) -> Callable[[], None]:
    """A function that has this process sent a signal when its parent ends; Linux only."""
    if sys.platform != "linux":
        return lambda: None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(PR_SET_PDEATHSIG, number)


def main() -> None:
    parent, times, timeout, stdout, stderr, *command = sys.argv[1:]
    with_parent(signal.SIGTERM)()
    if os.getppid() != int(parent):
        raise SystemExit("the parent ended before its command began")
    print("ready", flush=True)
    starter = Starter(command, stdout, stderr, float(timeout))
    if sys.stdin.readline():
        for _ in range(int(times)):
            line = starter.run()
            print(line, flush=True)
            if not line.startswith("ended 0 "):
                break


class Starter:
    """Starts a command; signals that end this process end the command first."""

    def __init__(self, command: Sequence[str], stdout: str, stderr: str, timeout_s: float) -> None:
        self.command = list(command)
        self.files = stdout, stderr
        self.timeout_s = timeout_s
        self.tie = with_parent(signal.SIGKILL)
        self.child = 0
        """The command that is running, which leads a group of its own; 0 where none is."""
        self.late = False
        for number in HANDLED:
            signal.signal(number, self.end)

    def end(self, number: int, frame: Any) -> None:
        """At a signal: end the command, and this process where it is not the timer's."""
        if self.child:
            os.killpg(self.child, signal.SIGKILL)
        self.late = number == signal.SIGALRM
        if not self.late:
            os._exit(1)

    def run(self) -> str:
        """Run the command to its end, and tell of it in a line."""
        reader, writer = os.pipe()
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)  # until its group is there to be ended
        began = time.monotonic()
        child = os.fork()
        if child == 0:
            begin(self.command, self.files, writer, self.tie)
        os.close(writer)
        trouble = os.read(reader, 16)  # ends when the command has taken the place of the fork
        os.close(reader)
        if trouble:
            os.waitpid(child, 0)
            return f"error {trouble.decode()}"
        self.child, self.late = child, False
        left_s = self.timeout_s - (time.monotonic() - began)
        signal.setitimer(signal.ITIMER_REAL, max(1e-6, left_s))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
        # Not reaped yet: until then no other process can have its number, which is its group's.
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        seconds = time.monotonic() - began
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        with contextlib.suppress(PermissionError):  # of what it started under another name
            os.killpg(child, signal.SIGKILL)
        self.child = 0
        _, status, used = os.wait4(child, 0)
        late = self.late
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)  # the timer's finds no command now
        if late:
            return "late"
        cpu_s = used.ru_utime + used.ru_stime
        return f"ended {status} {seconds!r} {cpu_s!r} {used.ru_maxrss * MAXRSS_UNIT}"


def begin(
    command: Sequence[str], files: Sequence[str], writer: int, tie: Callable[[], object]
) -> None:
    """In the fork: become the command; its trouble goes to `writer`, which closes when it runs."""
    try:
        os.setsid()
        tie()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        for number, file in enumerate(files, 1):
            os.dup2(os.open(file, flags, 0o600), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for default in (*HANDLED, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(default, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.execvp(command[0], list(command))
    except OSError as error:
        os.write(writer, str(error.errno).encode())
    finally:
        os._exit(127)


if __name__ == "__main__":
    main()

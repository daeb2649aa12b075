"""Puts limits back when its parent ends: `python -m joulia.runner.limits_guard FILE`.

It says READY when no other joulia changes limits. The old values then come as a line on standard
input, whose end is the parent's; it says HOLDING once they are on the disk, and at the end why some
are not back. In place of each it may say why not.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from joulia.runner import limits
from joulia.system import signals
from joulia.system.locks import locked

READY, HOLDING = "ready", "holding"


def main() -> None:
    # Its end is its parent's: what ends a whole job or session must not end it before.
    for number in signals.ENDING:
        signal.signal(number, signal.SIG_IGN)
    path = Path(sys.argv[1])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(limits.lock_file(path), wait=False):
            if path.exists():
                print(f"{path} holds limits of an earlier run that are not back", flush=True)
                return
            print(READY, flush=True)
            if told := sys.stdin.readline():
                hold(limits.Left.parse(told), path)
    except BlockingIOError:
        print("another joulia on this machine is changing limits; wait for its end", flush=True)
    except OSError as error:
        print(f"cannot write {path}: {error.strerror}; JOULIA_CACHE_DIR names another folder")


def hold(left: limits.Left, path: Path) -> None:
    left.write(path)
    print(HOLDING, flush=True)
    sys.stdin.read()
    for reason in limits.put_back(left, path).values():
        print(reason)


if __name__ == "__main__":
    main()

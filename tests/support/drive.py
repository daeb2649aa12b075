"""Plays an AC922 in real time: `drive.py ROOT SWING` updates its counters every 10 ms until EOF."""

import select
import sys
from pathlib import Path

import trees

from joulia.system.clock import raw_clock


def main() -> None:
    machine = trees.Ac922(Path(sys.argv[1]), swing=float(sys.argv[2]))
    machine.update(raw_clock())
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0.01)[0]:
        machine.update(raw_clock())


if __name__ == "__main__":
    main()

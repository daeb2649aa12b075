"""Record the noise of this machine for `gate_study.py`: the same cases again and again.

`gate_noise.py ROUNDS RECORDS.jsonl` measures as `joulia gate` does by default;
`gate_noise.py distil RECORDS.jsonl > gate_noise.json` keeps each process's best sample and median.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CASES = ("-b", "numba", "-b", "occa:serial", "-b", "numpy", "--size", "small", "--threads", "1")
METHOD = ("--window", "0.002", "--repeats", "200", "--no-ceiling", "--no-resume")


def record(rounds: int, output: str) -> None:
    for _ in range(rounds):
        command = [sys.executable, "-m", "joulia", "run", "heat", *CASES, *METHOD, "-o", output]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def distil(path: str) -> dict[str, object]:
    """By backend, in the order in which they ran: [best, median] of each process in seconds."""
    processes: dict[str, list[list[float]]] = {}
    records = [json.loads(line) for line in Path(path).read_text().splitlines()]
    for one in records:
        samples = sorted(one["time"]["samples"])
        figures = [float(f"{samples[0]:.5g}"), float(f"{one['time']['median']:.5g}")]
        processes.setdefault(one["case"]["bridge"], []).append(figures)
    facts = {k: records[0]["machine"][k] for k in ("cpu", "cores", "arch")}
    between = [records[0]["started_at"], records[-1]["started_at"]]
    return {"machine": facts, "between": between, "processes": processes}


if __name__ == "__main__":
    if sys.argv[1] == "distil":
        print(json.dumps(distil(sys.argv[2])))
    else:
        record(int(sys.argv[1]), sys.argv[2])

"""Does `joulia gate` cry wolf, and does it find a slowdown? On recorded and on simulated noise.

`python docs/studies/gate_study.py` prints the table of docs/gate.md. Every run of the study is one
case of a gate of five cases at the default budget: pairs of processes are drawn, head's times are
multiplied by the injected slowdown, and the gate's own functions decide, look by look. Beside it,
what the usual rule says on the same data: alarm where head's median is more than 1.1 times base's,
one process each.

Recorded noise (gate_noise.py) is drawn as neighbours in time, which share what the machine was
doing, in either order. Simulated noise is made of samples as processes give them.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from joulia.gate.compare import THRESHOLDS
from joulia.gate.decision import decide, looks

PAIRS = 40
CASES = 5
SAMPLES = 40
Pairs = NDArray[np.float64]
"""[pair, base or head, best or median] in seconds."""
Source = Callable[[np.random.Generator], Pairs]


def recorded(processes: list[list[float]]) -> Source:
    every = np.array(processes)
    neighbours = np.stack([every[:-1], every[1:]], axis=1)

    def draw(rng: np.random.Generator) -> Pairs:
        pairs = neighbours[rng.integers(0, len(neighbours), PAIRS)]
        swapped = rng.random(PAIRS) < 0.5
        found: Pairs = np.where(swapped[:, None, None], pairs[:, ::-1], pairs)
        return found

    return draw


def simulated(level: Callable[[np.random.Generator], NDArray[np.float64]], spread: float) -> Source:
    """Processes at a level each; their samples lie above it, exponentially distributed."""

    def draw(rng: np.random.Generator) -> Pairs:
        above = rng.exponential(spread, (PAIRS, 2, SAMPLES))
        samples = level(rng)[..., None] * (1.0 + above)
        return np.stack([samples.min(-1), np.median(samples, -1)], axis=-1)

    return draw


def quiet(rng: np.random.Generator) -> NDArray[np.float64]:
    """0.5 % from process to process."""
    return np.exp(rng.normal(0.0, 0.005, (PAIRS, 2)))


def busy(rng: np.random.Generator) -> NDArray[np.float64]:
    """2 %, and every fourth process disturbed throughout, by 20 % on average."""
    hit = (rng.random((PAIRS, 2)) < 0.25) * rng.exponential(0.2, (PAIRS, 2))
    return np.exp(rng.normal(0.0, 0.02, (PAIRS, 2))) * (1.0 + hit)


def modes(rng: np.random.Generator) -> NDArray[np.float64]:
    """1 %, and every third process in a mode that is 25 % slower (memory placed unluckily)."""
    return np.exp(rng.normal(0.0, 0.01, (PAIRS, 2))) * np.where(
        rng.random((PAIRS, 2)) < 1.0 / 3.0, 1.25, 1.0
    )


def drift(rng: np.random.Generator) -> NDArray[np.float64]:
    """1 %, on a machine that wanders by 2 % from each process to the next (a random walk)."""
    walk = np.cumsum(rng.normal(0.0, 0.02, 2 * PAIRS)).reshape(PAIRS, 2)
    walk[1::2] = walk[1::2, ::-1]  # ABBA: head first in every second pair
    return np.exp(walk + rng.normal(0.0, 0.01, (PAIRS, 2)))


def gate(pairs: Pairs) -> tuple[str, int]:
    """The verdict, and after how many pairs."""
    base, head = pairs[:, 0, 0], pairs[:, 1, 0]
    planned = looks(PAIRS)
    for n in planned:
        found = decide(base[:n], head[:n], THRESHOLDS["time"], CASES * len(planned))
        if found.verdict != "inconclusive":
            break
    return found.verdict, n


def row(name: str, draw: Source, slowdown: float, runs: int) -> str:
    rng = np.random.default_rng(20)
    verdicts: Counter[str] = Counter()
    used, alarms = 0, 0
    for _ in range(runs):
        pairs = draw(rng)
        pairs[:, 1] *= 1.0 + slowdown
        verdict, n = gate(pairs)
        verdicts[verdict] += 1
        used += n
        alarms += bool(pairs[0, 1, 1] > 1.1 * pairs[0, 0, 1])
    shares = [verdicts[v] / runs for v in ("regression", "improvement", "same", "inconclusive")]
    told = " | ".join(f"{share:.1%}" for share in shares)
    plain = f"{alarms / runs:.1%}"
    return f"| {name} | {slowdown:.0%} | {runs} | {told} | {used / runs:.0f} | {plain} |"


def sources() -> dict[str, Source]:
    noise = json.loads((Path(__file__).parent / "gate_noise.json").read_text())
    found = {f"recorded: heat, {name}": recorded(p) for name, p in noise["processes"].items()}
    found["simulated: quiet"] = simulated(quiet, 0.01)
    found["simulated: busy"] = simulated(busy, 0.1)
    found["simulated: two modes"] = simulated(modes, 0.02)
    found["simulated: drift"] = simulated(drift, 0.02)
    return found


def main(runs: int) -> None:
    print(
        "| noise | slowdown | runs | regression | improvement | same | inconclusive | pairs |",
        end="",
    )
    print(" factor 1.1 alarms |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, draw in sources().items():
        for slowdown, share in ((0.0, 1.0), (0.05, 0.5), (0.10, 0.25)):
            print(row(name, draw, slowdown, math.ceil(runs * share)), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)

"""The networks that are shipped: which there are, and their weights as sparse rows.

`weights.npz` is made by `train.py`. Dense networks are sparse ones with every weight: one loop
serves both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from joulia.arrays import Host
from joulia.errors import JouliaError
from joulia.kernels.emulator.perceptron import Layer, Network

FILE = Path(__file__).with_name("weights.npz")


@dataclass(frozen=True, order=True)
class Choice:
    """Which network: `density` of its weights, `rank` of its middle matrix (0: full), one output
    every `stride` levels; pruned to a lottery ticket, or at random as a control."""

    layers: int = 2
    features: int = 64
    density: float = 1.0
    rank: int = 0
    stride: int = 1
    mask: str = "ticket"

    def __str__(self) -> str:
        parts = [f"{self.layers} x {self.features}"]
        if self.density < 1.0:
            parts.append(f"{self.mask} {self.density:g}")
        if self.rank:
            parts.append(f"rank {self.rank}")
        if self.stride > 1:
            parts.append(f"stride {self.stride}")
        return ", ".join(parts)


SHIPPED = (
    *(Choice(1, features) for features in (64, 128)),
    *(Choice(2, features) for features in (32, 48, 64, 128)),
    *(Choice(2, features, density) for features in (64, 128) for density in (0.5, 0.2, 0.1)),
    Choice(2, 128, 0.2, mask="random"),
    Choice(2, 64, rank=16),
    Choice(2, 128, rank=32),
    Choice(2, 64, stride=2),
    Choice(2, 64, stride=4),
)


def require(choice: Choice) -> None:
    """Raise JouliaError where no such network was trained."""
    if choice not in SHIPPED:
        raise JouliaError(
            f"emulator has no weights for {choice}. Allowed: {'; '.join(map(str, SHIPPED))}"
        )


def store(network: Network, name: str, error: float) -> dict[str, Host]:
    """A network as arrays of a file, with its error over the test set."""
    arrays = {f"{name}/relu": np.array([layer.relu for layer in network])}
    arrays[f"{name}/error"] = np.array(error)
    for i, layer in enumerate(network):
        arrays |= {f"{name}/{i}/w": layer.w, f"{name}/{i}/b": layer.b}
    return arrays


@cache
def load(choice: Choice) -> Network:
    with np.load(FILE) as file:
        relu = file[f"{choice}/relu"]
        return [
            Layer(file[f"{choice}/{i}/w"], file[f"{choice}/{i}/b"], bool(flag))
            for i, flag in enumerate(relu)
        ]


@cache
def test_error(choice: Choice) -> float:
    """Its error over 10,000 columns of the test set, relative, as `train.py` measured it."""
    with np.load(FILE) as file:
        return float(file[f"{choice}/error"])


@cache
def scales() -> tuple[float, float, float]:
    """Of the differences, of the flux, and of what is learned: increments without their mean."""
    with np.load(FILE) as file:
        differences, flux, increments = file["scales"]
    return float(differences), float(flux), float(increments)

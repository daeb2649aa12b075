"""Lottery tickets beside their controls: is it the mask, its initial weights, or neither?

Every network gets the same number of epochs over the same columns. The controls: the ticket's mask
with other initial weights; the dense network pruned at once and trained on; a random mask; a dense
network of as many weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from joulia.kernel import Host
from joulia.kernels.emulator import pruning
from joulia.kernels.emulator.perceptron import (
    Network,
    copied,
    error,
    new_network,
    train,
)

FEATURES = (64, 128)
DENSITIES = (0.5, 0.2, 0.1)
LEVELS = 32

Trained = Callable[[Network], float]
"""Trains a network, and tells its error on the test set."""


def same_number(features: int, density: float) -> int:
    """The features of a dense network with as many weights as this share of a wider one."""
    weights = density * (2 * LEVELS * features + features**2)
    return round(math.sqrt(LEVELS**2 + weights) - LEVELS)


def masks_of(network: Network) -> list[Host]:
    return [layer.mask for layer in network if layer.mask is not None]


def rows(
    features: int, x: Host, y: Host, test: tuple[Host, Host], change: float, epochs: int, seed: int
) -> dict[str, list[float]]:
    """Errors at each density, by kind; the dense network's at the end of its name."""

    def relative(network: Network) -> float:
        return error(network, *test) / change

    def trained(network: Network) -> float:
        train(network, x, y, epochs, seed)
        return relative(network)

    sizes = (LEVELS, features, features, LEVELS)
    dense = new_network(sizes, seed)
    rewound = train(dense, x, y, epochs, seed, keep_epoch=pruning.REWIND_EPOCH)
    assert rewound is not None
    found = dict(pruning.tickets(dense, rewound, x, y, epochs, seed))
    kept = {density: found[density] for density in DENSITIES}
    others = new_network(sizes, seed + 1)
    return {
        f"not pruned: {relative(dense):.4f}": [],
        "ticket": [relative(network) for network in kept.values()],
        "its mask, other initial weights": [
            trained(pruning.masked(others, masks_of(network))) for network in kept.values()
        ],
        "pruned at once, trained on": [
            trained(pruning.masked(copied(dense), pruning.masks_of(dense, density)))
            for density in kept
        ],
        "random mask": [
            trained(pruning.masked(others, pruning.random_masks(others, density, seed)))
            for density in kept
        ],
        "dense, as many weights": [
            trained(new_network((LEVELS, size, size, LEVELS), seed))
            for size in (same_number(features, density) for density in kept)
        ],
    }


def table(by_features: dict[int, dict[str, list[float]]]) -> str:
    """Markdown."""
    lines = [
        "| " + " | ".join(["", *(f"{density:g}" for density in DENSITIES)]) + " |",
        "|---" * (len(DENSITIES) + 1) + "|",
    ]
    for features, kinds in by_features.items():
        for kind, errors in kinds.items():
            name = f"2 x {features}, {kind}"
            cells = [f"{value:.4f}" for value in errors] or [""] * len(DENSITIES)
            lines.append("| " + " | ".join([name, *cells]) + " |")
    return "\n".join(lines)

"""Error against parameters: lottery tickets beside dense networks, low rank, and their controls.

Is it the mask, its initial weights, or neither? Every network gets the same number of epochs over
the same columns. The controls: the ticket's mask with the dense network's initial weights, without
rewinding, and with others; the dense network pruned at once and trained on; a random mask; a dense
network of as many weights; and every matrix of low rank, of as many weights.
"""

from __future__ import annotations

import math

from joulia.arrays import Host
from joulia.kernels.emulator import low_rank, pruning
from joulia.kernels.emulator.perceptron import (
    Network,
    copied,
    error,
    new_network,
    train,
    weights_of,
)

FEATURES = (64, 128)
DENSITIES = (0.5, 0.2, 0.1)
LEVELS = 32

Member = tuple[int, float]
"""A network's weights, and its error on the test set."""


def same_number(features: int, density: float) -> int:
    """The features of a dense network with as many weights as this share of a wider one."""
    return round(math.sqrt(LEVELS**2 + share(features, density)) - LEVELS)


def same_rank(features: int, density: float) -> int:
    """The rank of all three matrices with as many weights as this share of full ones."""
    return round(share(features, density) / (2 * LEVELS + 4 * features))


def share(features: int, density: float) -> float:
    """The weights of a dense network of two layers, of which `density` is left."""
    return density * (2 * LEVELS * features + features**2)


def masks_of(network: Network) -> list[Host]:
    return [layer.mask for layer in network if layer.mask is not None]


def families(
    features: int, x: Host, y: Host, test: tuple[Host, Host], change: float, epochs: int, seed: int
) -> dict[str, list[Member]]:
    """Members at each density, by family; of the first, the dense network, there is one."""

    def member(network: Network) -> Member:
        return weights_of(network), error(network, *test) / change

    def trained(network: Network) -> Member:
        train(network, x, y, epochs, seed)
        return member(network)

    sizes = (LEVELS, features, features, LEVELS)
    first, others = new_network(sizes, seed), new_network(sizes, seed + 1)
    dense = copied(first)
    rewound = train(dense, x, y, epochs, seed, keep_epoch=pruning.REWIND_EPOCH)
    assert rewound is not None
    found = dict(pruning.tickets(dense, rewound, x, y, epochs, seed))
    kept = {density: found[density] for density in DENSITIES}

    def under(weights: Network, masks: list[Host]) -> Member:
        return trained(pruning.masked(weights, masks))

    return {
        "not pruned": [member(dense)],
        "ticket, rewound to epoch 1": [member(network) for network in kept.values()],
        "its mask, from the first weights": [under(first, masks_of(t)) for t in kept.values()],
        "its mask, from other weights": [under(others, masks_of(t)) for t in kept.values()],
        "pruned at once, trained on": [under(dense, pruning.masks_of(dense, d)) for d in kept],
        "random mask": [under(others, pruning.random_masks(others, d, seed)) for d in kept],
        "dense, as many weights": [
            trained(new_network((LEVELS, size, size, LEVELS), seed))
            for size in (same_number(features, density) for density in kept)
        ],
        "low rank, as many weights": [
            trained(low_rank.everywhere(dense, same_rank(features, density))) for density in kept
        ],
    }


def table(by_features: dict[int, dict[str, list[Member]]]) -> str:
    """Markdown: errors, with the weights where they are not the ticket's."""
    heads = ["of the weights", *(f"{density:g}" for density in DENSITIES)]
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|---:" * len(DENSITIES) + "|"]
    for features, kinds in by_features.items():
        (whole, least), *_ = kinds["not pruned"]
        tickets = [weights for weights, _ in kinds["ticket, rewound to epoch 1"]]
        name = f"**2 x {features}**, {whole} weights: {least:.4f}"
        lines.append("| " + " | ".join([name, *map(str, tickets)]) + " |")
        for kind, members in list(kinds.items())[1:]:
            cells = [
                f"{value:.4f}" + ("" if weights == there else f" ({weights})")
                for (weights, value), there in zip(members, tickets, strict=True)
            ]
            lines.append("| " + " | ".join([kind, *cells]) + " |")
    return "\n".join(lines)

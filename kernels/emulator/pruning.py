"""Sparse networks: lottery tickets (Frankle and Carbin, 2019), with their controls.

Magnitude pruning in rounds, each from the weights of an early epoch (rewinding: Frankle et al.,
2020); the same share of every matrix, since a threshold for all starves the last one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from joulia.arrays import Host
from joulia.kernels.emulator.columns import Draws
from joulia.kernels.emulator.perceptron import Layer, Network, train

ROUNDS = (0.8, 0.64, 0.5, 0.4, 0.32, 0.25, 0.2, 0.16, 0.125, 0.1)
"""The share of weights left after each round, near 0.8 of the round before."""
REWIND_EPOCH = 1


def largest(values: Host, density: float) -> Host:
    """A mask of the share `density` of largest values, as float32."""
    count = max(1, round(density * values.size))
    threshold = np.sort(values, axis=None)[-count]
    mask: Host = (values >= threshold).astype("f4")
    return mask


def masks_of(network: Network, density: float) -> list[Host]:
    return [largest(np.abs(layer.w), density) for layer in network]


def random_masks(network: Network, density: float, seed: int) -> list[Host]:
    sizes = [layer.w.size for layer in network]
    draws = [
        Draws(np.arange(size, dtype=np.uint64) + np.uint64((seed << 40) + (i << 32))).uniform()
        for i, size in enumerate(sizes)
    ]
    return [
        largest(draw.reshape(layer.w.shape), density)
        for draw, layer in zip(draws, network, strict=True)
    ]


def masked(network: Network, masks: list[Host]) -> Network:
    """A copy with these weights only."""
    return [
        Layer(layer.w * mask, layer.b.copy(), layer.relu, mask)
        for layer, mask in zip(network, masks, strict=True)
    ]


def tickets(
    dense: Network, rewound: Network, x: Host, y: Host, epochs: int, seed: int
) -> Iterator[tuple[float, Network]]:
    """Ever sparser networks, each trained from `rewound` under the mask of the one before."""
    network = dense
    for density in ROUNDS:
        network = masked(rewound, masks_of(network, density))
        train(network, x, y, epochs, seed)
        yield density, network

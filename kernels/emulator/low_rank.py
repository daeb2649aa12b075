"""Matrices of low rank: each in the place of a full one, from its singular values.

The best approximation of that rank (Eckart and Young, 1936); what it costs in accuracy is trained
away afterwards as far as it goes.
"""

from __future__ import annotations

import numpy as np

from joulia.kernels.emulator.perceptron import Layer, Network


def thin(layer: Layer, rank: int) -> Network:
    """W (out, in) as (out, rank) times (rank, in): two layers, the bias with the second."""
    u, sizes, v = np.linalg.svd(layer.w.astype("f8"), full_matrices=False)
    root = np.sqrt(sizes[:rank])
    down = Layer((root[:, None] * v[:rank]).astype("f4"), np.zeros((rank, 1), "f4"), relu=False)
    up = Layer((u[:, :rank] * root).astype("f4"), layer.b.copy(), layer.relu)
    return [down, up]


def middle(network: Network, rank: int) -> Network:
    """A copy of a network with two hidden layers, the matrix between them of low rank."""
    first, between, last = network
    return [first.copy(), *thin(between, rank), last.copy()]


def everywhere(network: Network, rank: int) -> Network:
    """A copy with every matrix of low rank."""
    return [part for layer in network for part in thin(layer, rank)]

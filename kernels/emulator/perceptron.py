"""A multilayer perceptron in NumPy, its gradient, and its training by Adam (Kingma and Ba, 2015).

Activations are (features, columns), as the fields of a grid lie in memory. A network is a list of
layers x -> W x + b, with max(., 0) between them where a layer says so; what it predicts is without
a mean over the levels (`mean_free`): a column's heat is known exactly, so none is left to learn.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from joulia.arrays import Host
from joulia.kernels.emulator.columns import Draws

BATCH = 128
WARM_UP = 100
"""Steps over which the learning rate rises from 0."""
BETA1, BETA2, TINY = 0.9, 0.999, 1e-8
WIDE = 96
"""From this width on the learning rate is halved: see README."""


@dataclass
class Layer:
    """W (out, in) and b (out, 1) in float32; `mask` is 0 where a weight is pruned.

    A `fixed` layer is not trained.
    """

    w: Host
    b: Host
    relu: bool
    mask: Host | None = None
    fixed: bool = False

    def copy(self) -> Layer:
        return replace(self, w=self.w.copy(), b=self.b.copy())


Network = list[Layer]


def copied(network: Network) -> Network:
    return [layer.copy() for layer in network]


def new_network(widths: Sequence[int], seed: int) -> Network:
    """He's initial weights (He et al., 2015); `widths` from the inputs to the outputs."""
    network = []
    for i, (inputs, outputs) in enumerate(pairwise(widths)):
        words = np.arange(inputs * outputs, dtype=np.uint64) + np.uint64((seed << 40) + (i << 32))
        w = Draws(words).normal().reshape(outputs, inputs) * math.sqrt(2.0 / inputs)
        network.append(
            Layer(w.astype("f4"), np.zeros((outputs, 1), "f4"), relu=i < len(widths) - 2)
        )
    return network


def mean_free(y: Host) -> Host:
    """Without the mean over the levels (the first axis)."""
    free: Host = y - y.mean(0, keepdims=True)
    return free


def forward(network: Network, x: Host) -> list[Host]:
    """The inputs of every layer, and at the end the outputs of the last."""
    through = [x]
    for layer in network:
        y = layer.w @ through[-1] + layer.b
        through.append(np.maximum(y, 0.0) if layer.relu else y)
    return through


def predict(network: Network, x: Host) -> Host:
    return mean_free(forward(network, x)[-1])


def gradient(network: Network, x: Host, target: Host) -> list[tuple[Host, Host]]:
    """Of half the mean square error of `predict`, for the W and b of every layer."""
    through = forward(network, x)
    back = mean_free(mean_free(through[-1]) - target) / np.float32(x.shape[1])
    slopes = []
    for layer, inputs, outputs in zip(
        reversed(network), reversed(through[:-1]), reversed(through[1:]), strict=True
    ):
        if layer.relu:
            back = back * (outputs > 0.0)
        slope = back @ inputs.T
        slopes.append((slope if layer.mask is None else slope * layer.mask, back.sum(1)[:, None]))
        back = layer.w.T @ back
    return slopes[::-1]


class Adam:
    """Moments of every parameter; masked gradients keep pruned weights where they are, at 0."""

    def __init__(self, network: Network) -> None:
        self.trained = [not layer.fixed for layer in network]
        self.parameters = [
            array for layer in network if not layer.fixed for array in (layer.w, layer.b)
        ]
        self.first = [np.zeros_like(array) for array in self.parameters]
        self.second = [np.zeros_like(array) for array in self.parameters]
        self.steps = 0

    def step(self, slopes: list[tuple[Host, Host]], rate: float) -> None:
        self.steps += 1
        size = rate * math.sqrt(1.0 - BETA2**self.steps) / (1.0 - BETA1**self.steps)
        kept = (pair for pair, trained in zip(slopes, self.trained, strict=True) if trained)
        flat = [slope for pair in kept for slope in pair]
        for array, m, v, slope in zip(self.parameters, self.first, self.second, flat, strict=True):
            m += (1.0 - BETA1) * (slope - m)
            v += (1.0 - BETA2) * (slope * slope - v)
            array -= size * m / (np.sqrt(v) + TINY)


def shuffles(columns: int, epochs: int, seed: int) -> Iterator[Host]:
    """An order of all columns for every epoch."""
    numbers = np.arange(columns, dtype=np.uint64) + np.uint64(seed << 40)
    draw = Draws(numbers)
    for _ in range(epochs):
        yield np.argsort(draw.uniform(), kind="stable")


def learning_rate(network: Network) -> float:
    return 4e-3 if max(layer.w.shape[0] for layer in network) >= WIDE else 8e-3


def train(
    network: Network, x: Host, y: Host, epochs: int, seed: int, keep_epoch: int | None = None
) -> Network | None:
    """Trains in place over (inputs, columns) and (levels, columns), both float32.

    Returns a copy of the network after `keep_epoch` epochs, to which tickets are rewound.
    """
    adam, batches = Adam(network), x.shape[1] // BATCH
    total, rate = epochs * batches, learning_rate(network)
    kept = None
    for epoch, order in enumerate(shuffles(x.shape[1], epochs, seed)):
        xs, ys = x[:, order], y[:, order]
        for i in range(batches):
            part = slice(i * BATCH, (i + 1) * BATCH)
            cosine = 0.5 * (1.0 + math.cos(math.pi * adam.steps / total))
            warm = min(1.0, (adam.steps + 1) / WARM_UP)
            adam.step(gradient(network, xs[:, part], ys[:, part]), rate * cosine * warm)
        if keep_epoch == epoch + 1:
            kept = copied(network)
    return kept


def error(network: Network, x: Host, y: Host) -> float:
    """Root mean square over all levels and columns, in units of the targets."""
    return math.sqrt(float(np.mean((predict(network, x) - y) ** 2, dtype="f8")))


def weights_of(network: Network) -> int:
    """Those that are not 0 and that training sets; biases are not counted."""
    return sum(int(np.count_nonzero(layer.w)) for layer in network if not layer.fixed)

"""Trains the networks that are shipped, and their controls: `make emulator`, minutes on two cores.

Training repeats bit for bit on one machine; another BLAS rounds otherwise, and ends with other
weights of the same error.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from joulia.arrays import Host
from joulia.kernels.emulator import low_rank, networks, pruning, study
from joulia.kernels.emulator.columns import LEVELS, TEST, TRAINING, increments
from joulia.kernels.emulator.networks import Choice
from joulia.kernels.emulator.perceptron import (
    WIDE,
    Layer,
    Network,
    copied,
    error,
    new_network,
    train,
    weights_of,
)

EPOCHS = 60
BLOCK = 512


@dataclass(frozen=True)
class Data:
    """Inputs and targets of the network, scaled; `change` is the rms of the true increments in
    units of the targets: errors are told in it."""

    x: Host
    y: Host
    change: float

    def first(self, columns: int) -> Data:
        return replace(self, x=self.x[:, :columns], y=self.y[:, :columns])


def columns_of(first: int, count: int, pool: Any) -> tuple[Host, Host, Host]:
    """Differences, flux and true increments of columns, by all cores."""
    starts = range(first, first + count, BLOCK)
    parts = pool.map(increments, starts, [min(BLOCK, first + count - i) for i in starts])
    differences, flux, change = (np.concatenate(part, axis=-1) for part in zip(*parts, strict=True))
    return differences, flux, change


def rms(values: Host) -> float:
    return float(np.sqrt(np.mean(values**2, dtype="f8")))


def data(training: int, test: int) -> tuple[Data, Data, Host]:
    """Training and test set, and the scales: of the differences, the flux and the targets."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        sets = [columns_of(TRAINING, training, pool), columns_of(TEST, test, pool)]
    free = [change - change.mean(0) for _, _, change in sets]
    scales = np.array([rms(sets[0][0]), rms(sets[0][1]), rms(free[0])])
    made = [
        Data(
            np.vstack([differences / scales[0], flux / scales[1]]).astype("f4"),
            (target / scales[2]).astype("f4"),
            rms(change) / float(scales[2]),
        )
        for (differences, flux, change), target in zip(sets, free, strict=True)
    ]
    return made[0], made[1], scales


def widths(layers: int, features: int) -> tuple[int, ...]:
    return (LEVELS, *[features] * layers, LEVELS)


@dataclass(frozen=True)
class Recipe:
    """How much training: columns and epochs, more of both for wide networks; and the seed."""

    training: Data
    epochs: int
    seed: int

    def columns(self, features: int) -> Data:
        share = 1.0 if features >= WIDE else 0.4
        return self.training.first(round(self.training.x.shape[1] * share))

    def trained(self, network: Network, features: int) -> Network:
        part = self.columns(features)
        train(network, part.x, part.y, self.epochs, self.seed)
        return network

    def dense(self, layers: int, features: int) -> Network:
        return self.trained(new_network(widths(layers, features), self.seed), features)


def strided(features: int, stride: int, seed: int) -> Network:
    """A network with an output every `stride` levels, and a layer that interpolates the others."""
    network = new_network((LEVELS, features, features, LEVELS // stride), seed)
    places = np.arange(stride - 1, LEVELS, stride)
    between = [np.interp(np.arange(LEVELS), places, row) for row in np.eye(places.size)]
    w = np.array(between).T.astype("f4")
    return [*network, Layer(w, np.zeros((LEVELS, 1), "f4"), relu=False, fixed=True)]


def train_tickets(recipe: Recipe, features: int) -> Iterator[tuple[Choice, Network]]:
    """The dense network, and its tickets at the shipped densities, each trained out at the end."""
    part, small = recipe.columns(features), recipe.columns(0)
    initial = new_network(widths(2, features), recipe.seed)
    searched = copied(initial)
    rewound = train(
        searched, small.x, small.y, recipe.epochs, recipe.seed, keep_epoch=pruning.REWIND_EPOCH
    )
    assert rewound is not None
    yield Choice(2, features), recipe.trained(initial, features)
    shipped = {choice.density for choice in networks.SHIPPED if choice.density < 1.0}
    found = pruning.tickets(searched, rewound, small.x, small.y, recipe.epochs, recipe.seed)
    for density, network in found:
        if density in shipped:
            ticket = copied(network)
            if part.x.shape != small.x.shape:
                recipe.trained(ticket, features)
            yield Choice(2, features, density), ticket


def train_other(recipe: Recipe, choice: Choice) -> Network:
    """A network of SHIPPED that is no ticket, nor dense beside one."""
    if choice.rank:
        dense = recipe.dense(choice.layers, choice.features)
        return recipe.trained(low_rank.middle(dense, choice.rank), choice.features)
    if choice.stride > 1:
        return recipe.trained(strided(choice.features, choice.stride, recipe.seed), choice.features)
    if choice.density < 1.0:
        network = new_network(widths(choice.layers, choice.features), recipe.seed)
        masks = pruning.random_masks(network, choice.density, recipe.seed)
        return recipe.trained(pruning.masked(network, masks), choice.features)
    return recipe.dense(choice.layers, choice.features)


def train_all(recipe: Recipe, tell: Callable[[Choice, Network], float]) -> dict[str, Host]:
    """Every network of SHIPPED, as arrays of the file; `tell` measures its error."""
    arrays: dict[str, Host] = {}

    def keep(choice: Choice, network: Network) -> None:
        arrays.update(networks.store(network, str(choice), tell(choice, network)))

    for features in sorted({c.features for c in networks.SHIPPED if c.density < 1.0}):
        for choice, network in train_tickets(recipe, features):
            keep(choice, network)
    for choice in networks.SHIPPED:
        if f"{choice}/relu" not in arrays:
            keep(choice, train_other(recipe, choice))
    return arrays


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--columns", type=int, default=100_000, help="of the training set")
    options.add_argument("--epochs", type=int, default=60)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--study", action="store_true", help="the tickets and their controls only")
    options.add_argument("--output", type=Path, default=networks.FILE)
    given = options.parse_args()
    training, test, scales = data(given.columns, 10_000)
    recipe = Recipe(training, given.epochs, given.seed)
    if given.study:
        part = recipe.columns(0)
        found = {
            features: study.families(
                features, part.x, part.y, (test.x, test.y), test.change, given.epochs, given.seed
            )
            for features in study.FEATURES
        }
        print(study.table(found))
        return

    def tell(choice: Choice, network: Network) -> float:
        relative = error(network, test.x, test.y) / test.change
        print(f"{choice}: {weights_of(network)} weights, error {relative:.4f}", flush=True)
        return relative

    arrays = train_all(recipe, tell)
    np.savez_compressed(given.output, **{"scales": scales, **arrays})  # type: ignore[arg-type]


if __name__ == "__main__":
    main()

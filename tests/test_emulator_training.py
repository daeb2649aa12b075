"""The networks of `emulator` are trained: gradients, pruning, low rank, the same bits again."""

from __future__ import annotations

import sys
from itertools import pairwise

import numpy as np
import pytest

from joulia.kernels.emulator import columns, low_rank, networks, pruning, study, train
from joulia.kernels.emulator.perceptron import (
    Layer,
    error,
    gradient,
    mean_free,
    new_network,
    predict,
)
from joulia.kernels.emulator.perceptron import train as trained


def inputs(count):
    """Made-up inputs and mean-free targets that a network can learn."""
    draw = columns.Draws(np.arange(32 * count, dtype=np.uint64))
    x = draw.normal().reshape(32, count).astype("f4")
    w = columns.Draws(np.arange(1024, dtype=np.uint64)).normal().reshape(32, 32)
    return x, mean_free(np.tanh(w @ x / 6.0)).astype("f4")


def test_gradients_are_those_of_finite_differences():
    x, y = (values.astype("f8")[:, :7] for values in inputs(7))
    network = [
        Layer(layer.w.astype("f8"), layer.b + 0.1, layer.relu)
        for layer in new_network((32, 8, 32), 3)
    ]

    def loss():
        return 0.5 * np.sum((predict(network, x) - y) ** 2) / x.shape[1]

    slopes = gradient(network, x, y)
    for layer, (slope, _) in zip(network, slopes, strict=True):
        for place in ((0, 0), (3, 5)):
            kept = layer.w[place]
            layer.w[place] = kept + 1e-6
            high = loss()
            layer.w[place] = kept - 1e-6
            low = loss()
            layer.w[place] = kept
            assert slope[place] == pytest.approx((high - low) / 2e-6, rel=1e-6, abs=1e-9)


def test_training_learns_and_leaves_pruned_and_fixed_weights_alone():
    x, y = inputs(1024)
    network = new_network((32, 24, 32), 1)
    before = error(network, x, y)
    trained(network, x, y, epochs=30, seed=1)
    assert error(network, x, y) < 0.7 * before
    again = new_network((32, 24, 32), 1)
    trained(again, x, y, epochs=30, seed=1)
    assert all((a.w == b.w).all() for a, b in zip(network, again, strict=True))
    sparse = pruning.masked(network, pruning.masks_of(network, 0.2))
    trained(sparse, x, y, epochs=2, seed=1)
    for layer in sparse:
        assert (layer.w[layer.mask == 0.0] == 0.0).all()
        assert np.count_nonzero(layer.mask) == round(0.2 * layer.w.size)
    between = train.strided(24, 4, 1)
    fixed = between[-1].w.copy()
    trained(between, x, y, epochs=1, seed=1)
    assert (between[-1].w == fixed).all()


def test_training_everything_again_gives_the_same_bits(monkeypatch, tmp_path, capsys):
    """`make emulator` on few columns, in one epoch: every network of the file, twice."""
    x, y = inputs(256)
    made = train.Data(x, y, 1.0)
    monkeypatch.setattr(train, "data", lambda training, test: (made, made, np.ones(3)))
    files = []
    for number in range(2):
        path = tmp_path / f"{number}.npz"
        monkeypatch.setattr(sys, "argv", ["train", "--epochs", "1", "--output", str(path)])
        train.main()
        files.append(dict(np.load(path)))
    first, second = files
    assert all((first[name] == second[name]).all() for name in first | second)
    assert {f"{choice}/relu" for choice in networks.SHIPPED} <= first.keys()
    assert capsys.readouterr().out.count(" weights, error ") == 2 * len(networks.SHIPPED)
    assert networks.FILE.stat().st_size < 1_000_000


def test_tickets_are_nested_and_start_from_the_rewound_weights():
    x, y = inputs(256)
    dense = new_network((32, 16, 32), 1)
    rewound = trained(dense, x, y, epochs=2, seed=1, keep_epoch=1)
    masks = [
        [layer.mask for layer in network]
        for _, network in pruning.tickets(dense, rewound, x, y, 0, 1)
    ]
    assert len(masks) == len(pruning.ROUNDS)
    for wide, narrow in pairwise(masks):
        assert all((n <= w).all() for n, w in zip(narrow, wide, strict=True))


def test_the_study_has_every_control():
    x, y = inputs(256)
    kinds = study.families(16, x, y, (x, y), 1.0, 1, 1)
    assert len(kinds) == 8
    _, *others = kinds.values()
    tickets = [weights for weights, _ in kinds["ticket, rewound to epoch 1"]]
    assert tickets == pytest.approx([640, 256, 128], abs=1)
    for members in others:
        assert [weights for weights, _ in members] == pytest.approx(tickets, rel=0.35)
    told = study.table({16: kinds})
    assert "\n| random mask | " in told
    assert "**2 x 16**, 1280 weights" in told
    assert study.same_number(64, 0.2) == 20
    assert study.same_rank(128, 0.2) == 9


def test_low_rank_is_the_best_of_its_rank():
    network = new_network((32, 16, 16, 32), 1)
    _, down, up, _ = low_rank.middle(network, 16)
    assert up.w @ down.w == pytest.approx(network[1].w, abs=1e-6)
    _, down, up, _ = low_rank.middle(network, 4)
    assert np.linalg.matrix_rank(up.w @ down.w) == 4
    every = low_rank.everywhere(network, 4)
    assert [layer.w.shape[0] for layer in every] == [4, 16, 4, 16, 4, 32]
    assert [layer.relu for layer in every] == [False, True, False, True, False, False]

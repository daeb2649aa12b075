"""-lap p = rhs on one rank by Fourier transforms: what boussinesq's V-cycles approach."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from joulia.arrays import Arrays, Host
from joulia.case import Case
from joulia.kernel import Exchange
from joulia.kernels import _multigrid as mg
from joulia.kernels import boussinesq
from joulia.kernels.boussinesq import states


def eigenvalues(n: int, h: float, waves: float) -> Host:
    """Of minus the second difference along an axis; half waves where walls mirror."""
    lam: Host = (2.0 * np.sin(np.pi * waves * np.arange(n) / n) / h) ** 2
    return lam


def mirrored(values: Host) -> Host:
    return np.concatenate([values, values[::-1]])


def solved(rhs: Host, case: Case) -> Host:
    """p without its mean: by FFT, of the values and their mirror image where z has walls."""
    walled = case.param("z") == "walls"
    values = mirrored(rhs) if walled else rhs
    lz, ly, lx = (
        eigenvalues(n, h, 1.0) for n, h in zip(values.shape, states.spacing(case), strict=True)
    )
    lam = lz[:, None, None] + ly[None, :, None] + lx
    lam[0, 0, 0] = 1.0
    transformed = np.fft.fftn(values) / lam
    transformed[0, 0, 0] = 0.0
    p: Host = np.fft.ifftn(transformed).real[: rhs.shape[0]]
    return p


def solve_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    """boussinesq in NumPy on one rank takes transforms in the place of each V-cycle."""
    step = boussinesq.make_solenoidal

    def project(ops: Any, fields: Arrays, exchange: Exchange, case: Case, *rest: Any) -> None:
        def cycle(ops: Any, exchange: Exchange, levels: Any, x: Any, y: Any, b: Any) -> None:
            h = exchange.tile.halo
            inside = (slice(h, -h),) * 3
            x[inside] = solved(b[inside], case)

        monkeypatch.setattr(mg, "cycle", cycle)
        step(ops, fields, exchange, case, *rest)

    monkeypatch.setattr(boussinesq, "make_solenoidal", project)

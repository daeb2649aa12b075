"""Legendre-Gauss-Lobatto nodes, weights and derivatives (Kopriva 2009, chapter 3)."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.polynomial import Legendre

from joulia.arrays import Host


@cache
def rule(p: int) -> tuple[Host, Host]:
    """The p + 1 nodes on [-1, 1] and their weights: exact for polynomials of degree 2p - 1."""
    polynomial = Legendre.basis(p)
    slope, curvature = polynomial.deriv(), polynomial.deriv(2)
    inner = np.real(slope.roots())
    for _ in range(3):  # Newton: eigenvalue solvers leave a few rounding errors
        inner = inner - slope(inner) / curvature(inner)
    nodes = np.concatenate([[-1.0], np.sort(inner), [1.0]])
    nodes = 0.5 * (nodes - nodes[::-1])
    weights = 2.0 / (p * (p + 1) * polynomial(nodes) ** 2)
    weights[[0, -1]] = 2.0 / (p * (p + 1))  # P_p is one there
    return nodes, weights


def barycentric(nodes: Host) -> Host:
    differences = nodes[:, None] - nodes[None, :]
    np.fill_diagonal(differences, 1.0)
    weights: Host = 1.0 / differences.prod(axis=1)
    return weights


@cache
def derivative(p: int) -> Host:
    """D[i, l]: the derivative of the l-th Lagrange polynomial at node i."""
    nodes, _ = rule(p)
    w = barycentric(nodes)
    differences = nodes[:, None] - nodes[None, :]
    np.fill_diagonal(differences, 1.0)
    matrix: Host = w[None, :] / w[:, None] / differences
    np.fill_diagonal(matrix, 0.0)
    np.fill_diagonal(matrix, -matrix.sum(axis=1))  # constants have no derivative
    return matrix


@cache
def derivative_split(p: int) -> Host:
    """2 D - W^-1 B, for two-point fluxes: twice D without its diagonal.

    On the diagonal 2 w_i D_ii = d_iN - d_i0, which the surface term B takes away.
    """
    d = derivative(p)
    return 2.0 * (d - np.diag(np.diag(d)))


@cache
def derivative_weak(p: int) -> Host:
    """-W^-1 D^T W: the derivative after integration by parts, for fluxes at nodes."""
    _, w = rule(p)
    return -w[None, :] * derivative(p).T / w[:, None]


@cache
def interpolation(p: int, q: int) -> Host:
    """I[i, l]: the value of the l-th Lagrange polynomial of degree p at node i of degree q."""
    (source, _), (target, _) = rule(p), rule(q)
    w = barycentric(source)
    matrix = np.zeros((q + 1, p + 1))
    for i, x in enumerate(target):
        near = np.isclose(x, source, rtol=0.0, atol=1e-14)
        if near.any():
            matrix[i, near] = 1.0
        else:
            terms = w / (x - source)
            matrix[i] = terms / terms.sum()
    return matrix

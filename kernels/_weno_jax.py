"""The value at a face by WENO5-Z as Borges et al. (2008) write it, and of third order, in JAX."""

from __future__ import annotations

from typing import Any

from jax import numpy as jnp

EPS = 1e-8


def weno5(a: Any, b: Any, c: Any, d: Any, e: Any) -> Any:
    """The value at the face between c and d, from the left, in differences from c."""
    a, b, d, e = a - c, b - c, d - c, e - c
    beta0 = (13.0 * (e - 2.0 * d) ** 2 + 3.0 * (e - 4.0 * d) ** 2) / 4.0
    beta1 = (13.0 * (b + d) ** 2 + 3.0 * (b - d) ** 2) / 4.0
    beta2 = (13.0 * (a - 2.0 * b) ** 2 + 3.0 * (a - 4.0 * b) ** 2) / 4.0
    tau = jnp.abs(beta0 - beta2)
    alpha0 = 0.3 * (1.0 + (tau / (beta0 + EPS)) ** 2)
    alpha1 = 0.6 * (1.0 + (tau / (beta1 + EPS)) ** 2)
    alpha2 = 0.1 * (1.0 + (tau / (beta2 + EPS)) ** 2)
    parts = alpha0 * (5.0 * d - e) + alpha1 * (2.0 * d - b) + alpha2 * (2.0 * a - 7.0 * b)
    return c + parts / (6.0 * (alpha0 + alpha1 + alpha2))


def weno3(b: Any, c: Any, d: Any) -> Any:
    """Of third order, from two cells on the left and one on the right."""
    b, d = b - c, d - c
    beta0, beta1 = d**2, b**2
    tau = jnp.abs(beta0 - beta1)
    alpha0 = 2.0 * (1.0 + (tau / (beta0 + EPS)) ** 2)
    alpha1 = 1.0 + (tau / (beta1 + EPS)) ** 2
    return c + (alpha0 * d - alpha1 * b) / (2.0 * (alpha0 + alpha1))

"""WENO5-Z (Borges et al. 2008) of NumPy's arrays, and of third order: the value at a face."""

from __future__ import annotations

import numpy as np

from joulia.arrays import Host

EPS = 1e-8


def weno5(a: Host, b: Host, c: Host, d: Host, e: Host) -> Host:
    """The value at the face between c and d, from the left, in differences from c."""
    a, b, d, e = a - c, b - c, d - c, e - c
    beta0 = (13.0 * np.square(e - 2.0 * d) + 3.0 * np.square(e - 4.0 * d)) / 4.0
    beta1 = (13.0 * np.square(b + d) + 3.0 * np.square(b - d)) / 4.0
    beta2 = (13.0 * np.square(a - 2.0 * b) + 3.0 * np.square(a - 4.0 * b)) / 4.0
    tau = np.abs(beta0 - beta2)
    alpha0 = 0.3 * (1.0 + np.square(tau / (beta0 + EPS)))
    alpha1 = 0.6 * (1.0 + np.square(tau / (beta1 + EPS)))
    alpha2 = 0.1 * (1.0 + np.square(tau / (beta2 + EPS)))
    parts = alpha0 * (5.0 * d - e) + alpha1 * (2.0 * d - b) + alpha2 * (2.0 * a - 7.0 * b)
    value: Host = c + parts / (6.0 * (alpha0 + alpha1 + alpha2))
    return value


def weno3(b: Host, c: Host, d: Host) -> Host:
    """Of third order, from two cells on the left and one on the right."""
    b, d = b - c, d - c
    beta0, beta1 = np.square(d), np.square(b)
    tau = np.abs(beta0 - beta1)
    alpha0 = 2.0 * (1.0 + np.square(tau / (beta0 + EPS)))
    alpha1 = 1.0 + np.square(tau / (beta1 + EPS))
    value: Host = c + (alpha0 * d - alpha1 * b) / (2.0 * (alpha0 + alpha1))
    return value

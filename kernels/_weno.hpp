// The value at a face by WENO5-Z as Borges et al. (2008) write it, and of third order.
#pragma once

#include "_views.hpp"

constexpr real eps = real(1e-8);

KOKKOS_FUNCTION static inline real square(real value) { return value * value; }

// The value at the face between c and d, from the left, in differences from c.
KOKKOS_FUNCTION static inline real weno5(real a, real b, const real c, real d, real e) {
  a -= c;
  b -= c;
  d -= c;
  e -= c;
  const real beta0 = (13 * square(e - 2 * d) + 3 * square(e - 4 * d)) / 4;
  const real beta1 = (13 * square(b + d) + 3 * square(b - d)) / 4;
  const real beta2 = (13 * square(a - 2 * b) + 3 * square(a - 4 * b)) / 4;
  const real tau = std::abs(beta0 - beta2);
  const real alpha0 = real(0.3) * (1 + square(tau / (beta0 + eps)));
  const real alpha1 = real(0.6) * (1 + square(tau / (beta1 + eps)));
  const real alpha2 = real(0.1) * (1 + square(tau / (beta2 + eps)));
  const real parts = alpha0 * (5 * d - e) + alpha1 * (2 * d - b) + alpha2 * (2 * a - 7 * b);
  return c + parts / (6 * (alpha0 + alpha1 + alpha2));
}

// Of third order, from two cells on the left and one on the right.
KOKKOS_FUNCTION static inline real weno3(real b, const real c, real d) {
  b -= c;
  d -= c;
  const real beta0 = square(d), beta1 = square(b);
  const real tau = std::abs(beta0 - beta1);
  const real alpha0 = 2 * (1 + square(tau / (beta0 + eps)));
  const real alpha1 = 1 + square(tau / (beta1 + eps));
  return c + (alpha0 * d - alpha1 * b) / (2 * (alpha0 + alpha1));
}

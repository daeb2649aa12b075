// dq/dt + div f(q) = 0, q = (rho, rho v1, rho v2, rho v3, E), in C++: DGSEM by nodes.
//
// A direction is n = 0, 1, 2 along x, y, z; `ll` and `rr` are the states on the lower and the upper
// side of a face, or of a pair of nodes. Compiled for: nodes = p + 1, split, volume (the matrix D,
// row by row), lift = 1 / w_0.
#pragma once

#include <array>

#include "_views.hpp"

constexpr real gamma_ = real(1.4);
constexpr real half_ = real(0.5);
constexpr int last = nodes - 1;

KOKKOS_FUNCTION static inline real D(int i, int l) {
  static constexpr real rows[] = {given_volume};
  return rows[i * nodes + l];
}

// Values at the node (k, j, i) of an element (z, y, x).
template <class T>
struct Nodes {
  T *data;
  long ny, nx;
  KOKKOS_FUNCTION T &operator()(int z, int y, int m, int k, int j, int i, int x) const {
    return data[(((((z * ny + y) * 5 + m) * nodes + k) * nodes + j) * nodes + i) * nx + x];
  }
};

struct State {
  real rho, v[3], p, E;
};

struct Flux {
  real mass, momentum[3], energy;
};

KOKKOS_FUNCTION static inline State state(const Nodes<const real> &q, int z, int y, int k, int j,
                                          int i, int x) {
  State u;
  u.rho = q(z, y, 0, k, j, i, x);
  for (int m = 0; m < 3; ++m) u.v[m] = q(z, y, 1 + m, k, j, i, x) / u.rho;
  u.E = q(z, y, 4, k, j, i, x);
  u.p = (gamma_ - 1)
      * (u.E - half_ * u.rho * (u.v[0] * u.v[0] + u.v[1] * u.v[1] + u.v[2] * u.v[2]));
  return u;
}

// f of a state.
KOKKOS_FUNCTION static inline Flux flux(const State &u, int n) {
  Flux f;
  f.mass = u.rho * u.v[n];
  for (int m = 0; m < 3; ++m) f.momentum[m] = f.mass * u.v[m];
  f.momentum[n] += u.p;
  f.energy = (u.E + u.p) * u.v[n];
  return f;
}

// The two-point flux of Shima et al. (2021): it preserves kinetic energy and pressure.
KOKKOS_FUNCTION static inline Flux flux_shima(const State &ll, const State &rr, int n) {
  const real v = half_ * (ll.v[n] + rr.v[n]);
  const real p = half_ * (ll.p + rr.p);
  const real kinetic = half_ * (ll.v[0] * rr.v[0] + ll.v[1] * rr.v[1] + ll.v[2] * rr.v[2]);
  const real work = half_ * (ll.p * rr.v[n] + rr.p * ll.v[n]);
  Flux f;
  f.mass = half_ * (ll.rho + rr.rho) * v;
  for (int m = 0; m < 3; ++m) f.momentum[m] = f.mass * half_ * (ll.v[m] + rr.v[m]);
  f.momentum[n] += p;
  f.energy = p * v / (gamma_ - 1) + f.mass * kinetic + work;
  return f;
}

// Through a face: the mean flux, less half of max |v| + max c times the jump.
KOKKOS_FUNCTION static inline Flux flux_rusanov(const State &ll, const State &rr, int n) {
  const Flux f = flux(ll, n), g = flux(rr, n);
  const real c = std::max(std::sqrt(gamma_ * ll.p / ll.rho), std::sqrt(gamma_ * rr.p / rr.rho));
  const real speed = half_ * (std::max(std::abs(ll.v[n]), std::abs(rr.v[n])) + c);
  Flux mean;
  mean.mass = half_ * (f.mass + g.mass) - speed * (rr.rho - ll.rho);
  for (int m = 0; m < 3; ++m)
    mean.momentum[m] = half_ * (f.momentum[m] + g.momentum[m])
                     - speed * (rr.rho * rr.v[m] - ll.rho * ll.v[m]);
  mean.energy = half_ * (f.energy + g.energy) - speed * (rr.E - ll.E);
  return mean;
}

// r += c f at a node.
KOKKOS_FUNCTION static inline void add(const Nodes<real> &r, int z, int y, int k, int j, int i,
                                       int x, real c, const Flux &f) {
  r(z, y, 0, k, j, i, x) += c * f.mass;
  for (int m = 0; m < 3; ++m) r(z, y, 1 + m, k, j, i, x) += c * f.momentum[m];
  r(z, y, 4, k, j, i, x) += c * f.energy;
}

// r_l += c_d D_li f_i: what the fluxes of a node give to the nodes of its three lines.
KOKKOS_FUNCTION static inline void weak_form(const Nodes<real> &r, const Nodes<const real> &q,
                                             int z, int y, int k, int j, int i, int x,
                                             real cx, real cy, real cz) {
  const State u = state(q, z, y, k, j, i, x);
  const Flux fx = flux(u, 0), fy = flux(u, 1), fz = flux(u, 2);
  for (int l = 0; l < nodes; ++l) {
    add(r, z, y, k, j, l, x, cx * D(l, i), fx);
    add(r, z, y, k, l, i, x, cy * D(l, j), fy);
    add(r, z, y, l, j, i, x, cz * D(l, k), fz);
  }
}

// r_i += c_d D_il f#_il and r_l += c_d D_li f#_il, for the nodes l > i of its three lines.
KOKKOS_FUNCTION static inline void split_form(const Nodes<real> &r, const Nodes<const real> &q,
                                              int z, int y, int k, int j, int i, int x,
                                              real cx, real cy, real cz) {
  const State u = state(q, z, y, k, j, i, x);
  for (int l = i + 1; l < nodes; ++l) {
    const Flux f = flux_shima(u, state(q, z, y, k, j, l, x), 0);
    add(r, z, y, k, j, i, x, cx * D(i, l), f);
    add(r, z, y, k, j, l, x, cx * D(l, i), f);
  }
  for (int l = j + 1; l < nodes; ++l) {
    const Flux f = flux_shima(u, state(q, z, y, k, l, i, x), 1);
    add(r, z, y, k, j, i, x, cy * D(j, l), f);
    add(r, z, y, k, l, i, x, cy * D(l, j), f);
  }
  for (int l = k + 1; l < nodes; ++l) {
    const Flux f = flux_shima(u, state(q, z, y, l, j, i, x), 2);
    add(r, z, y, k, j, i, x, cz * D(k, l), f);
    add(r, z, y, l, j, i, x, cz * D(l, k), f);
  }
}

// r += c_d f* / w at the first node of a line in each direction, r -= the same at the last.
KOKKOS_FUNCTION static inline void surface(const Nodes<real> &r, const Nodes<const real> &q, int z,
                                           int y, int i, int j, int x, real cx, real cy, real cz) {
  const auto at = [&](int z, int y, int n3, int n2, int n1, int x) {
    return state(q, z, y, n3, n2, n1, x);
  };
  const Flux west = flux_rusanov(at(z, y, i, j, last, x - 1), at(z, y, i, j, 0, x), 0);
  const Flux east = flux_rusanov(at(z, y, i, j, last, x), at(z, y, i, j, 0, x + 1), 0);
  const Flux south = flux_rusanov(at(z, y - 1, i, last, j, x), at(z, y, i, 0, j, x), 1);
  const Flux north = flux_rusanov(at(z, y, i, last, j, x), at(z, y + 1, i, 0, j, x), 1);
  const Flux below = flux_rusanov(at(z - 1, y, last, i, j, x), at(z, y, 0, i, j, x), 2);
  const Flux above = flux_rusanov(at(z, y, last, i, j, x), at(z + 1, y, 0, i, j, x), 2);
  add(r, z, y, i, j, 0, x, cx * lift, west);
  add(r, z, y, i, j, last, x, -cx * lift, east);
  add(r, z, y, i, 0, j, x, cy * lift, south);
  add(r, z, y, i, last, j, x, -cy * lift, north);
  add(r, z, y, 0, i, j, x, cz * lift, below);
  add(r, z, y, last, i, j, x, -cz * lift, above);
}

#ifdef given_slope  // viscosity: the mean of both sides on faces, see viscous.py

KOKKOS_FUNCTION static inline real S(int i, int l) {
  static constexpr real rows[] = {given_slope};
  return rows[i * nodes + l];
}

// v1, v2, v3, T = p / rho: what is differentiated.
KOKKOS_FUNCTION static inline std::array<real, 4> variables(const State &u) {
  return {u.v[0], u.v[1], u.v[2], u.p / u.rho};
}

// The derivative at node i of a line: `at(l)` are the values along it, from -1, the node of the
// element below that touches this one, to `nodes`, that of the element above.
template <class Values>
KOKKOS_FUNCTION static inline auto derivative(int i, const Values &at) {
  std::array<real, 4> total{};
  const auto plus = [&](real c, const std::array<real, 4> &u) {
    for (int m = 0; m < 4; ++m) total[m] += c * u[m];
  };
  for (int l = 0; l < nodes; ++l) plus(S(i, l), at(l));
  if (i == 0) plus(-lift, at(-1));
  if (i == last) plus(lift, at(nodes));
  return total;
}

// From a node along a line to where it is: the element's shift, and the node in that element.
KOKKOS_FUNCTION static constexpr int shift(int l) { return l < 0 ? -1 : l == nodes ? 1 : 0; }
KOKKOS_FUNCTION static constexpr int inside(int l) { return l < 0 ? last : l == nodes ? 0 : l; }
#endif

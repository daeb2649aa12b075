// Rotating shallow water in C++, Sadourny's scheme on a C-grid. u lies on west faces, v on south
// faces, h at centres; y and x are a cell's indices:
//
//   U = mean_x(h) u,  V = mean_y(h) v,  q = (f + dv/dx - du/dy) / mean_xy(h),
//   B = (mean_x(u^2) + mean_y(v^2)) / 2 + g h,
//   du/dt = mean_y(q mean_x(V)) - dB/dx,  dv/dt = -mean_x(q mean_y(U)) - dB/dy,
//   dh/dt = -dU/dx - dV/dy.
#pragma once

#include "_views.hpp"

using In = View2<const real>;
using Out = View2<real>;

constexpr real half_ = real(0.5);
constexpr real quarter = real(0.25);

struct State {
  In u, v, h;
  real f, g, idx, idy;

  // Transports through a west and a south face.
  KOKKOS_FUNCTION real U(int y, int x) const { return half_ * (h(y, x - 1) + h(y, x)) * u(y, x); }
  KOKKOS_FUNCTION real V(int y, int x) const { return half_ * (h(y - 1, x) + h(y, x)) * v(y, x); }

  // Potential vorticity at a south-west corner.
  KOKKOS_FUNCTION real q(int y, int x) const {
    const real curl = (v(y, x) - v(y, x - 1)) * idx - (u(y, x) - u(y - 1, x)) * idy;
    return (f + curl) / (quarter * (h(y - 1, x - 1) + h(y - 1, x) + h(y, x - 1) + h(y, x)));
  }

  // The Bernoulli function at a centre.
  KOKKOS_FUNCTION real B(int y, int x) const {
    const real squares = u(y, x) * u(y, x) + u(y, x + 1) * u(y, x + 1)
                       + v(y, x) * v(y, x) + v(y + 1, x) * v(y + 1, x);
    return quarter * squares + g * h(y, x);
  }

  KOKKOS_FUNCTION real du(int y, int x) const {
    return quarter * (q(y, x) * (V(y, x - 1) + V(y, x))
                      + q(y + 1, x) * (V(y + 1, x - 1) + V(y + 1, x)))
         - (B(y, x) - B(y, x - 1)) * idx;
  }
  KOKKOS_FUNCTION real dv(int y, int x) const {
    return -quarter * (q(y, x) * (U(y - 1, x) + U(y, x))
                       + q(y, x + 1) * (U(y - 1, x + 1) + U(y, x + 1)))
         - (B(y, x) - B(y - 1, x)) * idy;
  }
  KOKKOS_FUNCTION real dh(int y, int x) const {
    return (U(y, x) - U(y, x + 1)) * idx + (V(y, x) - V(y + 1, x)) * idy;
  }
};

// Boussinesq flow on a C-grid in C++: u* = a A + b B + g G(u), the divergence, and the projection.
#pragma once

#include "_views.hpp"
#include "_weno.hpp"

using In = View3<const real>;
using Out = View3<real>;

// Steps in memory along x, y and z, and none, for b at centres.
enum Axis { X, Y, Z, CENTRE };

struct Flow {
  In u, v, w, b;
  int bottom, top;
  real idx, idy, idz, nu, kappa, f, n2;

  // Of a velocity, at the face of a field that lies on the faces of `side`.
  KOKKOS_FUNCTION static real middle(const In &c, Axis side, int z, int y, int x) {
    switch (side) {
      case X: return real(0.5) * (c(z, y, x - 1) + c(z, y, x));
      case Y: return real(0.5) * (c(z, y - 1, x) + c(z, y, x));
      case Z: return real(0.5) * (c(z - 1, y, x) + c(z, y, x));
      default: return c(z, y, x);
    }
  }

  // Through the face between q[-jump] and q[0], with `reach` cells of q on either side.
  KOKKOS_FUNCTION static real through(real velocity, const real *q, long jump, int reach, real k) {
    const bool forward = velocity > 0;
    real value = 0;
    if (advection == 0)
      value = real(0.5) * (q[-jump] + q[0]);
    else if (advection == 1 && reach >= 3)
      value = forward ? weno5(q[-3 * jump], q[-2 * jump], q[-jump], q[0], q[jump])
                      : weno5(q[2 * jump], q[jump], q[0], q[-jump], q[-2 * jump]);
    else if (advection == 1 && reach == 2)
      value = forward ? weno3(q[-2 * jump], q[-jump], q[0]) : weno3(q[jump], q[0], q[-jump]);
    else if (advection == 1)
      value = forward ? q[-jump] : q[0];
    return velocity * value - k * (q[0] - q[-jump]);
  }

  KOKKOS_FUNCTION real through_x(const In &q, Axis side, real k, int z, int y, int x) const {
    return through(middle(u, side, z, y, x), &q(z, y, x), 1, 3, k * idx);
  }
  KOKKOS_FUNCTION real through_y(const In &q, Axis side, real k, int z, int y, int x) const {
    return through(middle(v, side, z, y, x), &q(z, y, x), q.nx, 3, k * idy);
  }
  // Nothing goes through a wall. w has values on walls, and its cells end half a cell beyond them.
  KOKKOS_FUNCTION real through_z(const In &q, Axis side, real k, int z, int y, int x) const {
    const int reach = std::min(z - bottom, top - z + (side == Z));
    if (reach <= 0) return 0;
    return through(middle(w, side, z, y, x), &q(z, y, x), q.ny * q.nx, reach, k * idz);
  }

  // What flows in, less what flows out.
  KOKKOS_FUNCTION real inflow(const In &q, Axis side, real k, int z, int y, int x) const {
    return (through_x(q, side, k, z, y, x) - through_x(q, side, k, z, y, x + 1)) * idx
         + (through_y(q, side, k, z, y, x) - through_y(q, side, k, z, y + 1, x)) * idy
         + (through_z(q, side, k, z, y, x) - through_z(q, side, k, z + 1, y, x)) * idz;
  }

  KOKKOS_FUNCTION real u_rate(int z, int y, int x) const {
    return inflow(u, X, nu, z, y, x)
         + f / 4 * (v(z, y, x - 1) + v(z, y, x) + v(z, y + 1, x - 1) + v(z, y + 1, x));
  }
  KOKKOS_FUNCTION real v_rate(int z, int y, int x) const {
    return inflow(v, Y, nu, z, y, x)
         - f / 4 * (u(z, y - 1, x) + u(z, y, x) + u(z, y - 1, x + 1) + u(z, y, x + 1));
  }
  // Nothing accelerates w on a wall.
  KOKKOS_FUNCTION real w_rate(int z, int y, int x) const {
    const real rate = inflow(w, Z, nu, z, y, x) + (b(z - 1, y, x) + b(z, y, x)) / 2;
    return z == bottom ? 0 : rate;
  }
  KOKKOS_FUNCTION real b_rate(int z, int y, int x) const {
    return inflow(b, CENTRE, kappa, z, y, x) - n2 / 2 * (w(z, y, x) + w(z + 1, y, x));
  }
};

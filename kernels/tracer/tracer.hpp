// dc/dt = -div(v c) + kappa lap(c) in C++: fluxes by WENO5-Z as Borges et al. (2008) write it.
#pragma once

#include "_views.hpp"
#include "_weno.hpp"

using In = View3<const real>;
using Out = View3<real>;

// Upwind and diffusive flux through the face between c and d.
KOKKOS_FUNCTION static inline real flux(real u, real a, real b, real c, real d, real e, real f,
                                        real k) {
  const bool forward = u > 0;
  const real value = weno5(forward ? a : f, forward ? b : e, forward ? c : d, forward ? d : c,
                           forward ? e : b);
  return u * value - k * (d - c);
}

// The same `reach` cells from a wall.
KOKKOS_FUNCTION static inline real flux_near(real u, real b, real c, real d, real e, real k,
                                             int reach) {
  if (reach <= 0) return 0;
  const bool forward = u > 0;
  const real value = reach == 1 ? (forward ? c : d)
                                : (forward ? weno3(b, c, d) : weno3(e, d, c));
  return u * value - k * (d - c);
}

struct Flow {
  In c, u, v, w;
  int bottom, top;
  real idx, idy, idz, kx, ky, kz;

  // Through the west, south and bottom faces of a cell.
  KOKKOS_FUNCTION real flux_x(int z, int y, int x) const {
    return flux(u(z, y, x), c(z, y, x - 3), c(z, y, x - 2), c(z, y, x - 1),
                c(z, y, x), c(z, y, x + 1), c(z, y, x + 2), kx);
  }
  KOKKOS_FUNCTION real flux_y(int z, int y, int x) const {
    return flux(v(z, y, x), c(z, y - 3, x), c(z, y - 2, x), c(z, y - 1, x),
                c(z, y, x), c(z, y + 1, x), c(z, y + 2, x), ky);
  }
  KOKKOS_FUNCTION real flux_z(int z, int y, int x) const {
    const int reach = std::min(z - bottom, top - z);
    if (reach < 3)
      return flux_near(w(z, y, x), c(z - 2, y, x), c(z - 1, y, x), c(z, y, x), c(z + 1, y, x), kz,
                       reach);
    return flux(w(z, y, x), c(z - 3, y, x), c(z - 2, y, x), c(z - 1, y, x),
                c(z, y, x), c(z + 1, y, x), c(z + 2, y, x), kz);
  }

  // dc/dt of a cell: what flows in, less what flows out.
  KOKKOS_FUNCTION real rate(int z, int y, int x) const {
    return (flux_x(z, y, x) - flux_x(z, y, x + 1)) * idx
         + (flux_y(z, y, x) - flux_y(z, y + 1, x)) * idy
         + (flux_z(z, y, x) - flux_z(z + 1, y, x)) * idz;
  }
};

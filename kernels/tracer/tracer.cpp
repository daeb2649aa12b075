// dc/dt = -div(v c) + kappa lap(c) in C++: fluxes by WENO5-Z as Borges et al. (2008) write it.
#include "_views.hpp"
#include "_weno.hpp"

using In = View3<const real>;
using Out = View3<real>;

// Upwind and diffusive flux through the face between c and d.
static inline real flux(real u, real a, real b, real c, real d, real e, real f, real k) {
  const bool forward = u > 0;
  const real value = weno5(forward ? a : f, forward ? b : e, forward ? c : d, forward ? d : c,
                           forward ? e : b);
  return u * value - k * (d - c);
}

// The same `reach` cells from a wall.
static inline real flux_near(real u, real b, real c, real d, real e, real k, int reach) {
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
  real flux_x(int z, int y, int x) const {
    return flux(u(z, y, x), c(z, y, x - 3), c(z, y, x - 2), c(z, y, x - 1),
                c(z, y, x), c(z, y, x + 1), c(z, y, x + 2), kx);
  }
  real flux_y(int z, int y, int x) const {
    return flux(v(z, y, x), c(z, y - 3, x), c(z, y - 2, x), c(z, y - 1, x),
                c(z, y, x), c(z, y + 1, x), c(z, y + 2, x), ky);
  }
  real flux_z(int z, int y, int x) const {
    const int reach = std::min(z - bottom, top - z);
    if (reach < 3)
      return flux_near(w(z, y, x), c(z - 2, y, x), c(z - 1, y, x), c(z, y, x), c(z + 1, y, x), kz,
                       reach);
    return flux(w(z, y, x), c(z - 3, y, x), c(z - 2, y, x), c(z - 1, y, x),
                c(z, y, x), c(z + 1, y, x), c(z + 2, y, x), kz);
  }

  // dc/dt of a cell: what flows in, less what flows out.
  real rate(int z, int y, int x) const {
    return (flux_x(z, y, x) - flux_x(z, y, x + 1)) * idx
         + (flux_y(z, y, x) - flux_y(z, y + 1, x)) * idy
         + (flux_z(z, y, x) - flux_z(z + 1, y, x)) * idz;
  }
};

// c1 = c + first G(c).
extern "C" void stage1(int, int ny, int nx, int z0, int z1, int y0, int y1, int x0, int x1,
                       const real *c, const real *u, const real *v, const real *w, real *c1_,
                       int bottom, int top,
                       real idx, real idy, real idz, real kx, real ky, real kz, real first) {
  const Flow flow{{c, ny, nx}, {u, ny, nx}, {v, ny, nx}, {w, ny, nx},
                  bottom, top, idx, idy, idz, kx, ky, kz};
  const Out c1{c1_, ny, nx};
#pragma omp parallel for
  for (int z = z0; z < z1; ++z)
    for (int y = y0; y < y1; ++y)
#pragma omp simd
      for (int x = x0; x < x1; ++x) c1(z, y, x) = flow.c(z, y, x) + first * flow.rate(z, y, x);
}

// c2 = c1 + second G(c1) + history (c1 - c), and c = c2 + ahead G(c1).
extern "C" void stage2(int, int ny, int nx, int z0, int z1, int y0, int y1, int x0, int x1,
                       const real *c1, const real *u, const real *v, const real *w,
                       real *c_, real *c2_, int bottom, int top,
                       real idx, real idy, real idz, real kx, real ky, real kz,
                       real second, real history, real ahead) {
  const Flow flow{{c1, ny, nx}, {u, ny, nx}, {v, ny, nx}, {w, ny, nx},
                  bottom, top, idx, idy, idz, kx, ky, kz};
  const Out c{c_, ny, nx}, c2{c2_, ny, nx};
#pragma omp parallel for
  for (int z = z0; z < z1; ++z)
    for (int y = y0; y < y1; ++y)
#pragma omp simd
      for (int x = x0; x < x1; ++x) {
        const real now = flow.c(z, y, x), rate = flow.rate(z, y, x);
        c2(z, y, x) = now + second * rate + history * (now - c(z, y, x));
        c(z, y, x) = c2(z, y, x) + ahead * rate;
      }
}

// c += third G(c2).
extern "C" void stage3(int, int ny, int nx, int z0, int z1, int y0, int y1, int x0, int x1,
                       const real *c2, const real *u, const real *v, const real *w, real *c_,
                       int bottom, int top,
                       real idx, real idy, real idz, real kx, real ky, real kz, real third) {
  const Flow flow{{c2, ny, nx}, {u, ny, nx}, {v, ny, nx}, {w, ny, nx},
                  bottom, top, idx, idy, idz, kx, ky, kz};
  const Out c{c_, ny, nx};
#pragma omp parallel for
  for (int z = z0; z < z1; ++z)
    for (int y = y0; y < y1; ++y)
#pragma omp simd
      for (int x = x0; x < x1; ++x) c(z, y, x) += third * flow.rate(z, y, x);
}

// dc/dt = -div(v c) + kappa lap(c) through Kokkos, row by row: the fluxes are in tracer.hpp.
#include "tracer.hpp"

// c1 = c + first G(c).
extern "C" void stage1(int, int ny, int nx, int z0, int z1, int y0, int y1, int x0, int x1,
                       const real *c, const real *u, const real *v, const real *w, real *c1_,
                       int bottom, int top,
                       real idx, real idy, real idz, real kx, real ky, real kz, real first) {
  const Flow flow{{c, ny, nx}, {u, ny, nx}, {v, ny, nx}, {w, ny, nx},
                  bottom, top, idx, idy, idz, kx, ky, kz};
  const Out c1{c1_, ny, nx};
  each_row(
      z0, z1, y0, y1, x0, x1, KOKKOS_LAMBDA(int z, int y, Row row) {
        row([&](int x) { c1(z, y, x) = flow.c(z, y, x) + first * flow.rate(z, y, x); });
      });
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
  each_row(
      z0, z1, y0, y1, x0, x1, KOKKOS_LAMBDA(int z, int y, Row row) {
        row([&](int x) {
          const real now = flow.c(z, y, x), rate = flow.rate(z, y, x);
          c2(z, y, x) = now + second * rate + history * (now - c(z, y, x));
          c(z, y, x) = c2(z, y, x) + ahead * rate;
        });
      });
}

// c += third G(c2).
extern "C" void stage3(int, int ny, int nx, int z0, int z1, int y0, int y1, int x0, int x1,
                       const real *c2, const real *u, const real *v, const real *w, real *c_,
                       int bottom, int top,
                       real idx, real idy, real idz, real kx, real ky, real kz, real third) {
  const Flow flow{{c2, ny, nx}, {u, ny, nx}, {v, ny, nx}, {w, ny, nx},
                  bottom, top, idx, idy, idz, kx, ky, kz};
  const Out c{c_, ny, nx};
  each_row(
      z0, z1, y0, y1, x0, x1, KOKKOS_LAMBDA(int z, int y, Row row) {
        row([&](int x) { c(z, y, x) += third * flow.rate(z, y, x); });
      });
}

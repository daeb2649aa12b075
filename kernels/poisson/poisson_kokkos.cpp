// A = -lap on cell centres through Kokkos, row by row: what a cell gets is in poisson.hpp.
#include "poisson.hpp"

extern "C" void sweep(int, int ny, int nx, int z0, int z1, int y0, int y1, int x0, int x1,
                      const real *x_, const real *b_, real *out_, int bottom, int top,
                      real u, real v, real wx, real wy, real wz) {
  const In x{x_, ny, nx}, b{b_, ny, nx};
  const Out out{out_, ny, nx};
  each_row(
      z0, z1, y0, y1, x0, x1, KOKKOS_LAMBDA(int z, int y, Row row) {
        row([&](int i) { out(z, y, i) = combined(x, b, z, y, i, bottom, top, u, v, wx, wy, wz); });
      });
}

extern "C" void coarsen(int, int ny, int nx, int z0, int z1, int y0, int y1, int x0, int x1,
                        const real *x_, const real *b_, real *coarse_,
                        int sz, int sy, int sx, int oz, int oy, int ox, int my, int mx,
                        int bottom, int top, real u, real v, real wx, real wy, real wz) {
  const In x{x_, ny, nx}, b{b_, ny, nx};
  const Out coarse{coarse_, my, mx};
  each_row(
      z0, z1, y0, y1, x0, x1, KOKKOS_LAMBDA(int k, int j, Row row) {
        row([&](int i) {
          real total = 0;
          for (int dz = 0; dz < 1 << sz; ++dz)
            for (int dy = 0; dy < 1 << sy; ++dy)
              for (int dx = 0; dx < 1 << sx; ++dx)
                total += combined(x, b, ((k - oz) << sz) + 1 + dz, ((j - oy) << sy) + 1 + dy,
                                  ((i - ox) << sx) + 1 + dx, bottom, top, u, v, wx, wy, wz);
          coarse(k, j, i) = total;
        });
      });
}

extern "C" void correct(int, int ny, int nx, int z0, int z1, int y0, int y1, int x0, int x1,
                        const real *x_, const real *coarse_, const real *b_, real *out_,
                        int sz, int sy, int sx, int oz, int oy, int ox, int my, int mx,
                        int bottom, int top, real u, real v, real wx, real wy, real wz) {
  const Raised x{{x_, ny, nx}, {coarse_, my, mx}, sz, sy, sx, oz, oy, ox};
  const In b{b_, ny, nx};
  const Out out{out_, ny, nx};
  each_row(
      z0, z1, y0, y1, x0, x1, KOKKOS_LAMBDA(int z, int y, Row row) {
        row([&](int i) { out(z, y, i) = combined(x, b, z, y, i, bottom, top, u, v, wx, wy, wz); });
      });
}

extern "C" void add(int, int ny, int nx, int z0, int z1, int y0, int y1, int x0, int x1,
                    const real *x_, real *y_, real a, real c) {
  const In x{x_, ny, nx};
  const Out y{y_, ny, nx};
  each_row(
      z0, z1, y0, y1, x0, x1, KOKKOS_LAMBDA(int k, int j, Row row) {
        row([&](int i) { y(k, j, i) = a * x(k, j, i) + c * y(k, j, i); });
      });
}

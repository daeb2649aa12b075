// A = -lap on cell centres in C++, row by row: what a cell gets is in poisson.hpp.
#include "poisson.hpp"

extern "C" void sweep(int, int ny, int nx, int z0, int z1, int y0, int y1, int x0, int x1,
                      const real *x_, const real *b_, real *out_, int bottom, int top,
                      real u, real v, real wx, real wy, real wz) {
  const In x{x_, ny, nx}, b{b_, ny, nx};
  const Out out{out_, ny, nx};
#pragma omp parallel for
  for (int z = z0; z < z1; ++z)
    for (int y = y0; y < y1; ++y)
#pragma omp simd
      for (int i = x0; i < x1; ++i)
        out(z, y, i) = combined(x, b, z, y, i, bottom, top, u, v, wx, wy, wz);
}

extern "C" void coarsen(int, int ny, int nx, int z0, int z1, int y0, int y1, int x0, int x1,
                        const real *x_, const real *b_, real *coarse_,
                        int sz, int sy, int sx, int oz, int oy, int ox, int my, int mx,
                        int bottom, int top, real u, real v, real wx, real wy, real wz) {
  const In x{x_, ny, nx}, b{b_, ny, nx};
  const Out coarse{coarse_, my, mx};
#pragma omp parallel for firstprivate(x, b, coarse)
  for (int k = z0; k < z1; ++k)
    for (int j = y0; j < y1; ++j)
      // By rows of the cells that one is made up of, so that loops along x become vectors.
      for (int part = 0; part < 1 << (sz + sy); ++part) {
        const int z = ((k - oz) << sz) + 1 + (part >> sy);
        const int y = ((j - oy) << sy) + 1 + (part & ((1 << sy) - 1));
        const auto finer = [=](int i) {
          return combined(x, b, z, y, i, bottom, top, u, v, wx, wy, wz);
        };
        if (part == 0)
          for (int i = x0; i < x1; ++i) coarse(k, j, i) = 0;
        if (sx == 0) {
#pragma omp simd
          for (int i = x0; i < x1; ++i) coarse(k, j, i) += finer(i - ox + 1);
        } else {
#pragma omp simd
          for (int i = x0; i < x1; ++i) {
            const int west = 2 * (i - ox) + 1;
            coarse(k, j, i) = coarse(k, j, i) + finer(west) + finer(west + 1);
          }
        }
      }
}

extern "C" void correct(int, int ny, int nx, int z0, int z1, int y0, int y1, int x0, int x1,
                        const real *x_, const real *coarse_, const real *b_, real *out_,
                        int sz, int sy, int sx, int oz, int oy, int ox, int my, int mx,
                        int bottom, int top, real u, real v, real wx, real wy, real wz) {
  const Raised x{{x_, ny, nx}, {coarse_, my, mx}, sz, sy, sx, oz, oy, ox};
  const In b{b_, ny, nx};
  const Out out{out_, ny, nx};
#pragma omp parallel for firstprivate(x)
  for (int z = z0; z < z1; ++z)
    for (int y = y0; y < y1; ++y)
#pragma omp simd
      for (int i = x0; i < x1; ++i)
        out(z, y, i) = combined(x, b, z, y, i, bottom, top, u, v, wx, wy, wz);
}

extern "C" void add(int, int ny, int nx, int z0, int z1, int y0, int y1, int x0, int x1,
                    const real *x_, real *y_, real a, real c) {
  const In x{x_, ny, nx};
  const Out y{y_, ny, nx};
#pragma omp parallel for
  for (int k = z0; k < z1; ++k)
    for (int j = y0; j < y1; ++j)
      for (int i = x0; i < x1; ++i) y(k, j, i) = a * x(k, j, i) + c * y(k, j, i);
}

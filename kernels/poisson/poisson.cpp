// A = -lap on cell centres in C++. All of a V-cycle is the combination
// u x + v b + wx (x_w + x_e) + wy (x_s + x_n) + wz (x_b + x_t): sweeps x + omega (b - A x), averages
// of the residual, and sweeps of a corrected x.
#include "_views.hpp"

using In = View3<const real>;
using Out = View3<real>;

// The combination at a cell; beyond a wall is the value inside.
template <class X>
static inline real combined(const X &x, const In &b, int z, int y, int i, int bottom, int top,
                            real u, real v, real wx, real wy, real wz) {
  const int low = std::max(z - 1, bottom), high = std::min(z + 1, top - 1);
  return u * x(z, y, i) + v * b(z, y, i)
       + wx * (x(z, y, i - 1) + x(z, y, i + 1))
       + wy * (x(z, y - 1, i) + x(z, y + 1, i))
       + wz * (x(low, y, i) + x(high, y, i));
}

// x with the value of each cell's parent: the first cell, 1, has the parent o.
struct Raised {
  In x, coarse;
  int sz, sy, sx, oz, oy, ox;
  real operator()(int z, int y, int i) const {
    return x(z, y, i)
         + coarse(((z - 1) >> sz) + oz, ((y - 1) >> sy) + oy, ((i - 1) >> sx) + ox);
  }
};

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

// u* = a A + b B + g G(u), the divergence, and the projection in C++, row by row: G is in
// boussinesq.hpp.
#include "boussinesq.hpp"

// (u1, ...) = first (ua, ...) + second (ub, ...) + gain G(u, v, w, b).
extern "C" void predict(int, int ny, int nx, int z0, int z1, int y0, int y1, int x0, int x1,
                        const real *u, const real *v, const real *w, const real *b,
                        const real *ua, const real *va, const real *wa, const real *ba,
                        const real *ub, const real *vb, const real *wb, const real *bb,
                        real *u1, real *v1, real *w1, real *b1, int bottom, int top,
                        real idx, real idy, real idz, real nu, real kappa, real f, real n2,
                        real first, real second, real gain) {
  const Flow flow{{u, ny, nx}, {v, ny, nx}, {w, ny, nx}, {b, ny, nx},
                  bottom, top, idx, idy, idz, nu, kappa, f, n2};
  // A thread's own: what it shares is read again for every cell, and no loop becomes vectors.
#pragma omp parallel for firstprivate(flow)
  for (int z = z0; z < z1; ++z)
    for (int y = y0; y < y1; ++y) {
      const long row = (long(z) * ny + y) * nx;
#pragma omp simd
      for (int x = x0; x < x1; ++x)
        u1[row + x] = first * ua[row + x] + second * ub[row + x] + gain * flow.u_rate(z, y, x);
#pragma omp simd
      for (int x = x0; x < x1; ++x)
        v1[row + x] = first * va[row + x] + second * vb[row + x] + gain * flow.v_rate(z, y, x);
#pragma omp simd
      for (int x = x0; x < x1; ++x)
        w1[row + x] = first * wa[row + x] + second * wb[row + x] + gain * flow.w_rate(z, y, x);
#pragma omp simd
      for (int x = x0; x < x1; ++x)
        b1[row + x] = first * ba[row + x] + second * bb[row + x] + gain * flow.b_rate(z, y, x);
    }
}

// rhs = sx (u1 east - u1) + sy (v1 north - v1) + sz (w1 above - w1).
extern "C" void divergence(int, int ny, int nx, int z0, int z1, int y0, int y1, int x0, int x1,
                           const real *u1, const real *v1, const real *w1, real *rhs,
                           real sx, real sy, real sz) {
  const In u{u1, ny, nx}, v{v1, ny, nx}, w{w1, ny, nx};
  const Out out{rhs, ny, nx};
#pragma omp parallel for
  for (int z = z0; z < z1; ++z)
    for (int y = y0; y < y1; ++y)
#pragma omp simd
      for (int x = x0; x < x1; ++x)
        out(z, y, x) = sx * (u(z, y, x + 1) - u(z, y, x)) + sy * (v(z, y + 1, x) - v(z, y, x))
                     + sz * (w(z + 1, y, x) - w(z, y, x));
}

// The velocities lose g times the pressure's difference; w on a wall keeps what it is.
extern "C" void project(int, int ny, int nx, int z0, int z1, int y0, int y1, int x0, int x1,
                        const real *p_, real *u1, real *v1, real *w1, int bottom,
                        real gx, real gy, real gz) {
  const In p{p_, ny, nx};
  const Out u{u1, ny, nx}, v{v1, ny, nx}, w{w1, ny, nx};
#pragma omp parallel for
  for (int z = z0; z < z1; ++z)
    for (int y = y0; y < y1; ++y) {
#pragma omp simd
      for (int x = x0; x < x1; ++x) {
        u(z, y, x) -= gx * (p(z, y, x) - p(z, y, x - 1));
        v(z, y, x) -= gy * (p(z, y, x) - p(z, y - 1, x));
      }
      if (z == bottom) continue;
#pragma omp simd
      for (int x = x0; x < x1; ++x) w(z, y, x) -= gz * (p(z, y, x) - p(z - 1, y, x));
    }
}

// u* = a A + b B + g G(u), the divergence, and the projection through Kokkos, row by row: G is in
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
  each_row(
      z0, z1, y0, y1, x0, x1, KOKKOS_LAMBDA(int z, int y, Row row) {
        const long at = (long(z) * ny + y) * nx;
        row([&](int x) {
          u1[at + x] = first * ua[at + x] + second * ub[at + x] + gain * flow.u_rate(z, y, x);
        });
        row([&](int x) {
          v1[at + x] = first * va[at + x] + second * vb[at + x] + gain * flow.v_rate(z, y, x);
        });
        row([&](int x) {
          w1[at + x] = first * wa[at + x] + second * wb[at + x] + gain * flow.w_rate(z, y, x);
        });
        row([&](int x) {
          b1[at + x] = first * ba[at + x] + second * bb[at + x] + gain * flow.b_rate(z, y, x);
        });
      });
}

// rhs = sx (u1 east - u1) + sy (v1 north - v1) + sz (w1 above - w1).
extern "C" void divergence(int, int ny, int nx, int z0, int z1, int y0, int y1, int x0, int x1,
                           const real *u1, const real *v1, const real *w1, real *rhs,
                           real sx, real sy, real sz) {
  const In u{u1, ny, nx}, v{v1, ny, nx}, w{w1, ny, nx};
  const Out out{rhs, ny, nx};
  each_row(
      z0, z1, y0, y1, x0, x1, KOKKOS_LAMBDA(int z, int y, Row row) {
        row([&](int x) {
          out(z, y, x) = sx * (u(z, y, x + 1) - u(z, y, x)) + sy * (v(z, y + 1, x) - v(z, y, x))
                       + sz * (w(z + 1, y, x) - w(z, y, x));
        });
      });
}

// The velocities lose g times the pressure's difference; w on a wall keeps what it is.
extern "C" void project(int, int ny, int nx, int z0, int z1, int y0, int y1, int x0, int x1,
                        const real *p_, real *u1, real *v1, real *w1, int bottom,
                        real gx, real gy, real gz) {
  const In p{p_, ny, nx};
  const Out u{u1, ny, nx}, v{v1, ny, nx}, w{w1, ny, nx};
  each_row(
      z0, z1, y0, y1, x0, x1, KOKKOS_LAMBDA(int z, int y, Row row) {
        row([&](int x) {
          u(z, y, x) -= gx * (p(z, y, x) - p(z, y, x - 1));
          v(z, y, x) -= gy * (p(z, y, x) - p(z, y - 1, x));
        });
        if (z == bottom) return;
        row([&](int x) { w(z, y, x) -= gz * (p(z, y, x) - p(z - 1, y, x)); });
      });
}

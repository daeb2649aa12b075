// Rotating shallow water through Kokkos, row by row: the scheme is in shallow_water.hpp.
#include "shallow_water.hpp"

// state1 = state + first G(state).
extern "C" void stage1(int, int nx, int y0, int y1, int x0, int x1,
                       const real *u, const real *v, const real *h, real *u1_, real *v1_, real *h1_,
                       real f, real g, real idx, real idy, real first) {
  const State now{{u, nx}, {v, nx}, {h, nx}, f, g, idx, idy};
  const Out u1{u1_, nx}, v1{v1_, nx}, h1{h1_, nx};
  each_row(
      y0, y1, x0, x1, KOKKOS_LAMBDA(int y, Row row) {
        row([&](int x) {
          u1(y, x) = now.u(y, x) + first * now.du(y, x);
          v1(y, x) = now.v(y, x) + first * now.dv(y, x);
          h1(y, x) = now.h(y, x) + first * now.dh(y, x);
        });
      });
}

// state2 = state1 + second G(state1) + history (state1 - state), and state = state2 + ahead G(state1),
// which the third stage adds to.
extern "C" void stage2(int, int nx, int y0, int y1, int x0, int x1,
                       const real *u1, const real *v1, const real *h1,
                       real *u_, real *v_, real *h_, real *u2_, real *v2_, real *h2_,
                       real f, real g, real idx, real idy, real second, real history, real ahead) {
  const State one{{u1, nx}, {v1, nx}, {h1, nx}, f, g, idx, idy};
  const Out u{u_, nx}, v{v_, nx}, h{h_, nx}, u2{u2_, nx}, v2{v2_, nx}, h2{h2_, nx};
  each_row(
      y0, y1, x0, x1, KOKKOS_LAMBDA(int y, Row row) {
        row([&](int x) {
          const real du = one.du(y, x), dv = one.dv(y, x), dh = one.dh(y, x);
          u2(y, x) = one.u(y, x) + second * du + history * (one.u(y, x) - u(y, x));
          v2(y, x) = one.v(y, x) + second * dv + history * (one.v(y, x) - v(y, x));
          h2(y, x) = one.h(y, x) + second * dh + history * (one.h(y, x) - h(y, x));
          u(y, x) = u2(y, x) + ahead * du;
          v(y, x) = v2(y, x) + ahead * dv;
          h(y, x) = h2(y, x) + ahead * dh;
        });
      });
}

// state += third G(state2).
extern "C" void stage3(int, int nx, int y0, int y1, int x0, int x1,
                       const real *u2, const real *v2, const real *h2,
                       real *u_, real *v_, real *h_,
                       real f, real g, real idx, real idy, real third) {
  const State two{{u2, nx}, {v2, nx}, {h2, nx}, f, g, idx, idy};
  const Out u{u_, nx}, v{v_, nx}, h{h_, nx};
  each_row(
      y0, y1, x0, x1, KOKKOS_LAMBDA(int y, Row row) {
        row([&](int x) {
          u(y, x) += third * two.du(y, x);
          v(y, x) += third * two.dv(y, x);
          h(y, x) += third * two.dh(y, x);
        });
      });
}

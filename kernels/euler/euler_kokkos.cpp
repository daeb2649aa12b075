// dq/dt + div f(q) = 0 through Kokkos, row by row of elements: fluxes and forms are in euler.hpp.
#include "euler.hpp"

// k = a k + dt R(q), out = q + b k, with R the right-hand side and c_d = 2 dt / dx_d.
extern "C" void stage(int, int ny, int, int, int, int, int nx,
                      int z0, int z1, int y0, int y1, int x0, int x1,
                      const real *q_, real *k_, real *out_,
                      real a, real b, real cx, real cy, real cz) {
  const Nodes<const real> q{q_, ny, nx};
  const Nodes<real> r{k_, ny, nx}, out{out_, ny, nx};
  each_row(
      z0, z1, y0, y1, x0, x1, KOKKOS_LAMBDA(int z, int y, Row row) {
        for (int m = 0; m < 5; ++m)
          for (int k = 0; k < nodes; ++k)
            for (int j = 0; j < nodes; ++j)
              for (int i = 0; i < nodes; ++i)
                row([&](int x) { r(z, y, m, k, j, i, x) *= a; });
        for (int k = 0; k < nodes; ++k)
          for (int j = 0; j < nodes; ++j)
            for (int i = 0; i < nodes; ++i)
              row([&](int x) {
                if (split)
                  split_form(r, q, z, y, k, j, i, x, cx, cy, cz);
                else
                  weak_form(r, q, z, y, k, j, i, x, cx, cy, cz);
              });
        for (int i = 0; i < nodes; ++i)
          for (int j = 0; j < nodes; ++j)
            row([&](int x) { surface(r, q, z, y, i, j, x, cx, cy, cz); });
        for (int m = 0; m < 5; ++m)
          for (int k = 0; k < nodes; ++k)
            for (int j = 0; j < nodes; ++j)
              for (int i = 0; i < nodes; ++i)
                row([&](int x) {
                  out(z, y, m, k, j, i, x) = q(z, y, m, k, j, i, x) + b * r(z, y, m, k, j, i, x);
                });
      });
}

#ifdef given_slope

// The stress is mu (grad v + grad v^T - 2/3 div v), the heat flux -kappa grad T.
extern "C" void viscous_flux(int, int ny, int, int, int, int, int nx,
                             int z0, int z1, int y0, int y1, int x0, int x1,
                             const real *q_, real *fx, real *fy, real *fz,
                             real mu, real kappa, real ix, real iy, real iz) {
  const Nodes<const real> q{q_, ny, nx};
  const Nodes<real> f[3] = {{fx, ny, nx}, {fy, ny, nx}, {fz, ny, nx}};
  each_row(
      z0, z1, y0, y1, x0, x1, KOKKOS_LAMBDA(int z, int y, Row row) {
        for (int k = 0; k < nodes; ++k)
          for (int j = 0; j < nodes; ++j)
            for (int i = 0; i < nodes; ++i)
              row([&](int x) {
                const State u = state(q, z, y, k, j, i, x);
                const std::array<real, 4> g[3] = {
                    derivative(i, [&](int l) {
                      return variables(state(q, z, y, k, j, inside(l), x + shift(l)));
                    }),
                    derivative(j, [&](int l) {
                      return variables(state(q, z, y + shift(l), k, inside(l), i, x));
                    }),
                    derivative(k, [&](int l) {
                      return variables(state(q, z + shift(l), y, inside(l), j, i, x));
                    }),
                };
                const real inverse[3] = {ix, iy, iz};
                const auto slope_of = [&](int m, int d) { return inverse[d] * g[d][m]; };
                const real divergence = slope_of(0, 0) + slope_of(1, 1) + slope_of(2, 2);
                for (int d = 0; d < 3; ++d) {
                  real energy = kappa * slope_of(3, d);
                  for (int m = 0; m < 3; ++m) {
                    real stress = mu * (slope_of(m, d) + slope_of(d, m));
                    if (m == d) stress -= mu * 2 / 3 * divergence;
                    f[d](z, y, 1 + m, k, j, i, x) = stress;
                    energy += u.v[m] * stress;
                  }
                  f[d](z, y, 4, k, j, i, x) = energy;
                }
              });
      });
}

// k += dt V, out += b dt V, with V the divergence of the viscous fluxes and s_d = dt / dx_d.
extern "C" void viscous(int, int ny, int, int, int, int, int nx,
                        int z0, int z1, int y0, int y1, int x0, int x1,
                        const real *fx, const real *fy, const real *fz, real *k_, real *out_,
                        real b, real sx, real sy, real sz) {
  const Nodes<const real> f[3] = {{fx, ny, nx}, {fy, ny, nx}, {fz, ny, nx}};
  const Nodes<real> r{k_, ny, nx}, out{out_, ny, nx};
  each_row(
      z0, z1, y0, y1, x0, x1, KOKKOS_LAMBDA(int z, int y, Row row) {
        for (int k = 0; k < nodes; ++k)
          for (int j = 0; j < nodes; ++j)
            for (int i = 0; i < nodes; ++i)
              row([&](int x) {
                const auto at = [&](int d, int z, int y, int k, int j, int i, int x) {
                  const Nodes<const real> &fd = f[d];
                  return std::array<real, 4>{fd(z, y, 1, k, j, i, x), fd(z, y, 2, k, j, i, x),
                                             fd(z, y, 3, k, j, i, x), fd(z, y, 4, k, j, i, x)};
                };
                const auto along_x = derivative(
                    i, [&](int l) { return at(0, z, y, k, j, inside(l), x + shift(l)); });
                const auto along_y = derivative(
                    j, [&](int l) { return at(1, z, y + shift(l), k, inside(l), i, x); });
                const auto along_z = derivative(
                    k, [&](int l) { return at(2, z + shift(l), y, inside(l), j, i, x); });
                for (int m = 0; m < 4; ++m) {
                  const real added = sx * along_x[m] + sy * along_y[m] + sz * along_z[m];
                  r(z, y, 1 + m, k, j, i, x) += added;
                  out(z, y, 1 + m, k, j, i, x) += b * added;
                }
              });
      });
}
#endif

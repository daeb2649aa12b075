// A perceptron for an interval of vertical mixing, and the solver it replaces, through Kokkos,
// column by column.
#include "_kokkos_columns.hpp"

// T[level] of a column, its flux q; the network's rows are sparse: starts, columns, weights.
extern "C" void forward(int nz, int ny, int nx, int, int, int y0, int y1, int x0, int x1,
                        const real *temperature, real *after, const real *flux,
                        const real *weights, const real *bias, const int *starts,
                        const int *columns, const int *plan, int layers, int widest,
                        real interval) {
  const View3<const real> T{temperature, ny, nx};
  const View3<real> out{after, ny, nx};
  const View2<const real> q{flux, nx};
  each_column(
      y0, y1, x0, x1, 2 * widest, KOKKOS_LAMBDA(int j, int i, Own x) {
        Own y = x.from(widest);
        for (int k = 0; k < nz - 1; ++k) x[k] = T(k + 1, j, i) - T(k, j, i);
        x[nz - 1] = q(j, i);
        int row = 0;
        for (int l = 0; l < layers; ++l) {
          const int rows = plan[2 * l];
          const bool relu = plan[2 * l + 1] != 0;
          for (int r = 0; r < rows; ++r, ++row) {
            real sum = bias[row];
            for (int n = starts[row]; n < starts[row + 1]; ++n) sum += weights[n] * x[columns[n]];
            y[r] = relu ? std::max(sum, real(0)) : sum;
          }
          const Own last = x;
          x = y;
          y = last;
        }
        real mean = 0;
        for (int k = 0; k < nz; ++k) mean += x[k];
        mean /= nz;
        for (int k = 0; k < nz; ++k)
          out(k, j, i) = T(k, j, i) + (x[k] - mean) - interval * q(j, i);
      });
}

// A step of `column`: backward Euler, Thomas' elimination with e = 1 - c.
KOKKOS_FUNCTION static inline void mix(int n, Own t, Own c, Own d, real stable, real unstable,
                                       real cooling) {
  real e = 0, below = 0;
  for (int k = 0; k < n; ++k) {
    const real above = k == n - 1 ? real(0) : t[k + 1] < t[k] ? unstable : stable;
    const real s = 1 + below * e;
    const real inverse = 1 / (s + above);
    e = s * inverse;
    c[k] = above * inverse;
    const real own = k == n - 1 ? t[k] - cooling : t[k];
    d[k] = (k > 0 ? own + below * d[k - 1] : own) * inverse;
    below = above;
  }
  t[n - 1] = d[n - 1];
  for (int k = n - 2; k >= 0; --k) t[k] = d[k] + c[k] * t[k + 1];
}

extern "C" void solve(int nz, int ny, int nx, int, int, int y0, int y1, int x0, int x1,
                      const real *temperature, real *after, const real *flux, int parts, int steps,
                      real stable, real unstable, real cooling) {
  const View3<const real> T{temperature, ny, nx};
  const View3<real> out{after, ny, nx};
  const View2<const real> q{flux, nx};
  const int levels = nz * parts;
  each_column(
      y0, y1, x0, x1, 3 * levels, KOKKOS_LAMBDA(int j, int i, Own t) {
        for (int k = 0; k < nz; ++k) {
          const real below = T(k, j, i) - T(std::max(k - 1, 0), j, i);
          const real above = T(std::min(k + 1, nz - 1), j, i) - T(k, j, i);
          const real least = std::min(std::abs(below), std::abs(above));
          const real slope = below * above > 0 ? (below > 0 ? least : -least) : real(0);
          for (int p = 0; p < parts; ++p)
            t[k * parts + p] = T(k, j, i) + ((p + real(0.5)) / parts - real(0.5)) * slope;
        }
        for (int n = 0; n < steps; ++n)
          mix(levels, t, t.from(levels), t.from(2 * levels), stable, unstable, cooling * q(j, i));
        for (int k = 0; k < nz; ++k) {
          real sum = 0;
          for (int p = 0; p < parts; ++p) sum += t[k * parts + p];
          out(k, j, i) = sum / parts;
        }
      });
}

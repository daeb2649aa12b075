// dT/dt = d/dz(kappa dT/dz) by backward Euler through Kokkos: Thomas' algorithm, a strip of columns
// a team.
#include "_kokkos_columns.hpp"

extern "C" void mix(int, int ny, int nx, int z0, int z1, int y0, int y1, int x0, int x1,
                    const real *temperature_, real *out_,
                    real stable, real unstable, real cooling) {
  const View3<const real> temperature{temperature_, ny, nx};
  const View3<real> out{out_, ny, nx};
  each_strip(
      y0, y1, x0, x1, std::max(0, z1 - z0) + 3, KOKKOS_LAMBDA(int y, const Strip &strip) {
        real *const d = strip.row(0), *const e = strip.row(1), *const below = strip.row(2);
        const View2<real> c{strip.row(3), strip.n};
        strip([&](int i) { d[i] = e[i] = below[i] = 0; });
        for (int z = z0; z < z1; ++z)
          strip([&](int i) {
            const int x = strip.x0 + i;
            real right = temperature(z, y, x), above = 0;
            if (z < z1 - 1)
              above = temperature(z + 1, y, x) < right ? unstable : stable;
            else
              right -= cooling;
            const real s = 1 + below[i] * e[i];
            const real inverse = 1 / (s + above);
            d[i] = (right + below[i] * d[i]) * inverse;
            e[i] = s * inverse;
            c(z - z0, i) = above * inverse;
            out(z, y, x) = d[i];
            below[i] = above;
          });
        for (int z = z1 - 2; z >= z0; --z)
          strip([&](int i) {
            const int x = strip.x0 + i;
            out(z, y, x) += c(z - z0, i) * out(z + 1, y, x);
          });
      });
}

// dT/dt = d/dz(kappa dT/dz) by backward Euler through Kokkos: Thomas' algorithm, a row of columns a
// team.
extern "C" void mix(int, int ny, int nx, int z0, int z1, int y0, int y1, int x0, int x1,
                    const real *temperature_, real *out_,
                    real stable, real unstable, real cooling) {
  const View3<const real> temperature{temperature_, ny, nx};
  const View3<real> out{out_, ny, nx};
  const int n = std::max(0, x1 - x0), reals = (std::max(0, z1 - z0) + 3) * n;
  Kokkos::parallel_for(
      team(y1 - y0, reals), KOKKOS_LAMBDA(const Member &member) {
        const int y = y0 + member.league_rank();
        real *const d = Own(member.team_scratch(1), reals).data();
        real *const e = d + n, *const below = e + n;
        const View2<real> c{below + n, n};
        std::fill(d, d + 3 * n, real(0));
        for (int z = z0; z < z1; ++z)
#pragma omp simd
          for (int i = 0; i < n; ++i) {
            const int x = x0 + i;
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
          }
        for (int z = z1 - 2; z >= z0; --z)
#pragma omp simd
          for (int i = 0; i < n; ++i) out(z, y, x0 + i) += c(z - z0, i) * out(z + 1, y, x0 + i);
      });
}

// du/dt = kappa lap(u) through Kokkos, a cell at a time.
extern "C" void diffuse(int nz, int ny, int nx, int z0, int z1, int y0, int y1, int x0, int x1,
                        const real *u_, real *out_, real cx, real cy, real cz) {
  const Field<const real ***> u(u_, nz, ny, nx);
  const Field<real ***> out(out_, nz, ny, nx);
  Kokkos::parallel_for(
      cells(z0, z1, y0, y1, x0, x1), KOKKOS_LAMBDA(int z, int y, int x) {
        out(z, y, x) = u(z, y, x)
                     + cx * (u(z, y, x - 1) - 2 * u(z, y, x) + u(z, y, x + 1))
                     + cy * (u(z, y - 1, x) - 2 * u(z, y, x) + u(z, y + 1, x))
                     + cz * (u(z - 1, y, x) - 2 * u(z, y, x) + u(z + 1, y, x));
      });
}

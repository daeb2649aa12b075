// du/dt = kappa lap(u) through Kokkos, row by row.
extern "C" void diffuse(int, int ny, int nx, int z0, int z1, int y0, int y1, int x0, int x1,
                        const real *u_, real *out_, real cx, real cy, real cz) {
  const View3<const real> u{u_, ny, nx};
  const View3<real> out{out_, ny, nx};
  each_row(
      z0, z1, y0, y1, x0, x1, KOKKOS_LAMBDA(int z, int y, Row row) {
        row([&](int x) {
          out(z, y, x) = u(z, y, x)
                       + cx * (u(z, y, x - 1) - 2 * u(z, y, x) + u(z, y, x + 1))
                       + cy * (u(z, y - 1, x) - 2 * u(z, y, x) + u(z, y + 1, x))
                       + cz * (u(z - 1, y, x) - 2 * u(z, y, x) + u(z + 1, y, x));
        });
      });
}

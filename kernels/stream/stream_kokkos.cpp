// STREAM (McCalpin) through Kokkos: a = c, a = b + s c, and chains of y = y s + b.
constexpr int links = 16 * 64;  // CHAIN x PASSES

extern "C" void copy_to(int, int i0, int i1, const real *c, real *a) {
  Kokkos::parallel_for(range(i0, i1), KOKKOS_LAMBDA(int i) { a[i] = c[i]; });
}

extern "C" void triad(int, int i0, int i1, const real *b, const real *c, real *a, real s) {
  Kokkos::parallel_for(range(i0, i1), KOKKOS_LAMBDA(int i) { a[i] = b[i] + s * c[i]; });
}

extern "C" void multiply_add(int, int i0, int i1, const real *b, real *a, real s) {
  each_in_vectors(
      i0, i1, KOKKOS_LAMBDA(long i) {
        real y = b[i];
        for (int link = 0; link < links; ++link) y = std::fma(y, s, b[i]);
        a[i] = y;
      });
}

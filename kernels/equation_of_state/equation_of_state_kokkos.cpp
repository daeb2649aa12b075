// rho = r0(zeta) + r'(tau, s, zeta) through Kokkos: the polynomials are in equation_of_state.hpp.
#include "equation_of_state.hpp"

extern "C" void density(int, int i0, int i1, const real *theta, const real *salinity,
                        const real *z, real *rho) {
  each_in_vectors(
      i0, i1, KOKKOS_LAMBDA(long i) { rho[i] = density_at(theta[i], salinity[i], z[i]); });
}

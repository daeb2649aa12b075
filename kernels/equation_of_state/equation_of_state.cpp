// rho = r0(zeta) + r'(tau, s, zeta) in C++: the polynomials are in equation_of_state.hpp.
#include "equation_of_state.hpp"

extern "C" void density(int, int i0, int i1, const real *theta, const real *salinity,
                        const real *z, real *rho) {
#pragma omp parallel for simd
  for (int i = i0; i < i1; ++i) rho[i] = density_at(theta[i], salinity[i], z[i]);
}

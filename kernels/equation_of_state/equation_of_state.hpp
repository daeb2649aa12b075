// rho = r0(zeta) + r'(tau, s, zeta), density of sea water, in C++.
#pragma once

#include "_views.hpp"

// The polynomials of Roquet et al. (2015) by Horner's rule, kg/m3.
KOKKOS_FUNCTION static inline real density_at(real theta, real salinity, real z) {
  const real tau = theta * per_theta;
  const real s = std::sqrt((salinity + s_shift) * per_s);
  const real zeta = z * per_z;
  const real a3 = R013 * tau + R103 * s + R003;
  const real a2 = (R022 * tau + R112 * s + R012) * tau + (R202 * s + R102) * s + R002;
  const real a1 = (((R041 * tau + R131 * s + R031) * tau + (R221 * s + R121) * s + R021) * tau
                   + ((R311 * s + R211) * s + R111) * s + R011) * tau
                + (((R401 * s + R301) * s + R201) * s + R101) * s + R001;
  const real a0 = (((((R060 * tau + R150 * s + R050) * tau + (R240 * s + R140) * s + R040) * tau
                     + ((R330 * s + R230) * s + R130) * s + R030) * tau
                    + (((R420 * s + R320) * s + R220) * s + R120) * s + R020) * tau
                   + ((((R510 * s + R410) * s + R310) * s + R210) * s + R110) * s + R010) * tau
                + (((((R600 * s + R500) * s + R400) * s + R300) * s + R200) * s + R100) * s + R000;
  const real r0 = (((((R05 * zeta + R04) * zeta + R03) * zeta + R02) * zeta + R01) * zeta + R00)
                * zeta;
  return r0 + ((a3 * zeta + a2) * zeta + a1) * zeta + a0;
}

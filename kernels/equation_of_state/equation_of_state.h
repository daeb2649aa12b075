// rho = r0(zeta) + r'(tau, s, zeta), kg/m3: the polynomial of Roquet et al. (2015) with
// tau = theta / 40, s = sqrt((salinity + 32) / (40 x 35.16504 / 35)), zeta = -z / 1e4, by Horner's
// rule. The coefficients are compile-time constants (coefficients.py).
#include "_occa_math.h"

#define K(coefficient) ((real) (coefficient))

static inline real density_at(const real theta, const real salinity, const real z) {
  const real tau = theta * K(per_theta);
  const real s = sqrt((salinity + K(s_shift)) * K(per_s));
  const real zeta = z * K(per_z);
  const real r3 = muladd(K(R013), tau, muladd(K(R103), s, K(R003)));
  const real r21 = muladd(K(R022), tau, muladd(K(R112), s, K(R012)));
  const real r2 = muladd(r21, tau, muladd(muladd(K(R202), s, K(R102)), s, K(R002)));
  real r1 = muladd(K(R041), tau, muladd(K(R131), s, K(R031)));
  r1 = muladd(r1, tau, muladd(muladd(K(R221), s, K(R121)), s, K(R021)));
  r1 = muladd(r1, tau, muladd(muladd(muladd(K(R311), s, K(R211)), s, K(R111)), s, K(R011)));
  const real r100 = muladd(muladd(K(R401), s, K(R301)), s, K(R201));
  r1 = muladd(r1, tau, muladd(muladd(r100, s, K(R101)), s, K(R001)));
  real r0 = muladd(K(R060), tau, muladd(K(R150), s, K(R050)));
  r0 = muladd(r0, tau, muladd(muladd(K(R240), s, K(R140)), s, K(R040)));
  r0 = muladd(r0, tau, muladd(muladd(muladd(K(R330), s, K(R230)), s, K(R130)), s, K(R030)));
  const real r020 = muladd(muladd(K(R420), s, K(R320)), s, K(R220));
  r0 = muladd(r0, tau, muladd(muladd(r020, s, K(R120)), s, K(R020)));
  const real r010 = muladd(muladd(muladd(K(R510), s, K(R410)), s, K(R310)), s, K(R210));
  r0 = muladd(r0, tau, muladd(muladd(r010, s, K(R110)), s, K(R010)));
  const real r000 = muladd(muladd(muladd(K(R600), s, K(R500)), s, K(R400)), s, K(R300));
  r0 = muladd(r0, tau,
              muladd(muladd(muladd(r000, s, K(R200)), s, K(R100)), s, K(R000)));
  const real deep = muladd(muladd(K(R05), zeta, K(R04)), zeta, K(R03));
  const real profile = muladd(muladd(muladd(deep, zeta, K(R02)), zeta, K(R01)), zeta, K(R00));
  return muladd(profile, zeta, muladd(muladd(muladd(r3, zeta, r2), zeta, r1), zeta, r0));
}

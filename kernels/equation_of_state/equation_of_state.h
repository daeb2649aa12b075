// rho = r0(zeta) + r'(tau, s, zeta), kg/m3: the polynomial of Roquet et al. (2015) with
// tau = theta / 40, s = sqrt((salinity + 32) / (40 x 35.16504 / 35)), zeta = -z / 1e4, by Horner's
// rule. The coefficients are compile-time constants (coefficients.py).
#include "_occa_math.h"

#define K(coefficient) ((real) (coefficient))

static inline real density_at(const real theta, const real salinity, const real z) {
  const real tau = theta * K(per_theta);
  const real s = sqrt((salinity + K(s_shift)) * K(per_s));
  const real zeta = z * K(per_z);
  // The innermost polynomials are of tau: they need not wait for the root.
  const real r30 = muladd(K(R013), tau, K(R003));
  const real r3 = muladd(K(R103), s, r30);
  const real r21 = muladd(K(R112), tau, K(R102));
  const real r20 = muladd(muladd(K(R022), tau, K(R012)), tau, K(R002));
  const real r2 = muladd(muladd(K(R202), s, r21), s, r20);
  const real r13 = muladd(K(R311), tau, K(R301));
  const real r12 = muladd(muladd(K(R221), tau, K(R211)), tau, K(R201));
  const real r11 = muladd(muladd(muladd(K(R131), tau, K(R121)), tau, K(R111)), tau, K(R101));
  real r10 = muladd(muladd(K(R041), tau, K(R031)), tau, K(R021));
  r10 = muladd(muladd(r10, tau, K(R011)), tau, K(R001));
  const real r1 = muladd(muladd(muladd(muladd(K(R401), s, r13), s, r12), s, r11), s, r10);
  const real r05 = muladd(K(R510), tau, K(R500));
  const real r04 = muladd(muladd(K(R420), tau, K(R410)), tau, K(R400));
  const real r03 = muladd(muladd(muladd(K(R330), tau, K(R320)), tau, K(R310)), tau, K(R300));
  real r02 = muladd(muladd(K(R240), tau, K(R230)), tau, K(R220));
  r02 = muladd(muladd(r02, tau, K(R210)), tau, K(R200));
  real r01 = muladd(muladd(K(R150), tau, K(R140)), tau, K(R130));
  r01 = muladd(muladd(muladd(r01, tau, K(R120)), tau, K(R110)), tau, K(R100));
  real r00 = muladd(muladd(muladd(K(R060), tau, K(R050)), tau, K(R040)), tau, K(R030));
  r00 = muladd(muladd(muladd(r00, tau, K(R020)), tau, K(R010)), tau, K(R000));
  const real upper = muladd(muladd(muladd(K(R600), s, r05), s, r04), s, r03);
  const real r0 = muladd(muladd(muladd(upper, s, r02), s, r01), s, r00);
  const real deep = muladd(muladd(K(R05), zeta, K(R04)), zeta, K(R03));
  const real profile = muladd(muladd(muladd(deep, zeta, K(R02)), zeta, K(R01)), zeta, K(R00));
  return muladd(profile, zeta, muladd(muladd(muladd(r3, zeta, r2), zeta, r1), zeta, r0));
}

// Upwind fluxes through faces for OKL sources: WENO5-Z (Borges et al. 2008), of third and first order
// near walls, and centred diffusion.
//
// Everything is in differences from the upwind cell: c + sum w_k (p_k - c) / sum w_k keeps its
// digits where c is large.
#include "_occa_math.h"

#define K(number) ((real) (number))

// The value at the face between the upwind cell and the next, of five cells in a line from far
// upwind to far downwind, the upwind cell in the middle. In differences from it: a and b upwind,
// d and e downwind.
//
// In double precision, the weights of WENO5-Z over one denominator: alpha_k ~
// C_k (e_k + tau^2) prod_{j != k} e_j with e_k = (beta_k + eps)^2, everything times 4. In single
// precision the products would underflow: a division for each weight.
inline real weno5(const real upwind, const real a, const real b, const real d, const real e) {
  const real curve0 = muladd(K(-2.0), d, e);
  const real slope0 = muladd(K(-4.0), d, e);
  const real curve1 = b + d;
  const real slope1 = b - d;
  const real curve2 = muladd(K(-2.0), b, a);
  const real slope2 = muladd(K(-4.0), b, a);
  const real beta0 = muladd(K(13.0), curve0 * curve0, K(3.0) * (slope0 * slope0));
  const real beta1 = muladd(K(13.0), curve1 * curve1, K(3.0) * (slope1 * slope1));
  const real beta2 = muladd(K(13.0), curve2 * curve2, K(3.0) * (slope2 * slope2));
#if single
  const real tau = fabs(beta0 - beta2);
  const real ratio0 = tau / (beta0 + K(4e-8));
  const real ratio1 = tau / (beta1 + K(4e-8));
  const real ratio2 = tau / (beta2 + K(4e-8));
  const real w0 = muladd(K(3.0), ratio0 * ratio0, K(3.0));
  const real w1 = muladd(K(6.0), ratio1 * ratio1, K(6.0));
  const real w2 = muladd(ratio2, ratio2, K(1.0));
#else
  const real tau = beta0 - beta2;
  const real shifted0 = beta0 + K(4e-8);
  const real shifted1 = beta1 + K(4e-8);
  const real shifted2 = beta2 + K(4e-8);
  const real e0 = shifted0 * shifted0;
  const real e1 = shifted1 * shifted1;
  const real e2 = shifted2 * shifted2;
  const real w0 = K(3.0) * muladd(tau, tau, e0) * (e1 * e2);
  const real w1 = K(6.0) * muladd(tau, tau, e1) * (e0 * e2);
  const real w2 = muladd(tau, tau, e2) * (e0 * e1);
#endif
  const real p0 = muladd(K(5.0), d, -e);
  const real p1 = muladd(K(2.0), d, -b);
  const real p2 = muladd(K(2.0), a, K(-7.0) * b);
  const real parts = muladd(w0, p0, muladd(w1, p1, w2 * p2));
  return upwind + parts / (K(6.0) * (w0 + w1 + w2));
}

// The same of third order, of three cells: b upwind and d downwind of the middle.
inline real weno3(const real upwind, const real b, const real d) {
  const real beta0 = d * d;
  const real beta1 = b * b;
  const real tau = fabs(beta0 - beta1);
  const real ratio0 = tau / (beta0 + K(1e-8));
  const real ratio1 = tau / (beta1 + K(1e-8));
  const real w0 = muladd(K(2.0), ratio0 * ratio0, K(2.0));
  const real w1 = muladd(ratio1, ratio1, K(1.0));
  return upwind + muladd(w0, d, -w1 * b) / (K(2.0) * (w0 + w1));
}

// The flux through a face: what `velocity` carries of the face value, and diffusion between the
// cells on its sides.
inline real flux(const real velocity, const real value, const real before, const real after,
                 const real k) {
  return muladd(velocity, value, -k * (after - before));
}

// Fluxes through the face between `before` and `after`; the other cells lie beyond them in a line.
inline real flux5(const real velocity, const real before3, const real before2, const real before,
                  const real after, const real after2, const real after3, const real k) {
  const bool forward = velocity > K(0.0);
  const real upwind = forward ? before : after;
  const real a = (forward ? before3 : after3) - upwind;
  const real b = (forward ? before2 : after2) - upwind;
  const real d = (forward ? after : before) - upwind;
  const real e = (forward ? after2 : before2) - upwind;
  return flux(velocity, weno5(upwind, a, b, d, e), before, after, k);
}

// Two cells away from a wall.
inline real flux3(const real velocity, const real before2, const real before, const real after,
                  const real after2, const real k) {
  const bool forward = velocity > K(0.0);
  const real upwind = forward ? before : after;
  const real b = (forward ? before2 : after2) - upwind;
  const real d = (forward ? after : before) - upwind;
  return flux(velocity, weno3(upwind, b, d), before, after, k);
}

// One cell away from a wall.
inline real flux1(const real velocity, const real before, const real after, const real k) {
  return flux(velocity, velocity > K(0.0) ? before : after, before, after, k);
}

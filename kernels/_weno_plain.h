// The value at a face by WENO5-Z as Borges et al. (2008) write it, and of third order, in plain OKL.

#define EPS ((real) 1e-8)

inline real square(const real x) {
  return x * x;
}

// The value at the face between c and d, from the left, in differences from c.
inline real weno5(const real a_, const real b_, const real c, const real d_, const real e_) {
  const real a = a_ - c;
  const real b = b_ - c;
  const real d = d_ - c;
  const real e = e_ - c;
  const real beta0 = (13 * square(e - 2 * d) + 3 * square(e - 4 * d)) / 4;
  const real beta1 = (13 * square(b + d) + 3 * square(b - d)) / 4;
  const real beta2 = (13 * square(a - 2 * b) + 3 * square(a - 4 * b)) / 4;
  const real tau = fabs(beta0 - beta2);
  const real alpha0 = 3 * (1 + square(tau / (beta0 + EPS)));
  const real alpha1 = 6 * (1 + square(tau / (beta1 + EPS)));
  const real alpha2 = 1 + square(tau / (beta2 + EPS));
  const real parts = alpha0 * (5 * d - e) + alpha1 * (2 * d - b) + alpha2 * (2 * a - 7 * b);
  return c + parts / (6 * (alpha0 + alpha1 + alpha2));
}

// Of third order, from two cells on the left and one on the right.
inline real weno3(const real b_, const real c, const real d_) {
  const real b = b_ - c;
  const real d = d_ - c;
  const real beta0 = d * d;
  const real beta1 = b * b;
  const real tau = fabs(beta0 - beta1);
  const real alpha0 = 2 * (1 + square(tau / (beta0 + EPS)));
  const real alpha1 = 1 + square(tau / (beta1 + EPS));
  return c + (alpha0 * d - alpha1 * b) / (2 * (alpha0 + alpha1));
}

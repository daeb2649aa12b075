// dq/dt + div f(q) = 0 with q = (rho, rho v1, rho v2, rho v3, E), the compressible Euler equations,
// by nodal discontinuous Galerkin (DGSEM on Legendre-Gauss-Lobatto nodes): pointwise physics.
//
// A direction is given by the numbers 1 to 3 of its normal and of the two tangential velocities: v_n,
// v_s and v_t. States on the lower and the upper side of a face are `ll` and `rr`.
//
// Compiled for: real, nodes = p + 1, split, volume (the matrix V, row by row), lift = 1 / w_0.
#include "_occa_math.h"

#define GAMMA ((real) 1.4)
#define INVERSE_GAMMA_MINUS_ONE ((real) 2.5)
#define HALF ((real) 0.5)
#define CUBE (nodes * nodes * nodes)
#define LARGER(a, b) ((a) > (b) ? (a) : (b))
#define MAGNITUDE(a) ((a) < 0 ? -(a) : (a))

// p of momenta, velocities and total energy.
inline real pressure(const real m1, const real m2, const real m3,
                     const real v1, const real v2, const real v3, const real E) {
  const real twice_kinetic = muladd(m3, v3, muladd(m2, v2, m1 * v1));
  return (GAMMA - 1) * muladd(-HALF, twice_kinetic, E);
}

// f of a state in a direction: mass, momentum along n, s and t, energy.
inline void flux(const real rho, const real v_n, const real v_s, const real v_t, const real p,
                 const real E, real *f) {
  const real mass = rho * v_n;
  f[0] = mass;
  f[1] = muladd(mass, v_n, p);
  f[2] = mass * v_s;
  f[3] = mass * v_t;
  f[4] = (E + p) * v_n;
}

// The two-point flux of Shima et al. (2021): symmetric, it preserves kinetic energy and the
// equilibrium of pressure.
inline void flux_shima(const real rho_ll, const real v_n_ll, const real v_s_ll, const real v_t_ll,
                       const real p_ll,
                       const real rho_rr, const real v_n_rr, const real v_s_rr, const real v_t_rr,
                       const real p_rr, real *f) {
  const real v_n_mean = HALF * (v_n_ll + v_n_rr);
  const real p_mean = HALF * (p_ll + p_rr);
  const real mass = HALF * (rho_ll + rho_rr) * v_n_mean;
  const real half_mass = HALF * mass;
  const real product = muladd(v_t_ll, v_t_rr, muladd(v_s_ll, v_s_rr, v_n_ll * v_n_rr));
  const real work = muladd(p_ll, v_n_rr, p_rr * v_n_ll);
  f[0] = mass;
  f[1] = muladd(half_mass, v_n_ll + v_n_rr, p_mean);
  f[2] = half_mass * (v_s_ll + v_s_rr);
  f[3] = half_mass * (v_t_ll + v_t_rr);
  f[4] = muladd(INVERSE_GAMMA_MINUS_ONE * p_mean, v_n_mean,
                muladd(half_mass, product, HALF * work));
}

// Twice the Rusanov (local Lax-Friedrichs) flux between a node, primitive, and the node of the
// neighbour that it meets, conserved: f(own) + f(other) - side lambda (other - own), with
// lambda = max |v_n| + max c; side is 1 where the neighbour lies on the upper side, else -1.
inline void twice_flux_rusanov(const real rho, const real v_n, const real v_s, const real v_t,
                               const real p, const real E,
                               const real rho_other, const real m_n_other, const real m_s_other,
                               const real m_t_other, const real E_other,
                               const real side, real *f) {
  const real inverse = 1 / rho_other;
  const real v_n_other = m_n_other * inverse;
  const real v_s_other = m_s_other * inverse;
  const real v_t_other = m_t_other * inverse;
  const real p_other = pressure(m_n_other, m_s_other, m_t_other,
                                v_n_other, v_s_other, v_t_other, E_other);
  const real c = sqrt(GAMMA * p / rho);
  const real c_other = sqrt(GAMMA * p_other * inverse);
  const real speed = MAGNITUDE(v_n);
  const real speed_other = MAGNITUDE(v_n_other);
  const real lambda = side * (LARGER(speed, speed_other) + LARGER(c, c_other));
  const real m_n = rho * v_n;
  const real momentum = muladd(m_n, v_n, p) + muladd(m_n_other, v_n_other, p_other);
  const real second = muladd(m_n, v_s, m_n_other * v_s_other);
  const real third = muladd(m_n, v_t, m_n_other * v_t_other);
  const real energy = muladd(E + p, v_n, (E_other + p_other) * v_n_other);
  f[0] = muladd(-lambda, rho_other - rho, m_n + m_n_other);
  f[1] = muladd(-lambda, m_n_other - m_n, momentum);
  f[2] = muladd(-lambda, muladd(-rho, v_s, m_s_other), second);
  f[3] = muladd(-lambda, muladd(-rho, v_t, m_t_other), third);
  f[4] = muladd(-lambda, E_other - E, energy);
}

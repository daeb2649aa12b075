// dT/dt = d/dz(kappa dT/dz) by backward Euler: what a level of Thomas' elimination computes from the
// level below. `below` and `above` are dt kappa / dz^2 of its faces, d and e those of the level
// below; e = 1 - c, which is free of cancellation.
#include "_occa_math.h"

// Of the face between two levels.
inline real mixing(const real temperature, const real temperature_above,
                   const real stable, const real unstable) {
  return (temperature_above < temperature) ? unstable : stable;
}

inline void eliminate(const real temperature, const real below, const real above,
                      const real d_below, const real e_below, real *c, real *d, real *e) {
  const real s = muladd(below, e_below, (real) 1);
  const real inverse = (real) 1 / (s + above);
  *c = above * inverse;
  *d = muladd(below, d_below, temperature) * inverse;
  *e = s * inverse;
}

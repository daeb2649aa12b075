// dc/dt = -div(v c) + kappa lap(c), finite volumes on a C-grid: fluxes through faces, upwind with
// WENO5-Z, of third and first order near walls, and centred diffusion.
#include "_weno.h"

// dc/dt of a cell, from the fluxes through its faces.
inline real tendency(const real west, const real east, const real south, const real north,
                     const real bottom, const real top,
                     const real idx, const real idy, const real idz) {
  return muladd(bottom - top, idz, muladd(west - east, idx, (south - north) * idy));
}

// The second stage of RK3: the new value of a field, before the history is taken on.
inline real second_stage(const real now, const real history, const real rate,
                         const real second, const real weight) {
  return now + muladd(second, rate, weight * (now - history));
}

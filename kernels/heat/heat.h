// du/dt = kappa lap(u), 7 points, in differences from the centre: u and its neighbours in x, y, z.
#include "_occa_math.h"

inline real diffused(const real u, const real west, const real east, const real south,
                     const real north, const real below, const real above,
                     const real cx, const real cy, const real cz) {
  const real dx = (west - u) + (east - u);
  const real dy = (south - u) + (north - u);
  const real dz = (below - u) + (above - u);
  return muladd(cz, dz, muladd(cy, dy, muladd(cx, dx, u)));
}

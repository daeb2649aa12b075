// A = -lap on cell centres, 7 points. All of a V-cycle is the combination
// u x + v b + wx (x_w + x_e) + wy (x_s + x_n) + wz (x_b + x_t):
// sweeps x + omega (b - A x), averages of the residual, and sweeps of a corrected x.
#include "_occa_math.h"

// The combination with something added.
inline real combined(const real more, const real x, const real b, const real west, const real east,
                     const real south, const real north, const real below, const real above,
                     const real u, const real v, const real wx, const real wy, const real wz) {
  const real centre = muladd(v, b, muladd(u, x, more));
  return muladd(wz, below + above, muladd(wy, south + north, muladd(wx, west + east, centre)));
}

// Beyond a wall is the value inside: the planes below and above plane z.
#define LOW(z) (((z) - 1 > bottom) ? (z) - 1 : bottom)
#define HIGH(z) (((z) + 1 < top - 1) ? (z) + 1 : top - 1)
// The parent of a cell, on an axis whose first cell, 1, has the parent `origin`.
#define PARENT(cell, shift, origin) ((((cell) - 1) >> (shift)) + (origin))

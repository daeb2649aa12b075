// A = -lap on cell centres in C++. All of a V-cycle is the combination
// u x + v b + wx (x_w + x_e) + wy (x_s + x_n) + wz (x_b + x_t): sweeps x + omega (b - A x), averages
// of the residual, and sweeps of a corrected x.
#pragma once

#include "_views.hpp"

using In = View3<const real>;
using Out = View3<real>;

// The combination at a cell; beyond a wall is the value inside.
template <class X>
KOKKOS_FUNCTION static inline real combined(const X &x, const In &b, int z, int y, int i,
                                            int bottom, int top, real u, real v, real wx, real wy, real wz) {
  const int low = std::max(z - 1, bottom), high = std::min(z + 1, top - 1);
  return u * x(z, y, i) + v * b(z, y, i)
       + wx * (x(z, y, i - 1) + x(z, y, i + 1))
       + wy * (x(z, y - 1, i) + x(z, y + 1, i))
       + wz * (x(low, y, i) + x(high, y, i));
}

// x with the value of each cell's parent: the first cell, 1, has the parent o.
struct Raised {
  In x, coarse;
  int sz, sy, sx, oz, oy, ox;
  KOKKOS_FUNCTION real operator()(int z, int y, int i) const {
    return x(z, y, i)
         + coarse(((z - 1) >> sz) + oz, ((y - 1) >> sy) + oy, ((i - 1) >> sx) + ox);
  }
};

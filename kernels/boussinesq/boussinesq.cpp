// Boussinesq flow on a C-grid in C++: u* = a A + b B + g G(u), the divergence, and the projection.
#include "_views.hpp"
#include "_weno.hpp"

using In = View3<const real>;
using Out = View3<real>;

// Steps in memory along x, y and z, and none, for b at centres.
enum Axis { X, Y, Z, CENTRE };

struct Flow {
  In u, v, w, b;
  int bottom, top;
  real idx, idy, idz, nu, kappa, f, n2;

  // Of a velocity, at the face of a field that lies on the faces of `side`.
  static real middle(const In &c, Axis side, int z, int y, int x) {
    switch (side) {
      case X: return real(0.5) * (c(z, y, x - 1) + c(z, y, x));
      case Y: return real(0.5) * (c(z, y - 1, x) + c(z, y, x));
      case Z: return real(0.5) * (c(z - 1, y, x) + c(z, y, x));
      default: return c(z, y, x);
    }
  }

  // Through the face between q[-jump] and q[0], with `reach` cells of q on either side.
  static real through(real velocity, const real *q, long jump, int reach, real k) {
    const bool forward = velocity > 0;
    real value = 0;
    if (advection == 0)
      value = real(0.5) * (q[-jump] + q[0]);
    else if (advection == 1 && reach >= 3)
      value = forward ? weno5(q[-3 * jump], q[-2 * jump], q[-jump], q[0], q[jump])
                      : weno5(q[2 * jump], q[jump], q[0], q[-jump], q[-2 * jump]);
    else if (advection == 1 && reach == 2)
      value = forward ? weno3(q[-2 * jump], q[-jump], q[0]) : weno3(q[jump], q[0], q[-jump]);
    else if (advection == 1)
      value = forward ? q[-jump] : q[0];
    return velocity * value - k * (q[0] - q[-jump]);
  }

  real through_x(const In &q, Axis side, real k, int z, int y, int x) const {
    return through(middle(u, side, z, y, x), &q(z, y, x), 1, 3, k * idx);
  }
  real through_y(const In &q, Axis side, real k, int z, int y, int x) const {
    return through(middle(v, side, z, y, x), &q(z, y, x), q.nx, 3, k * idy);
  }
  // Nothing goes through a wall. w has values on walls, and its cells end half a cell beyond them.
  real through_z(const In &q, Axis side, real k, int z, int y, int x) const {
    const int reach = std::min(z - bottom, top - z + (side == Z));
    if (reach <= 0) return 0;
    return through(middle(w, side, z, y, x), &q(z, y, x), q.ny * q.nx, reach, k * idz);
  }

  // What flows in, less what flows out.
  real inflow(const In &q, Axis side, real k, int z, int y, int x) const {
    return (through_x(q, side, k, z, y, x) - through_x(q, side, k, z, y, x + 1)) * idx
         + (through_y(q, side, k, z, y, x) - through_y(q, side, k, z, y + 1, x)) * idy
         + (through_z(q, side, k, z, y, x) - through_z(q, side, k, z + 1, y, x)) * idz;
  }

  real u_rate(int z, int y, int x) const {
    return inflow(u, X, nu, z, y, x)
         + f / 4 * (v(z, y, x - 1) + v(z, y, x) + v(z, y + 1, x - 1) + v(z, y + 1, x));
  }
  real v_rate(int z, int y, int x) const {
    return inflow(v, Y, nu, z, y, x)
         - f / 4 * (u(z, y - 1, x) + u(z, y, x) + u(z, y - 1, x + 1) + u(z, y, x + 1));
  }
  // Nothing accelerates w on a wall.
  real w_rate(int z, int y, int x) const {
    const real rate = inflow(w, Z, nu, z, y, x) + (b(z - 1, y, x) + b(z, y, x)) / 2;
    return z == bottom ? 0 : rate;
  }
  real b_rate(int z, int y, int x) const {
    return inflow(b, CENTRE, kappa, z, y, x) - n2 / 2 * (w(z, y, x) + w(z + 1, y, x));
  }
};

// (u1, ...) = first (ua, ...) + second (ub, ...) + gain G(u, v, w, b).
extern "C" void predict(int, int ny, int nx, int z0, int z1, int y0, int y1, int x0, int x1,
                        const real *u, const real *v, const real *w, const real *b,
                        const real *ua, const real *va, const real *wa, const real *ba,
                        const real *ub, const real *vb, const real *wb, const real *bb,
                        real *u1, real *v1, real *w1, real *b1, int bottom, int top,
                        real idx, real idy, real idz, real nu, real kappa, real f, real n2,
                        real first, real second, real gain) {
  const Flow flow{{u, ny, nx}, {v, ny, nx}, {w, ny, nx}, {b, ny, nx},
                  bottom, top, idx, idy, idz, nu, kappa, f, n2};
  // A thread's own: what it shares is read again for every cell, and no loop becomes vectors.
#pragma omp parallel for firstprivate(flow)
  for (int z = z0; z < z1; ++z)
    for (int y = y0; y < y1; ++y) {
      const long row = (long(z) * ny + y) * nx;
#pragma omp simd
      for (int x = x0; x < x1; ++x)
        u1[row + x] = first * ua[row + x] + second * ub[row + x] + gain * flow.u_rate(z, y, x);
#pragma omp simd
      for (int x = x0; x < x1; ++x)
        v1[row + x] = first * va[row + x] + second * vb[row + x] + gain * flow.v_rate(z, y, x);
#pragma omp simd
      for (int x = x0; x < x1; ++x)
        w1[row + x] = first * wa[row + x] + second * wb[row + x] + gain * flow.w_rate(z, y, x);
#pragma omp simd
      for (int x = x0; x < x1; ++x)
        b1[row + x] = first * ba[row + x] + second * bb[row + x] + gain * flow.b_rate(z, y, x);
    }
}

// rhs = sx (u1 east - u1) + sy (v1 north - v1) + sz (w1 above - w1).
extern "C" void divergence(int, int ny, int nx, int z0, int z1, int y0, int y1, int x0, int x1,
                           const real *u1, const real *v1, const real *w1, real *rhs,
                           real sx, real sy, real sz) {
  const In u{u1, ny, nx}, v{v1, ny, nx}, w{w1, ny, nx};
  const Out out{rhs, ny, nx};
#pragma omp parallel for
  for (int z = z0; z < z1; ++z)
    for (int y = y0; y < y1; ++y)
#pragma omp simd
      for (int x = x0; x < x1; ++x)
        out(z, y, x) = sx * (u(z, y, x + 1) - u(z, y, x)) + sy * (v(z, y + 1, x) - v(z, y, x))
                     + sz * (w(z + 1, y, x) - w(z, y, x));
}

// The velocities lose g times the pressure's difference; w on a wall keeps what it is.
extern "C" void project(int, int ny, int nx, int z0, int z1, int y0, int y1, int x0, int x1,
                        const real *p_, real *u1, real *v1, real *w1, int bottom,
                        real gx, real gy, real gz) {
  const In p{p_, ny, nx};
  const Out u{u1, ny, nx}, v{v1, ny, nx}, w{w1, ny, nx};
#pragma omp parallel for
  for (int z = z0; z < z1; ++z)
    for (int y = y0; y < y1; ++y) {
#pragma omp simd
      for (int x = x0; x < x1; ++x) {
        u(z, y, x) -= gx * (p(z, y, x) - p(z, y, x - 1));
        v(z, y, x) -= gy * (p(z, y, x) - p(z, y - 1, x));
      }
      if (z == bottom) continue;
#pragma omp simd
      for (int x = x0; x < x1; ++x) w(z, y, x) -= gz * (p(z, y, x) - p(z - 1, y, x));
    }
}

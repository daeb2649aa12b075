// Boussinesq flow on a C-grid: what the velocities carry through faces, by centred means, upwind with
// WENO5-Z, or nothing (`advection` 0, 1, 2); diffusion, turning, buoyancy and stratification; the
// projection.
//
// Pointers are at a cell. A field that lies on the faces of an axis is carried by the velocities'
// means there: `side` is how far the cell before it is along that axis, 0 for b at centres.
#include "_weno.h"

#define HALF K(0.5)
#define QUARTER K(0.25)

// Through the face between q[-jump] and q[0], with `reach` cells of q on either side.
inline real through(const real velocity, const real *q, const long jump, const int reach,
                    const real k) {
#if advection == 1
  if (reach >= 3) {
    return flux5(velocity, q[-3 * jump], q[-2 * jump], q[-jump], q[0], q[jump], q[2 * jump], k);
  }
  if (reach == 2) {
    return flux3(velocity, q[-2 * jump], q[-jump], q[0], q[jump], k);
  }
  return flux1(velocity, q[-jump], q[0], k);
#elif advection == 0
  return flux(velocity, HALF * (q[-jump] + q[0]), q[-jump], q[0], k);
#else
  return -k * (q[0] - q[-jump]);
#endif
}

// A velocity between its values here and `side` before.
inline real middle(const real *velocity, const long side) {
  return HALF * (velocity[-side] + velocity[0]);
}

// The smaller of the cells below and above a horizontal face, up to the walls.
inline int nearest(const int below, const int above) {
  return (below < above) ? below : above;
}

// What flows in, less what flows out.
inline real inflow(const real west, const real east, const real south, const real north,
                   const real bottom, const real top,
                   const real idx, const real idy, const real idz) {
  return muladd(bottom - top, idz, muladd(west - east, idx, (south - north) * idy));
}

// f times the mean of the four v around u.
inline real turned_u(const real *v, const long nx, const real f) {
  return f * (QUARTER * ((v[-1] + v[0]) + (v[nx - 1] + v[nx])));
}

// -f times the mean of the four u around v.
inline real turned_v(const real *u, const long nx, const real f) {
  return -f * (QUARTER * ((u[-nx] + u[0]) + (u[1 - nx] + u[1])));
}

inline real lifted(const real *b, const long plane) {
  return HALF * (b[-plane] + b[0]);
}

inline real stratified(const real *w, const long plane, const real n2) {
  return -n2 * (HALF * (w[0] + w[plane]));
}

// What a stage makes of two states and a rate of change.
inline real staged(const real first, const real a, const real second, const real b,
                   const real gain, const real rate) {
  return muladd(gain, rate, muladd(second, b, first * a));
}

inline real diverging(const real *u, const real *v, const real *w, const long nx, const long plane,
                      const real sx, const real sy, const real sz) {
  return muladd(u[1] - u[0], sx, muladd(v[nx] - v[0], sy, (w[plane] - w[0]) * sz));
}

// A velocity less g times the pressure's difference along its axis.
inline real projected(const real velocity, const real *p, const long jump, const real g) {
  return muladd(-g, p[0] - p[-jump], velocity);
}

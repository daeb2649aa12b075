// Rotating shallow water, Sadourny's energy-conserving scheme on a C-grid (u at west faces, v at
// south faces, h at centres; x and y are a cell's indices):
//
//   U = mean_x(h) u,  V = mean_y(h) v,  q = (f + dv/dx - du/dy) / mean_xy(h),
//   B = (mean_x(u^2) + mean_y(v^2)) / 2 + g h,
//   du/dt = mean_y(q mean_x(V)) - dB/dx,  dv/dt = -mean_x(q mean_y(U)) - dB/dy,
//   dh/dt = -dU/dx - dV/dy.
#include "_occa_math.h"

#define HALF ((real) 0.5)
#define QUARTER ((real) 0.25)

// q at a corner, from the velocities on both its sides and the depths of the four cells around it.
inline real potential_vorticity(const real v_west, const real v_east,
                                const real u_south, const real u_north, const real depths,
                                const real f, const real idx, const real idy) {
  const real curl = muladd(v_east - v_west, idx, -(u_north - u_south) * idy);
  return (f + curl) / (QUARTER * depths);
}

// B at a centre, from the velocities on the cell's faces.
inline real bernoulli(const real u_west, const real u_east, const real v_south, const real v_north,
                      const real h, const real g) {
  const real squares = muladd(u_west, u_west, u_east * u_east)
                     + muladd(v_south, v_south, v_north * v_north);
  return muladd(g, h, QUARTER * squares);
}

// du/dt at a cell's west face: q at its south and north corners with the V around it, B on its sides.
inline real u_rate(const real q_south, const real V_south_west, const real V_south_east,
                   const real q_north, const real V_north_west, const real V_north_east,
                   const real B_west, const real B_east, const real idx) {
  const real turning = muladd(q_south, V_south_west + V_south_east,
                              q_north * (V_north_west + V_north_east));
  return muladd(QUARTER, turning, -(B_east - B_west) * idx);
}

// dv/dt at a cell's south face: q at its west and east corners with the U around it, B on its sides.
inline real v_rate(const real q_west, const real U_south_west, const real U_north_west,
                   const real q_east, const real U_south_east, const real U_north_east,
                   const real B_south, const real B_north, const real idy) {
  const real turning = muladd(q_west, U_south_west + U_north_west,
                              q_east * (U_south_east + U_north_east));
  return muladd(-QUARTER, turning, -(B_north - B_south) * idy);
}

inline real h_rate(const real U_west, const real U_east, const real V_south, const real V_north,
                   const real idx, const real idy) {
  return muladd(U_west - U_east, idx, (V_south - V_north) * idy);
}

// The second stage of RK3: the new value of a field, before the history is taken on.
inline real second_stage(const real now, const real history, const real rate,
                         const real second, const real weight) {
  return now + muladd(second, rate, weight * (now - history));
}

// Viscosity by lanes, see euler.okl: scratch memory holds the variables u [v1, v2, v3, T][node], with
// T = p / rho, and their gradients g [direction][variable][node].
//
// Compiled for `slope` (the matrix S of viscous.py, row by row) as well.

// The variables of a node, `step` apart.
inline void variables(const real *q0, const long component, real *u, const int step) {
  const real *q1 = q0 + component;
  const real *q2 = q1 + component;
  const real *q3 = q2 + component;
  const real *q4 = q3 + component;
  real v1[lanes];
  real v2[lanes];
  real v3[lanes];
  real T[lanes];
#pragma GCC unroll 1
  for (int lane = 0; lane < lanes; ++lane) {
    const real inverse = 1 / q0[lane];
    v1[lane] = q1[lane] * inverse;
    v2[lane] = q2[lane] * inverse;
    v3[lane] = q3[lane] * inverse;
    T[lane] = inverse * pressure(q1[lane], q2[lane], q3[lane], v1[lane], v2[lane], v3[lane],
                                 q4[lane]);
  }
  copy(v1, u);
  copy(v2, u + step);
  copy(v3, u + 2 * step);
  copy(T, u + 3 * step);
}

// g += c times the derivative along a line of one component, with the mean of both sides on faces:
// u is the line, below and above are the neighbours' nodes, g points to the line's first node.
inline void add_slope(const real *u, const real *below, const real *above, const real c,
                      const int jump, real *g) {
  const real S[nodes * nodes] = {slope};
  for (int i = 0; i < nodes; ++i) {
    add_product(u, S + i * nodes, c, g + i * jump);
  }
  add(below, g, -c * (real) lift);
  add(above, g + (nodes - 1) * jump, c * (real) lift);
}

// The variables and gradients of the elements that q points to, with 1 / dx_d in `inverse`.
inline void gradients(const real *q, const int ny, const long row, const real *inverse,
                      real *u, real *g) {
  const long component = CUBE * row;
  const long across[3] = {1, 5 * component, ny * 5 * component};
  for (int m = 0; m < CUBE; ++m) {
    variables(q + m * row, component, u + m * lanes, STEP);
  }
  for (int m = 0; m < 12 * STEP; ++m) {
    g[m] = 0;
  }
  int jump = 1;
  for (int d = 0; d < 3; ++d) {
    for (int line = 0; line < nodes * nodes; ++line) {
      const int m = line / jump * (jump * nodes) + line % jump;
      const int end = m + (nodes - 1) * jump;
      real below[4 * lanes];
      real above[4 * lanes];
      variables(q - across[d] + end * row, component, below, lanes);
      variables(q + across[d] + m * row, component, above, lanes);
      for (int part = 0; part < 4; ++part) {
        real own[LINE];
        for (int l = 0; l < nodes; ++l) {
          copy(u + part * STEP + (m + l * jump) * lanes, own + l * lanes);
        }
        add_slope(own, below + part * lanes, above + part * lanes, inverse[d], jump * lanes,
                  g + (4 * d + part) * STEP + m * lanes);
      }
    }
    jump *= nodes;
  }
}

// The first `count` lanes.
inline void write(const real *from, real *to, const int count) {
  if (count >= lanes) {
    copy(from, to);
  } else {
    for (int lane = 0; lane < count; ++lane) {
      to[lane] = from[lane];
    }
  }
}

// The fluxes of a node, of its variables and gradients, for the first `count` lanes. The stress is
// mu (grad v + grad v^T - 2/3 div v), the heat flux -kappa grad T.
inline void node_fluxes(const real *u, const real *g, const real mu, const real kappa,
                        const long component, const int count, real *fx, real *fy, real *fz) {
  real f[9 * lanes];
#pragma GCC unroll 1
  for (int lane = 0; lane < lanes; ++lane) {
    const real *at = g + lane;
    const real v1 = u[lane];
    const real v2 = u[STEP + lane];
    const real v3 = u[2 * STEP + lane];
    const real compression = (at[0] + at[5 * STEP] + at[10 * STEP]) * ((real) 1 / 3);
    const real xx = 2 * mu * (at[0] - compression);
    const real yy = 2 * mu * (at[5 * STEP] - compression);
    const real zz = 2 * mu * (at[10 * STEP] - compression);
    const real xy = mu * (at[STEP] + at[4 * STEP]);
    const real xz = mu * (at[2 * STEP] + at[8 * STEP]);
    const real yz = mu * (at[6 * STEP] + at[9 * STEP]);
    f[lane] = xx;
    f[lanes + lane] = yy;
    f[2 * lanes + lane] = zz;
    f[3 * lanes + lane] = xy;
    f[4 * lanes + lane] = xz;
    f[5 * lanes + lane] = yz;
    f[6 * lanes + lane] = muladd(v3, xz, muladd(v2, xy, muladd(v1, xx, kappa * at[3 * STEP])));
    f[7 * lanes + lane] = muladd(v3, yz, muladd(v2, yy, muladd(v1, xy, kappa * at[7 * STEP])));
    f[8 * lanes + lane] = muladd(v3, zz, muladd(v2, yz, muladd(v1, xz, kappa * at[11 * STEP])));
  }
  write(f, fx, count);
  write(f + 3 * lanes, fx + component, count);
  write(f + 4 * lanes, fx + 2 * component, count);
  write(f + 6 * lanes, fx + 3 * component, count);
  write(f + 3 * lanes, fy, count);
  write(f + lanes, fy + component, count);
  write(f + 5 * lanes, fy + 2 * component, count);
  write(f + 7 * lanes, fy + 3 * component, count);
  write(f + 4 * lanes, fz, count);
  write(f + 5 * lanes, fz + component, count);
  write(f + 2 * lanes, fz + 2 * component, count);
  write(f + 8 * lanes, fz + 3 * component, count);
}

// r += c times the derivative of a flux along its direction, of all components but the first.
inline void divergence(const real *f, const int jump, const long across, const long row,
                       const real c, real *r) {
  for (int part = 0; part < 4; ++part) {
    const real *of_part = f + (1 + part) * CUBE * row;
    for (int line = 0; line < nodes * nodes; ++line) {
      const int m = line / jump * (jump * nodes) + line % jump;
      real own[LINE];
      for (int l = 0; l < nodes; ++l) {
        copy(of_part + (m + l * jump) * row, own + l * lanes);
      }
      add_slope(own, of_part - across + (m + (nodes - 1) * jump) * row,
                of_part + across + m * row, c, jump * lanes, r + part * STEP + m * lanes);
    }
  }
}

// k += r, out += b r for the first `count` lanes, of all components but the first.
inline void add_change(real *k, real *out, const long row, const real *r, const int count,
                       const real b) {
  for (int m = 0; m < 4 * CUBE; ++m) {
    real *km = k + (CUBE + m) * row;
    real *om = out + (CUBE + m) * row;
    real change[lanes];
    real value[lanes];
#pragma GCC unroll 1
    for (int lane = 0; lane < lanes; ++lane) {
      change[lane] = km[lane] + r[m * lanes + lane];
      value[lane] = muladd(b, r[m * lanes + lane], om[lane]);
    }
    write(change, km, count);
    write(value, om, count);
  }
}

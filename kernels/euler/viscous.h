// Viscosity by nodes: what a node's gradients, fluxes and their divergence are. The variables are
// u = (v1, v2, v3, T), T = p / rho; a flux has a component of each momentum and of the energy.
//
// A line is given by its first node, by `jump` from node to node and `across` from element to
// element; i is a node's index in it. Compiled for: nodes, lift = 1 / w_0, slope (the matrix S of
// viscous.py, row by row).

const real S[nodes * nodes] = {slope};

// The variables of the node that q points to; components are `component` apart.
inline void variables(const real *q, const long component, real *u) {
  const real inverse = 1 / q[0];
  const real m1 = q[component];
  const real m2 = q[2 * component];
  const real m3 = q[3 * component];
  u[0] = m1 * inverse;
  u[1] = m2 * inverse;
  u[2] = m3 * inverse;
  const real internal = q[4 * component] - (m1 * u[0] + m2 * u[1] + m3 * u[2]) / 2;
  u[3] = (GAMMA - 1) * internal * inverse;
}

// g: the derivatives of the variables along a line, with the mean of both sides on faces.
inline void gradient(const real *q, const long jump, const long across, const long component,
                     const int i, const real inverse, real *g) {
  real u[4];
  real total[4] = {0, 0, 0, 0};
  for (int l = 0; l < nodes; ++l) {
    variables(q + l * jump, component, u);
    for (int part = 0; part < 4; ++part) {
      total[part] += S[i * nodes + l] * u[part];
    }
  }
  if (i == 0) {
    variables(q - across + (nodes - 1) * jump, component, u);
    for (int part = 0; part < 4; ++part) {
      total[part] -= (real) lift * u[part];
    }
  }
  if (i == nodes - 1) {
    variables(q + across, component, u);
    for (int part = 0; part < 4; ++part) {
      total[part] += (real) lift * u[part];
    }
  }
  for (int part = 0; part < 4; ++part) {
    g[part] = inverse * total[part];
  }
}

// The fluxes of a node of the variables u and gradients gx, gy and gz, whose momentum lies at fx, fy
// and fz. The stress is mu (grad v + grad v^T - 2/3 div v), the heat flux -kappa grad T.
inline void node_fluxes(const real *u, const real *gx, const real *gy, const real *gz,
                        const real mu, const real kappa, const long component,
                        real *fx, real *fy, real *fz) {
  const real compression = (gx[0] + gy[1] + gz[2]) / 3;
  const real xx = 2 * mu * (gx[0] - compression);
  const real yy = 2 * mu * (gy[1] - compression);
  const real zz = 2 * mu * (gz[2] - compression);
  const real xy = mu * (gx[1] + gy[0]);
  const real xz = mu * (gx[2] + gz[0]);
  const real yz = mu * (gy[2] + gz[1]);
  fx[0] = xx;
  fx[component] = xy;
  fx[2 * component] = xz;
  fx[3 * component] = u[0] * xx + u[1] * xy + u[2] * xz + kappa * gx[3];
  fy[0] = xy;
  fy[component] = yy;
  fy[2 * component] = yz;
  fy[3 * component] = u[0] * xy + u[1] * yy + u[2] * yz + kappa * gy[3];
  fz[0] = xz;
  fz[component] = yz;
  fz[2 * component] = zz;
  fz[3 * component] = u[0] * xz + u[1] * yz + u[2] * zz + kappa * gz[3];
}

// The derivative of one component of a flux along a line, likewise.
inline real derivative(const real *f, const long jump, const long across, const int i) {
  real total = 0;
  for (int l = 0; l < nodes; ++l) {
    total += S[i * nodes + l] * f[l * jump];
  }
  if (i == 0) {
    total -= (real) lift * f[(nodes - 1) * jump - across];
  }
  if (i == nodes - 1) {
    total += (real) lift * f[across];
  }
  return total;
}

// Of the node m of the element that q points to.
inline void viscous_flux_of(const real *q, real *fx, real *fy, real *fz, const int m, const int ny,
                            const long row, const real mu, const real kappa,
                            const real ix, const real iy, const real iz) {
  const int i = m % nodes;
  const int j = m / nodes % nodes;
  const int h = m / (nodes * nodes);
  const long component = CUBE * row;
  const real *node = q + m * row;
  real u[4];
  real gx[4];
  real gy[4];
  real gz[4];
  variables(node, component, u);
  gradient(node - i * row, row, 1, component, i, ix, gx);
  gradient(node - j * nodes * row, nodes * row, 5 * component, component, j, iy, gy);
  gradient(node - h * nodes * nodes * row, nodes * nodes * row, ny * 5 * component, component, h,
           iz, gz);
  const long to = component + m * row;
  node_fluxes(u, gx, gy, gz, mu, kappa, component, fx + to, fy + to, fz + to);
}

// What viscosity adds to the node m of an element, through all its fluxes.
inline void viscous_of(const real *fx, const real *fy, const real *fz, real *k, real *out,
                       const int m, const int ny, const long row, const real b,
                       const real sx, const real sy, const real sz) {
  const int i = m % nodes;
  const int j = m / nodes % nodes;
  const int h = m / (nodes * nodes);
  const long component = CUBE * row;
  for (int part = 1; part < 5; ++part) {
    const long at = part * component + m * row;
    const real added =
        sx * derivative(fx + at - i * row, row, 1, i)
        + sy * derivative(fy + at - j * nodes * row, nodes * row, 5 * component, j)
        + sz * derivative(fz + at - h * nodes * nodes * row, nodes * nodes * row,
                          ny * 5 * component, h);
    k[at] += added;
    out[at] += b * added;
  }
}

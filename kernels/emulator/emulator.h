// A column by itself: a perceptron for an interval of vertical mixing, and the solver it replaces.
// What plain sources and GPUs share. Levels of a column lie `plane` apart.
#include "_occa_math.h"

#define WIDEST 128
#define FINEST 128

inline void predict_column(const real *t, real *out, const real q, const long plane, const int nz,
                           const real *weights, const real *bias, const int *starts,
                           const int *columns, const int *plan, const int layers,
                           const real interval) {
  real values[2 * WIDEST];
  real *x = values;
  real *y = values + WIDEST;
  for (int k = 0; k < nz - 1; ++k) {
    x[k] = t[(k + 1) * plane] - t[k * plane];
  }
  x[nz - 1] = q;
  int row = 0;
  for (int layer = 0; layer < layers; ++layer) {
    for (int r = 0; r < plan[2 * layer]; ++r) {
      real sum = bias[row];
      for (int j = starts[row]; j < starts[row + 1]; ++j) {
        sum = muladd(weights[j], x[columns[j]], sum);
      }
      y[r] = (plan[2 * layer + 1] && sum < 0) ? 0 : sum;
      ++row;
    }
    real *other = x;
    x = y;
    y = other;
  }
  // A plain sum would be reordered by Intel's OpenCL where a group of columns ends, and only there.
  real mean = x[0];
  for (int k = 1; k < nz; ++k) {
    mean = muladd((real) 1, x[k], mean);
  }
  mean = muladd(interval, q, mean / nz);
  for (int k = 0; k < nz; ++k) {
    out[k * plane] = t[k * plane] + (x[k] - mean);
  }
}

// The smaller of two slopes of one sign, else none.
inline real limited(const real below, const real above) {
  if (below * above <= 0) {
    return 0;
  }
  return ((below > 0) == (below < above)) ? below : above;
}

// A step of `column`: backward Euler, Thomas' elimination with e = 1 - c.
inline void mix_column(real *t, real *c, real *d, const int levels, const real stable,
                       const real unstable, const real cooling) {
  real e = 0;
  real below = 0;
  for (int k = 0; k < levels; ++k) {
    const int top = (k == levels - 1);
    const real above = top ? 0 : ((t[k + 1] < t[k]) ? unstable : stable);
    const real s = muladd(below, e, (real) 1);
    const real inverse = 1 / (s + above);
    e = s * inverse;
    c[k] = above * inverse;
    d[k] = muladd(below, (k > 0) ? d[k - 1] : 0, top ? t[k] - cooling : t[k]) * inverse;
    below = above;
  }
  t[levels - 1] = d[levels - 1];
  for (int k = levels - 2; k >= 0; --k) {
    t[k] = muladd(c[k], t[k + 1], d[k]);
  }
}

inline void solve_column(const real *start, real *out, const long plane, const int nz,
                         const int parts, const int steps, const real stable,
                         const real unstable, const real cooling) {
  real t[FINEST];
  real c[FINEST];
  real d[FINEST];
  for (int k = 0; k < nz; ++k) {
    const real here = start[k * plane];
    const real lower = start[((k > 0) ? k - 1 : 0) * plane];
    const real upper = start[((k < nz - 1) ? k + 1 : k) * plane];
    const real slope = limited(here - lower, upper - here);
    for (int part = 0; part < parts; ++part) {
      t[k * parts + part] = muladd((part + (real) 0.5) / parts - (real) 0.5, slope, here);
    }
  }
  for (int step = 0; step < steps; ++step) {
    mix_column(t, c, d, nz * parts, stable, unstable, cooling);
  }
  for (int k = 0; k < nz; ++k) {
    real sum = t[k * parts];
    for (int part = 1; part < parts; ++part) {
      sum += t[k * parts + part];
    }
    out[k * plane] = sum / parts;
  }
}

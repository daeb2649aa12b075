// dT/dt = d/dz(kappa dT/dz) by backward Euler in C++: Thomas' algorithm for rows of columns.
#include <vector>

#include "_views.hpp"

extern "C" void mix(int, int ny, int nx, int z0, int z1, int y0, int y1, int x0, int x1,
                    const real *temperature_, real *out_,
                    real stable, real unstable, real cooling) {
  const View3<const real> temperature{temperature_, ny, nx};
  const View3<real> out{out_, ny, nx};
  const int n = x1 - x0;
#pragma omp parallel
  {
    std::vector<real> c_(std::max(0, z1 - z0) * std::max(0, n)), d(n), e(n), below(n);
#pragma omp for
    for (int y = y0; y < y1; ++y) {
      for (auto *zero : {&d, &e, &below}) std::fill(zero->begin(), zero->end(), real(0));
      const View2<real> c{c_.data(), n};
      for (int z = z0; z < z1; ++z)
#pragma omp simd
        for (int i = 0; i < n; ++i) {
          const int x = x0 + i;
          real right = temperature(z, y, x), above = 0;
          if (z < z1 - 1)
            above = temperature(z + 1, y, x) < right ? unstable : stable;
          else
            right -= cooling;
          const real s = 1 + below[i] * e[i];
          const real inverse = 1 / (s + above);
          d[i] = (right + below[i] * d[i]) * inverse;
          e[i] = s * inverse;
          c(z - z0, i) = above * inverse;
          out(z, y, x) = d[i];
          below[i] = above;
        }
      for (int z = z1 - 2; z >= z0; --z)
#pragma omp simd
        for (int i = 0; i < n; ++i) out(z, y, x0 + i) += c(z - z0, i) * out(z + 1, y, x0 + i);
    }
  }
}

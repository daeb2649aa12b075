// What the bridge calls where Kokkos computes in host memory.
#pragma once

#include "_kokkos.hpp"

// field[targets[i] + j] = field[sources[i] + j] for all j < length, as exchanges need. Where rows are
// short, each is a miss of its own that no processor foresees: those AHEAD are asked for now.
extern "C" void copy_rows(long count, long length, const long *sources, const long *targets,
                          real *field) {
  Kokkos::parallel_for(
      range(0, count), KOKKOS_LAMBDA(long i) {
        constexpr long AHEAD = 24;
        const long ahead = std::min(i + AHEAD, count - 1);
        __builtin_prefetch(field + sources[ahead], 0);
        __builtin_prefetch(field + targets[ahead], 1);
        for (long j = 0; j < length; ++j) field[targets[i] + j] = field[sources[i] + j];
      });
}

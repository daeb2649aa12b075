// What Kokkos sources share: where they compute (`Space`), the rows of a box, Kokkos' own views of
// arrays in memory, and what the bridge calls. For Kokkos 3.4 to 5.
#pragma once

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cmath>

#include "_views.hpp"

template <class T>
using Field = Kokkos::View<T, Kokkos::LayoutRight, Kokkos::HostSpace,
                           Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
using Range = Kokkos::RangePolicy<Space>;
using Rows = Kokkos::MDRangePolicy<Space, Kokkos::Rank<2>>;
using Cells = Kokkos::MDRangePolicy<Space, Kokkos::Rank<3>>;

// Policies over boxes, which may be empty: Kokkos takes no range that ends before it begins.
inline Range range(long a, long b) { return Range(a, std::max(a, b)); }
inline Rows rows(long a0, long a1, long b0, long b1) {
  return Rows({a0, b0}, {std::max(a0, a1), std::max(b0, b1)});
}
inline Cells cells(long z0, long z1, long y0, long y1, long x0, long x1) {
  return Cells({z0, y0, x0}, {std::max(z0, z1), std::max(y0, y1), std::max(x0, x1)});
}

// f(i) for i0 <= i < i1 in vectors: an index of Kokkos' is a block of them.
template <class F>
inline void each_in_vectors(long i0, long i1, F f) {
  constexpr long BLOCK = 256;
  Kokkos::parallel_for(
      range(0, (i1 - i0 + BLOCK - 1) / BLOCK), KOKKOS_LAMBDA(long block) {
        const long first = i0 + block * BLOCK, end = std::min(i1, first + BLOCK);
#pragma omp simd
        for (long i = first; i < end; ++i) f(i);
      });
}

// Policies whose members have memory of their own: as many as `league`, with so many reals each.
using Team = Kokkos::TeamPolicy<Space>;
using Member = Team::member_type;
using Own = Kokkos::View<real *, typename Space::scratch_memory_space,
                         Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
inline Team team(int league, int reals) {
  return Team(std::max(0, league), 1)
      .set_scratch_size(1, Kokkos::PerTeam(Own::shmem_size(std::max(0, reals))));
}

// Starts Kokkos on so many threads, once in a process; returns on how many it computes.
extern "C" int kokkos_start(int threads) {
  if (!Kokkos::is_initialized()) {
#if KOKKOS_VERSION >= 30700
    Kokkos::initialize(
        Kokkos::InitializationSettings().set_num_threads(threads).set_disable_warnings(true));
#else
    Kokkos::InitArguments arguments;
    arguments.num_threads = threads;
    arguments.disable_warnings = true;
    Kokkos::initialize(arguments);
#endif
  }
  return Space().concurrency();
}

extern "C" void kokkos_stop() {
  if (Kokkos::is_initialized()) Kokkos::finalize();
}

extern "C" void kokkos_fence() { Kokkos::fence(); }

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

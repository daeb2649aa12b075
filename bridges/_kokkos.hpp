// What Kokkos sources share: what is done with the rows of a box, Kokkos' own views of arrays in
// memory, and what the bridge calls; where they compute is `Space`, which the bridge names, and
// ON_GPU. For Kokkos 3.4 to 5.
//
// A processor goes through a row in vectors. A GPU gives each cell to a thread, neighbours along x
// to neighbours. A lambda says what is done with a `Row`, and need not know which of them it is.
#pragma once

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cmath>

#include "_views.hpp"

using Memory = typename Space::memory_space;

template <class T>
using Field =
    Kokkos::View<T, Kokkos::LayoutRight, Memory, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
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

// Cells x0 <= x < x1 of a row: row(f) does f(x) for each of them.
struct Row {
  int x0, x1;
  template <class F>
  KOKKOS_FUNCTION void operator()(const F &f) const {
#pragma omp simd
    for (int x = x0; x < x1; ++x) f(x);
  }
};

template <class F>
struct ByRow {
  F f;
  int x0, x1;
  KOKKOS_FUNCTION void operator()(int y) const { f(y, Row{x0, x1}); }
  KOKKOS_FUNCTION void operator()(int z, int y) const { f(z, y, Row{x0, x1}); }
};

template <class F>
struct ByCell {
  F f;
  KOKKOS_FUNCTION void operator()(int x, int y) const { f(y, Row{x, x + 1}); }
  KOKKOS_FUNCTION void operator()(int x, int y, int z) const { f(z, y, Row{x, x + 1}); }
};

// Policies of GPUs: the first index is that of neighbouring threads, of which a block has 32 x 4.
template <int rank>
using Threads = Kokkos::MDRangePolicy<
    Space, Kokkos::Rank<rank, Kokkos::Iterate::Left, Kokkos::Iterate::Left>>;

// f(y, row) for the rows of a box.
template <class F>
inline void each_row(int y0, int y1, int x0, int x1, const F &f) {
  if constexpr (ON_GPU)
    Kokkos::parallel_for(Threads<2>({x0, y0}, {std::max(x0, x1), std::max(y0, y1)}, {32, 4}),
                         ByCell<F>{f});
  else
    Kokkos::parallel_for(range(y0, y1), ByRow<F>{f, x0, x1});
}

// f(z, y, row) for the rows of a box.
template <class F>
inline void each_row(int z0, int z1, int y0, int y1, int x0, int x1, const F &f) {
  if constexpr (ON_GPU)
    Kokkos::parallel_for(
        Threads<3>({x0, y0, z0}, {std::max(x0, x1), std::max(y0, y1), std::max(z0, z1)},
                   {32, 4, 1}),
        ByCell<F>{f});
  else
    Kokkos::parallel_for(rows(z0, z1, y0, y1), ByRow<F>{f, x0, x1});
}

template <class F>
struct ByBlock {
  static constexpr long CELLS = 256;
  F f;
  long i0, i1;
  KOKKOS_FUNCTION void operator()(long block) const {
    const long first = i0 + block * CELLS;
    Row{0, int(std::min(i1 - first, CELLS))}([&](int i) { f(first + i); });
  }
};

// f(i) for i0 <= i < i1 in vectors: an index of Kokkos' is a block of them.
template <class F>
inline void each_in_vectors(long i0, long i1, const F &f) {
  constexpr long CELLS = ByBlock<F>::CELLS;
  if constexpr (ON_GPU)
    Kokkos::parallel_for(range(i0, i1), f);
  else
    Kokkos::parallel_for(range(0, (i1 - i0 + CELLS - 1) / CELLS), ByBlock<F>{f, i0, i1});
}

// Starts Kokkos on so many threads, or on the first GPU that this process sees, once in a process;
// returns on how many threads it computes.
extern "C" int kokkos_start(int threads) {
  if (!Kokkos::is_initialized()) {
#if KOKKOS_VERSION >= 30700
    Kokkos::InitializationSettings settings;
    settings.set_num_threads(threads).set_disable_warnings(true);
    if (ON_GPU) settings.set_device_id(0);
#else
    Kokkos::InitArguments settings;
    settings.num_threads = threads;
    settings.disable_warnings = true;
    if (ON_GPU) settings.device_id = 0;
#endif
    Kokkos::initialize(settings);
  }
  return ON_GPU ? threads : Space().concurrency();
}

extern "C" void kokkos_stop() {
  if (Kokkos::is_initialized()) Kokkos::finalize();
}

extern "C" void kokkos_fence() { Kokkos::fence(); }

// Columns with memory of their own through Kokkos: a processor's thread has a row of them after
// another, a GPU's team as many columns as threads.
#pragma once

#include "_kokkos.hpp"

using Team = Kokkos::TeamPolicy<Space>;
using Member = typename Team::member_type;
using Scratch = Kokkos::View<real *, typename Space::scratch_memory_space,
                             Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
constexpr int WIDTH = ON_GPU ? 128 : 1;  // columns that lie side by side in that memory

// The reals that belong to one column.
struct Own {
  real *data;
  KOKKOS_FUNCTION real &operator[](int k) const { return data[k * WIDTH]; }
  KOKKOS_FUNCTION Own from(int k) const { return {data + k * WIDTH}; }
};

// The n columns from x0 on of a row; strip(f) does f(i) for each of them, strip.row(k) are n reals.
struct Strip {
  const Member &member;
  int x0, n;
  real *data;
  KOKKOS_FUNCTION real *row(int k) const { return data + k * n; }
  template <class F>
  KOKKOS_FUNCTION void operator()(const F &f) const {
    if constexpr (ON_GPU)
      Kokkos::parallel_for(Kokkos::TeamThreadRange(member, n), f);
    else
      Row{0, n}(f);
  }
};

template <class F>
struct ByStrip {
  F f;
  int y0, x0, x1, width, strips, reals;
  KOKKOS_FUNCTION void operator()(const Member &member) const {
    const int y = y0 + member.league_rank() / strips;
    const int x = x0 + member.league_rank() % strips * width;
    real *const data = Scratch(member.team_scratch(1), reals).data();
    f(y, Strip{member, x, std::min(width, x1 - x), data});
  }
};

template <class F>
struct ByColumn {
  F f;
  KOKKOS_FUNCTION void operator()(int y, const Strip &strip) const {
    if constexpr (ON_GPU)
      strip([&](int i) { f(y, strip.x0 + i, Own{strip.data + i}); });
    else
      for (int x = strip.x0, end = x + strip.n; x < end; ++x) f(y, x, Own{strip.data});
  }
};

// A league of teams over the rows, with so many reals each.
template <class F>
inline void in_teams(int y0, int y1, int x0, int x1, int width, int reals, const F &f) {
  if (y0 >= y1 || x0 >= x1) return;
  const int strips = (x1 - x0 + width - 1) / width;
  const ByStrip<F> each{f, y0, x0, x1, width, strips, reals};
  const int league = (y1 - y0) * strips;
  const int most = ON_GPU ? Team(league, 1).team_size_max(each, Kokkos::ParallelForTag()) : 1;
  const auto memory = Kokkos::PerTeam(Scratch::shmem_size(reals));
  Kokkos::parallel_for(Team(league, std::min(WIDTH, most)).set_scratch_size(1, memory), each);
}

// f(y, strip) for all strips of the rows, with so many reals a column.
template <class F>
inline void each_strip(int y0, int y1, int x0, int x1, int reals, const F &f) {
  const int width = ON_GPU ? WIDTH : std::max(1, x1 - x0);
  in_teams(y0, y1, x0, x1, width, reals * width, f);
}

// f(y, x, own) for all columns of the rows, with so many reals of its own.
template <class F>
inline void each_column(int y0, int y1, int x0, int x1, int reals, const F &f) {
  const int width = ON_GPU ? WIDTH : std::max(1, x1 - x0);
  in_teams(y0, y1, x0, x1, width, reals * WIDTH, ByColumn<F>{f});
}

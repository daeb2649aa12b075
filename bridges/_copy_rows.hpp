// Rows copied within an array, as exchanges need: field[targets[i] + j] = field[sources[i] + j] for
// all j < length. Where rows are short, each is a miss of its own that no processor foresees: those
// AHEAD are asked for now.
#pragma once

extern "C" void copy_rows(long rows, long length, const long *sources, const long *targets,
                          real *field) {
  constexpr long AHEAD = 24;
#pragma omp parallel for
  for (long i = 0; i < rows; ++i) {
    const long ahead = std::min(i + AHEAD, rows - 1);
    __builtin_prefetch(field + sources[ahead], 0);
    __builtin_prefetch(field + targets[ahead], 1);
    for (long j = 0; j < length; ++j) field[targets[i] + j] = field[sources[i] + j];
  }
}

// What the bridge calls where Kokkos computes in memory of its own: that memory, and moves in it.
// All is done in the order of the calls; only `upload` and `download` wait for it.
#pragma once

#include "_kokkos.hpp"

template <class In>
using Bytes =
    Kokkos::View<char *, Kokkos::LayoutRight, In, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;

extern "C" char *kokkos_allocate(long bytes) {
  return static_cast<char *>(Kokkos::kokkos_malloc<Memory>(bytes));
}

extern "C" void kokkos_free(char *memory) {
  if (Kokkos::is_initialized()) Kokkos::kokkos_free<Memory>(memory);
}

extern "C" void kokkos_upload(char *host, char *memory, long bytes) {
  Kokkos::deep_copy(Space(), Bytes<Memory>(memory, bytes), Bytes<Kokkos::HostSpace>(host, bytes));
  Kokkos::fence();
}

extern "C" void kokkos_download(char *memory, char *host, long bytes) {
  Kokkos::deep_copy(Space(), Bytes<Kokkos::HostSpace>(host, bytes), Bytes<Memory>(memory, bytes));
  Kokkos::fence();
}

extern "C" void kokkos_copy(char *source, char *target, long bytes) {
  Kokkos::deep_copy(Space(), Bytes<Memory>(target, bytes), Bytes<Memory>(source, bytes));
}

// buffer[i] = array[places[i]]
extern "C" void kokkos_gather(long count, const real *array, const long *places, real *buffer) {
  Kokkos::parallel_for(range(0, count), KOKKOS_LAMBDA(long i) { buffer[i] = array[places[i]]; });
}

// array[places[i]] = buffer[i]
extern "C" void kokkos_scatter(long count, const real *buffer, const long *places, real *array) {
  Kokkos::parallel_for(range(0, count), KOKKOS_LAMBDA(long i) { array[places[i]] = buffer[i]; });
}

// array[targets[i]] = array[sources[i]]
extern "C" void kokkos_move(long count, const long *sources, const long *targets, real *array) {
  Kokkos::parallel_for(
      range(0, count), KOKKOS_LAMBDA(long i) { array[targets[i]] = array[sources[i]]; });
}

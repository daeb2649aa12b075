// Arrays in memory as C++ sources read them: x is the last index, and the fastest. What Kokkos'
// sources call as well carries Kokkos' mark, with which it is compiled for GPUs too.
#pragma once

#ifndef KOKKOS_FUNCTION
#define KOKKOS_FUNCTION
#endif

template <class T>
struct View2 {
  T *data;
  long nx;
  KOKKOS_FUNCTION T &operator()(long y, long x) const { return data[y * nx + x]; }
};

template <class T>
struct View3 {
  T *data;
  long ny, nx;
  KOKKOS_FUNCTION T &operator()(long z, long y, long x) const {
    return data[(z * ny + y) * nx + x];
  }
};

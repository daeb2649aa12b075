// Arrays in memory as C++ sources read them: x is the last index, and the fastest.
#pragma once

template <class T>
struct View2 {
  T *data;
  long nx;
  T &operator()(long y, long x) const { return data[y * nx + x]; }
};

template <class T>
struct View3 {
  T *data;
  long ny, nx;
  T &operator()(long z, long y, long x) const { return data[(z * ny + y) * nx + x]; }
};

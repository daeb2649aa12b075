// CUDA C++ on the processor, for tests: what OCCA writes for its CUDA mode compiles behind this.
//
// It includes next to nothing, since it is parsed for each kernel; emulator.cpp is compiled once.
#pragma once
#include "emulator.hpp"

#define __global__ __attribute__((visibility("default")))
// Seen by this library alone, and beside a `static` of the source's own, as for nvcc.
#define __device__ __attribute__((visibility("hidden")))
#define __constant__ static const
#define __launch_bounds__(threads)
#define __shared__ static __attribute__((section("emulated_shared")))
#define __syncthreads() emulated::barrier(__LINE__)

// C's functions, and those of CUDA's overloads that C has under another name.
extern "C" double fabs(double), sqrt(double), fma(double, double, double);
extern "C" float fmaf(float, float, float);
static inline float fabs(float x) { return __builtin_fabsf(x); }
static inline float sqrt(float x) { return __builtin_sqrtf(x); }

namespace emulated {
template <size_t...> struct Places {};
template <size_t N, size_t... I> struct UpTo : UpTo<N - 1, N - 1, I...> {};
template <size_t... I> struct UpTo<0, I...> { typedef Places<I...> places; };

template <class... A, size_t... I>
void call(void (*function)(A...), void *const *values, Places<I...>) {
  function(*(A *) values[I]...);
}

template <class... A>
void call(void (*function)(A...), void *const *values) {
  call(function, values, typename UpTo<sizeof...(A)>::places());
}

template <class... A>
Function described(void (*)(A...), Call *call) {
  static const size_t sizes[] = {sizeof(A)...};
  return {run, call, sizes, sizeof...(A)};
}
}  // namespace emulated

#define EMULATED(name)                                                                       \
  static void call_##name(void *const *values) { emulated::call(name, values); }             \
  extern "C" __attribute__((visibility("default"))) emulated::Function emulated_##name() {   \
    return emulated::described(name, call_##name);                                           \
  }

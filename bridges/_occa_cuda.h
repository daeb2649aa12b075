// Stands before the toolkit's cuda.h when OCCA's CUDA mode is built, so that OCCA 1.0.8 compiles
// against the headers of CUDA 11 to 13 and its binary loads with any driver of that major version.
#ifndef JOULIA_OCCA_CUDA_H
#define JOULIA_OCCA_CUDA_H

#include_next <cuda.h>

// The primary context, which MPI and the rest of the process use as well: memory is theirs too. It
// lives as long as the process. (cuCtxCreate took a fourth argument in CUDA 13.)
static inline CUresult joulia_primary_context(CUcontext *context, unsigned int, CUdevice device) {
  const CUresult error = cuDevicePrimaryCtxRetain(context, device);
  return error ? error : cuCtxSetCurrent(*context);
}
#undef cuCtxCreate
#define cuCtxCreate joulia_primary_context
#undef cuCtxDestroy
#define cuCtxDestroy(context) CUDA_SUCCESS

// The first version of this call is in every driver; headers from CUDA 12.8 on name a later one.
#undef cuEventElapsedTime
extern "C" CUresult CUDAAPI cuEventElapsedTime(float *ms, CUevent start, CUevent end);

// Advice about managed memory, which joulia does not use, took another type in CUDA 13.
#undef cuMemAdvise
#define cuMemAdvise(...) CUDA_ERROR_NOT_SUPPORTED
#undef cuMemPrefetchAsync
#define cuMemPrefetchAsync(...) CUDA_ERROR_NOT_SUPPORTED

#endif

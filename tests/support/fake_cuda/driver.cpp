// A stand-in for NVIDIA's driver that runs CUDA's functions on the processor, for tests.
//
// Work is put off until something waits for it, as on a GPU: who forgets to wait reads old values.
// Device memory begins as NaN and lies between pages that nobody may touch: what runs out of an
// array ends the process. A launch that a GPU would refuse is refused.
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cuda.h"
#include "emulator.hpp"

static std::vector<std::function<void()>> queued;
static std::map<CUdeviceptr, std::pair<char *, size_t>> allocated;
static int primary;
static CUcontext current = NULL;
static const size_t PAGE = 4096;

static int setting(const char *name, int otherwise) {
  const char *value = getenv(name);
  return value ? atoi(value) : otherwise;
}

static CUresult drain() {
  std::vector<std::function<void()>> work;
  work.swap(queued);
  for (auto &item : work) {
    item();
  }
  return CUDA_SUCCESS;
}

static bool inside(CUdeviceptr at, size_t bytes) {
  auto it = allocated.upper_bound(at);
  if (it == allocated.begin()) {
    return false;
  }
  --it;
  return at + bytes <= it->first + it->second.second;
}

static CUresult copied(void *to, const void *from, size_t bytes, bool good) {
  drain();
  if (!good || !current) {
    return good ? CUDA_ERROR_INVALID_CONTEXT : CUDA_ERROR_INVALID_VALUE;
  }
  memcpy(to, from, bytes);
  return CUDA_SUCCESS;
}

extern "C" {

// What a test asks the stand-in: how many arrays there are.
int fake_allocations() { return (int) allocated.size(); }

CUresult cuInit(unsigned int) { return CUDA_SUCCESS; }

CUresult cuDriverGetVersion(int *version) {
  *version = setting("FAKE_CUDA_DRIVER", 13000);
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetCount(int *count) {
  *count = 1;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice *device, int ordinal) {
  *device = ordinal;
  return ordinal == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuDeviceGetName(char *name, int length, CUdevice) {
  strncpy(name, "Stand-in GPU", length);
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetPCIBusId(char *name, int length, CUdevice) {
  strncpy(name, "0000:00:00.0", length);
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetUuid(void *uuid, CUdevice) {
  memset(uuid, 0x17, 16);
  return CUDA_SUCCESS;
}

CUresult cuDeviceComputeCapability(int *major, int *minor, CUdevice) {
  *major = setting("FAKE_CUDA_CAPABILITY", 90) / 10;
  *minor = setting("FAKE_CUDA_CAPABILITY", 90) % 10;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device) {
  int capability[2];
  cuDeviceComputeCapability(capability, capability + 1, device);
  switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_COMPUTE_MODE: *value = 0; break;
    case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE: *value = 1 << 20; break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *value = capability[0]; break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *value = capability[1]; break;
    default: return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

CUresult cuDeviceTotalMem(size_t *bytes, CUdevice) {
  *bytes = (size_t) 1 << 32;
  return CUDA_SUCCESS;
}

CUresult cuMemGetInfo(size_t *free, size_t *total) {
  *free = *total = (size_t) 1 << 32;
  return CUDA_SUCCESS;
}

CUresult cuDeviceCanAccessPeer(int *can, CUdevice, CUdevice) {
  *can = 0;
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice) {
  *context = (CUcontext) &primary;
  return CUDA_SUCCESS;
}

// A second context would not see what MPI and joulia itself do in the primary one.
CUresult cuCtxCreate(CUcontext *, unsigned int, CUdevice) { return CUDA_ERROR_NOT_SUPPORTED; }
CUresult cuCtxDestroy(CUcontext) { return CUDA_ERROR_NOT_SUPPORTED; }

CUresult cuCtxSetCurrent(CUcontext context) {
  current = context;
  return CUDA_SUCCESS;
}

CUresult cuCtxPushCurrent_v2(CUcontext context) { return cuCtxSetCurrent(context); }

CUresult cuCtxPopCurrent_v2(CUcontext *context) {
  *context = current;
  return cuCtxSetCurrent(NULL);
}

CUresult cuCtxEnablePeerAccess(CUcontext, unsigned int) { return CUDA_ERROR_NOT_SUPPORTED; }

CUresult cuMemAlloc(CUdeviceptr *memory, size_t bytes) {
  if (!bytes || !current) {
    return bytes ? CUDA_ERROR_INVALID_CONTEXT : CUDA_ERROR_INVALID_VALUE;
  }
  const size_t whole = (bytes + PAGE - 1) / PAGE * PAGE;
  char *pages = (char *) mmap(NULL, whole + 2 * PAGE, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  mprotect(pages, PAGE, PROT_NONE);
  mprotect(pages + PAGE + whole, PAGE, PROT_NONE);
  memset(pages + PAGE, 0xFF, whole);
  char *start = pages + PAGE + (whole - bytes) / 8 * 8;
  *memory = (CUdeviceptr) start;
  allocated[*memory] = {pages, bytes};
  return CUDA_SUCCESS;
}

CUresult cuMemFree(CUdeviceptr memory) {
  drain();
  auto it = allocated.find(memory);
  if (it == allocated.end()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const size_t whole = (it->second.second + PAGE - 1) / PAGE * PAGE;
  munmap(it->second.first, whole + 2 * PAGE);
  allocated.erase(it);
  return CUDA_SUCCESS;
}

CUresult cuMemAllocHost(void **, size_t) { return CUDA_ERROR_NOT_SUPPORTED; }
CUresult cuMemAllocManaged(CUdeviceptr *, size_t, unsigned int) { return CUDA_ERROR_NOT_SUPPORTED; }
CUresult cuMemFreeHost(void *) { return CUDA_ERROR_NOT_SUPPORTED; }

CUresult cuMemHostGetDevicePointer(CUdeviceptr *, void *, unsigned int) {
  return CUDA_ERROR_NOT_SUPPORTED;
}

CUresult cuMemHostRegister(void *, size_t, unsigned int) {
  return current ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult cuMemHostUnregister(void *) { return CUDA_SUCCESS; }

CUresult cuMemcpyDtoD(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  return copied((void *) to, (void *) from, bytes, inside(to, bytes) && inside(from, bytes));
}

CUresult cuMemcpyDtoDAsync(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream) {
  if (!inside(to, bytes) || !inside(from, bytes)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  queued.push_back([=] { memcpy((void *) to, (void *) from, bytes); });
  return CUDA_SUCCESS;
}

CUresult cuMemcpyDtoH(void *to, CUdeviceptr from, size_t bytes) {
  return copied(to, (void *) from, bytes, inside(from, bytes));
}

CUresult cuMemcpyHtoD(CUdeviceptr to, const void *from, size_t bytes) {
  return copied((void *) to, from, bytes, inside(to, bytes));
}

CUresult cuMemcpyDtoHAsync(void *to, CUdeviceptr from, size_t bytes, CUstream) {
  queued.push_back([=] { memcpy(to, (void *) from, bytes); });
  return CUDA_SUCCESS;
}

CUresult cuMemcpyHtoDAsync(CUdeviceptr to, const void *from, size_t bytes, CUstream) {
  queued.push_back([=] { memcpy((void *) to, from, bytes); });
  return CUDA_SUCCESS;
}

CUresult cuMemcpyPeer(CUdeviceptr, CUcontext, CUdeviceptr, CUcontext, size_t) {
  return CUDA_ERROR_NOT_SUPPORTED;
}

CUresult cuMemcpyPeerAsync(CUdeviceptr, CUcontext, CUdeviceptr, CUcontext, size_t, CUstream) {
  return CUDA_ERROR_NOT_SUPPORTED;
}

CUresult cuStreamCreate(CUstream *stream, unsigned int) {
  *stream = (CUstream) &queued;
  return CUDA_SUCCESS;
}

CUresult cuStreamDestroy(CUstream) { return drain(); }
CUresult cuStreamSynchronize(CUstream) { return drain(); }
CUresult cuEventCreate(CUevent *, unsigned int) { return CUDA_ERROR_NOT_SUPPORTED; }
CUresult cuEventDestroy(CUevent) { return CUDA_ERROR_NOT_SUPPORTED; }
CUresult cuEventRecord(CUevent, CUstream) { return CUDA_ERROR_NOT_SUPPORTED; }
CUresult cuEventSynchronize(CUevent) { return CUDA_ERROR_NOT_SUPPORTED; }
CUresult cuEventElapsedTime(float *, CUevent, CUevent) { return CUDA_ERROR_NOT_SUPPORTED; }

CUresult cuModuleLoad(CUmodule *module, const char *path) {
  *module = (CUmodule) dlopen(path, RTLD_NOW | RTLD_LOCAL);
  return *module ? CUDA_SUCCESS : CUDA_ERROR_INVALID_IMAGE;
}

CUresult cuModuleUnload(CUmodule) { return CUDA_SUCCESS; }

CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
  *function = (CUfunction) dlsym(module, (std::string("emulated_") + name).c_str());
  return *function ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

CUresult cuFuncGetAttribute(int *value, CUfunction_attribute, CUfunction) {
  *value = 1024;
  return CUDA_SUCCESS;
}

CUresult cuLaunchKernel(CUfunction function, unsigned int gx, unsigned int gy, unsigned int gz,
                        unsigned int bx, unsigned int by, unsigned int bz, unsigned int,
                        CUstream, void **arguments, void **) {
  const bool grid = gx && gy && gz && gx < 1u << 31 && gy < 1 << 16 && gz < 1 << 16;
  const bool block = bx && by && bz && bx * by * bz <= 1024 && bz <= 64;
  if (!grid || !block || !current) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  // A GPU takes the arguments' values when a kernel is launched, not when it runs.
  const emulated::Function launched = ((emulated::Function (*)()) function)();
  std::vector<std::vector<char>> copies;
  for (size_t i = 0; i < launched.count; ++i) {
    const char *value = (const char *) arguments[i];
    copies.emplace_back(value, value + launched.sizes[i]);
  }
  queued.push_back([=]() mutable {
    std::vector<void *> values;
    for (auto &copy : copies) {
      values.push_back(copy.data());
    }
    launched.run({gx, gy, gz}, {bx, by, bz}, launched.call, values.data());
  });
  return CUDA_SUCCESS;
}
}

/* A stand-in for NVIDIA's driver that knows GPUs and faults, and computes nothing, for tests.
 *
 * STUB_CUDA is a comma-separated list of what it should be:
 *   driver=12040   the CUDA version that it serves
 *   gpus=2         how many GPUs it shows
 *   mode=3         their compute mode
 *   mig=1          they are MIG instances
 *   capability=70  their compute capability
 *   free=1048576   bytes free on each
 *   fault=802      the code that cuInit answers with
 *   count=100      the code that cuDeviceGetCount answers with
 *   context=46     the code that making a context answers with
 *   register=2     the code that locking host pages answers with
 *   hang=1         cuInit never returns
 *   abort=1        cuInit ends the process
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int CUresult;
typedef int CUdevice;

static const size_t TOTAL = (size_t) 1 << 34;

static long setting(const char *name, long otherwise) {
  const char *list = getenv("STUB_CUDA");
  size_t length = strlen(name);
  while (list) {
    if (!strncmp(list, name, length) && list[length] == '=') {
      return atol(list + length + 1);
    }
    list = strchr(list, ',');
    list = list ? list + 1 : NULL;
  }
  return otherwise;
}

/* What was asked for is written down, for tests that count. */
static void note(const char *call) {
  const char *path = getenv("STUB_CUDA_LOG");
  FILE *log = path ? fopen(path, "a") : NULL;
  if (log) {
    fprintf(log, "%s\n", call);
    fclose(log);
  }
}

CUresult cuInit(unsigned flags) {
  (void) flags;
  if (setting("hang", 0)) {
    for (;;) {
      pause();
    }
  }
  if (setting("abort", 0)) {
    abort();
  }
  return (CUresult) setting("fault", 0);
}

CUresult cuDriverGetVersion(int *version) {
  *version = (int) setting("driver", 12040);
  return 0;
}

CUresult cuDeviceGetCount(int *count) {
  *count = (int) setting("gpus", 1);
  return (CUresult) setting("count", 0);
}

CUresult cuDeviceGet(CUdevice *device, int ordinal) {
  *device = ordinal;
  return ordinal < setting("gpus", 1) ? 0 : 101;
}

CUresult cuDeviceGetName(char *name, int length, CUdevice device) {
  snprintf(name, (size_t) length, "Stub GPU %d", device);
  return 0;
}

CUresult cuDeviceGetPCIBusId(char *name, int length, CUdevice device) {
  snprintf(name, (size_t) length, "0000:%02x:00.0", device + 1);
  return 0;
}

CUresult cuDeviceGetUuid(unsigned char *uuid, CUdevice device) {
  memset(uuid, 0xa0 + device, 16);
  return 0;
}

CUresult cuDeviceGetUuid_v2(unsigned char *uuid, CUdevice device) {
  memset(uuid, (setting("mig", 0) ? 0xb0 : 0xa0) + device, 16);
  return 0;
}

CUresult cuDeviceGetAttribute(int *value, int attribute, CUdevice device) {
  (void) device;
  switch (attribute) {
    case 20: *value = (int) setting("mode", 0); return 0;
    case 38: *value = 6 << 20; return 0;
    case 75: *value = (int) setting("capability", 70) / 10; return 0;
    case 76: *value = (int) setting("capability", 70) % 10; return 0;
    default: return 1;
  }
}

CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
  (void) device;
  *bytes = TOTAL;
  return 0;
}

CUresult cuDevicePrimaryCtxRetain(void **context, CUdevice device) {
  (void) device;
  *context = NULL;
  return (CUresult) setting("context", 0);
}

CUresult cuCtxPushCurrent_v2(void *context) {
  (void) context;
  return 0;
}

CUresult cuCtxPopCurrent_v2(void **context) {
  *context = NULL;
  return 0;
}

CUresult cuMemGetInfo_v2(size_t *free, size_t *total) {
  *total = TOTAL;
  *free = (size_t) setting("free", (long) TOTAL);
  return 0;
}

CUresult cuMemHostRegister_v2(void *at, size_t bytes, unsigned flags) {
  (void) at;
  (void) bytes;
  (void) flags;
  note("register");
  return (CUresult) setting("register", 0);
}

CUresult cuMemHostUnregister(void *at) {
  (void) at;
  note("unregister");
  return 0;
}

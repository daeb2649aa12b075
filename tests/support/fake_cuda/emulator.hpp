// What the stand-in driver, the emulator and an emulated kernel know of one another.
#pragma once
#include <stddef.h>

#pragma GCC visibility push(hidden)

struct Index {
  unsigned x, y, z;
};
extern Index threadIdx, blockIdx;

namespace emulated {
typedef void Call(void *const *values);

// What the driver finds under a kernel's name.
struct Function {
  void (*run)(Index grid, Index block, Call *call, void *const *values);
  Call *call;           // runs a thread of it
  const size_t *sizes;  // bytes of each argument
  size_t count;
};

void run(Index grid, Index block, Call *call, void *const *values);
void barrier(int line);
extern bool barriers;  // whether the source has any
}  // namespace emulated

#pragma GCC visibility pop

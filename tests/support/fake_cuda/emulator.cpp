// Runs CUDA's blocks and threads on the processor, for tests; a part of each kernel's library.
//
// Blocks run one after another. The threads of a block run in turn from barrier to barrier, each on
// a stack of its own, in the order of EMULATED_ORDER: forward, backward, shuffled. What depends on
// that order lacks a barrier. Shared memory begins as NaN in every block.
#include "emulator.hpp"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <vector>

extern char __start_emulated_shared[] __attribute__((weak, visibility("hidden")));
extern char __stop_emulated_shared[] __attribute__((weak, visibility("hidden")));

Index threadIdx, blockIdx;

namespace emulated {
const size_t STACK = 1 << 16;
const int DONE = -1;

// Lives as long as the process: after one block's thread its stack has the next block's.
struct Thread {
  jmp_buf place;
  std::unique_ptr<char[]> stack;
  int at;  // the line of the barrier where it waits
};

bool barriers = true;
static std::deque<Thread> threads;
static jmp_buf scheduler;
static size_t running;
static Call *body;
static void *const *arguments;

// To a place and back without asking the system for anything, which swapcontext does.
static void leave(Thread &thread, int at) {
  thread.at = at;
  if (!_setjmp(thread.place)) {
    _longjmp(scheduler, 1);
  }
}

static void live() {
  Thread &thread = threads[running];
  for (;;) {
    body(arguments);
    leave(thread, DONE);
  }
}

static void begin(Thread &thread) {
  thread.stack.reset(new char[STACK]);
  ucontext_t context;
  getcontext(&context);
  context.uc_stack.ss_sp = thread.stack.get();
  context.uc_stack.ss_size = STACK;
  context.uc_link = NULL;
  makecontext(&context, live, 0);
  setcontext(&context);
}

static void resume(Thread &thread) {
  if (!_setjmp(scheduler)) {
    if (thread.stack) {
      _longjmp(thread.place, 1);
    }
    begin(thread);
  }
}

void barrier(int line) { leave(threads[running], line); }

static void run_block(const std::vector<size_t> &order, Index block) {
  for (char *c = __start_emulated_shared; c < __stop_emulated_shared; ++c) {
    *c = (char) 0xFF;
  }
  const auto place = [&](size_t t) {
    threadIdx.x = t % block.x;
    threadIdx.y = t / block.x % block.y;
    threadIdx.z = t / block.x / block.y;
  };
  if (!barriers) {  // no stacks are needed
    for (size_t t : order) {
      place(t);
      body(arguments);
    }
    return;
  }
  if (threads.size() < order.size()) {
    threads.resize(order.size());
  }
  do {
    for (size_t t : order) {
      running = t;
      place(t);
      resume(threads[t]);
    }
    for (size_t t : order) {
      if (threads[t].at != threads[0].at) {
        fprintf(stderr, "threads of a block wait at different barriers\n");
        abort();
      }
    }
  } while (threads[0].at != DONE);
}

void run(Index grid, Index block, Call *call, void *const *values) {
  body = call;
  arguments = values;
  std::vector<size_t> order(block.x * block.y * block.z);
  for (size_t t = 0; t < order.size(); ++t) {
    order[t] = t;
  }
  const char *named = getenv("EMULATED_ORDER");
  const std::string kind = named ? named : "forward";
  if (kind == "backward") {
    std::reverse(order.begin(), order.end());
  }
  std::mt19937 generator(17);
  for (blockIdx.z = 0; blockIdx.z < grid.z; ++blockIdx.z) {
    for (blockIdx.y = 0; blockIdx.y < grid.y; ++blockIdx.y) {
      for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x) {
        if (kind == "shuffled") {
          std::shuffle(order.begin(), order.end(), generator);
        }
        run_block(order, block);
      }
    }
  }
}
}  // namespace emulated

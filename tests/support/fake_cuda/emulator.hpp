// CUDA C++ on the processor, for tests: what OCCA writes for its CUDA mode compiles behind this.
//
// Blocks run one after another. The threads of a block run in turn from barrier to barrier, each on
// a stack of its own, in the order of EMULATED_ORDER: forward, backward, shuffled. What depends on
// that order lacks a barrier. Shared memory begins as NaN in every block.
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

using std::fabs;
using std::sqrt;

#define __global__ __attribute__((visibility("default")))
// Seen by this library alone, and beside a `static` of the source's own, as for nvcc.
#define __device__ __attribute__((visibility("hidden")))
#define __constant__ static const
#define __launch_bounds__(threads)
#define __shared__ static __attribute__((section("emulated_shared")))

extern char __start_emulated_shared[] __attribute__((weak, visibility("hidden")));
extern char __stop_emulated_shared[] __attribute__((weak, visibility("hidden")));

struct Index {
  unsigned x, y, z;
};
static Index threadIdx, blockIdx;

namespace emulated {
const size_t STACK = 1 << 16;
const int DONE = -1;

struct Thread {
  ucontext_t context;
  std::vector<char> stack;
  int at;  // the line of the barrier where it waits
};

static std::vector<Thread> threads;
static ucontext_t scheduler;
static size_t running;
static bool barriers = true;  // whether the source has any
static const std::function<void()> *body;

static void enter() {
  (*body)();
  threads[running].at = DONE;
  swapcontext(&threads[running].context, &scheduler);
}

static void barrier(int line) {
  threads[running].at = line;
  swapcontext(&threads[running].context, &scheduler);
}

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
      (*body)();
    }
    return;
  }
  if (threads.size() < order.size()) {
    threads.resize(order.size());
  }
  for (size_t t : order) {
    Thread &thread = threads[t];
    thread.stack.resize(STACK);
    getcontext(&thread.context);
    thread.context.uc_stack.ss_sp = thread.stack.data();
    thread.context.uc_stack.ss_size = STACK;
    thread.context.uc_link = NULL;
    makecontext(&thread.context, enter, 0);
    thread.at = 0;
  }
  do {
    for (size_t t : order) {
      running = t;
      place(t);
      swapcontext(&scheduler, &threads[t].context);
    }
    for (size_t t : order) {
      if (threads[t].at != threads[0].at) {
        fprintf(stderr, "threads of a block wait at different barriers\n");
        abort();
      }
    }
  } while (threads[0].at != DONE);
}

static void run(Index grid, Index block, const std::function<void()> &function) {
  body = &function;
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

// A launch with its arguments copied, to be run later.
template <class... A, size_t... I>
std::function<void()> *launch(void (*function)(A...), const unsigned *grid, const unsigned *block,
                              void **arguments, std::index_sequence<I...>) {
  const auto values = std::make_tuple(*(std::remove_const_t<A> *) arguments[I]...);
  const Index blocks = {grid[0], grid[1], grid[2]};
  const Index threads = {block[0], block[1], block[2]};
  return new std::function<void()>([=] {
    run(blocks, threads, [&] { std::apply(function, values); });
  });
}

template <class... A>
std::function<void()> *launch(void (*function)(A...), const unsigned *grid, const unsigned *block,
                              void **arguments) {
  return launch(function, grid, block, arguments, std::index_sequence_for<A...>());
}
}  // namespace emulated

#define __syncthreads() emulated::barrier(__LINE__)
#define EMULATED(name)                                                                          \
  extern "C" __attribute__((visibility("default"))) std::function<void()> *emulated_##name(     \
      const unsigned *grid, const unsigned *block, void **arguments) {                          \
    return emulated::launch(name, grid, block, arguments);                                      \
  }

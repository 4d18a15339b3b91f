// One block of a grid: its threads as fibers, its barriers and its warps.
//
// The threads of a block share one operating-system thread, so nothing here needs locks. A sweep runs every warp until each of its lanes
// waits, yields or has ended. A lane that reaches a warp exchange waits until all living lanes of its mask are there.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "simgpu/exec/exec.h"
#include "simgpu/exec/fiber.h"
#include "simgpu/exec/kernel_abi.h"
#include "simgpu/exec/object.h"

namespace simgpu::exec {

class Block;
class Cluster;
class Grid;

inline constexpr unsigned kWarpSize = 32;
inline constexpr unsigned kMaxWarps = kMaxThreads / kWarpSize;
inline constexpr unsigned kBarriers = 16;

// What the lanes of a warp may do together.
enum class Exchange : uint32_t { kNone, kSync, kShuffle, kVote, kMatch, kReduce, kElect, kActive, kGather, kMatrix };

// One thread. The context comes first: compiled code knows the fiber by it.
struct Fiber {
  ThreadContext context;
  Block* block = nullptr;
  void* stack = nullptr;  // saved stack pointer while not running
  uint16_t warp = 0;
  uint16_t lane = 0;
  bool ended = false;
  Exchange exchange = Exchange::kNone;  // what it waits for
  uint32_t mode = 0;
  uint32_t mask = 0;
  uint32_t operands[2] = {};
  uint64_t value = 0;
  uint64_t result = 0;
  uint32_t cluster_phase = 0;  // of the cluster's barrier, at which it has arrived
  bool cluster_arrived = false;
};

struct Warp {
  uint32_t living = 0;   // lanes that have not ended
  uint32_t ready = 0;    // can run now
  uint32_t yielded = 0;  // can run in the next sweep
  uint32_t waiting = 0;  // in an exchange
  uint32_t active = 0;   // at an activemask
};

struct Barrier {
  uint32_t arrived = 0;
  uint32_t expected = 0;  // 0: all living threads
  uint32_t sum = 0;       // of predicates, for red
  std::array<uint32_t, kMaxWarps> waiting{};
};

class Block {
 public:
  // `threads` fibers on stacks first_stack…; shared memory is the caller's.
  void begin(Grid* grid, Cluster* cluster, const BlockContext& context, StackSlab* stacks, size_t first_stack);

  // Runs every warp once until nothing can go on without another sweep. True while threads are alive.
  bool sweep(void** scheduler);

  // Whether the last sweep did nothing but let threads yield.
  bool idle() const { return !progressed_; }

  // Called on a fiber's stack.
  void yield(Fiber* fiber);
  void end_thread(Fiber* fiber);
  uint64_t exchange(Fiber* fiber, Exchange kind, uint32_t mode, uint32_t mask, uint64_t value, uint32_t a, uint32_t b);
  uint32_t barrier(Fiber* fiber, uint32_t number, uint32_t count, bool arrive_only, uint32_t predicate);

  Grid* grid() const { return grid_; }
  Cluster* cluster() const { return cluster_; }
  const BlockContext& context() const { return context_; }
  void leave(Fiber* fiber);  // back to the scheduler

 private:
  friend void run_fiber(void* argument);
  void begin_fiber(Fiber* fiber, uint32_t index, StackSlab* stacks, size_t stack);
  void run_warp(Warp* warp, Fiber* lanes);
  void release_active(Warp* warp, Fiber* lanes);
  bool complete_exchange(Warp* warp, Fiber* lanes, uint32_t mask);
  void release_barrier(Barrier* barrier);
  void recheck_after_end(Fiber* fiber);
  uint32_t expected(const Barrier& barrier) const;

  Grid* grid_ = nullptr;
  Cluster* cluster_ = nullptr;
  BlockContext context_{};
  std::vector<Fiber> fibers_;
  std::vector<Warp> warps_;
  std::array<Barrier, kBarriers> barriers_{};
  uint32_t living_ = 0;
  uint32_t results_[kBarriers] = {};  // of the last completed reduction barrier
  void** scheduler_ = nullptr;
  bool progressed_ = false;
};

}  // namespace simgpu::exec

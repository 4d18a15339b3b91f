#include "simgpu/exec/block.h"

#include <bit>

#include "simgpu/exec/cluster.h"
#include "simgpu/exec/grid.h"
#include "simgpu/exec/warp.h"

namespace simgpu::exec {
namespace {

constexpr int32_t kSpinFuel = 32;
constexpr uint64_t kStackMargin = 32 * 1024;  // for C++ helpers, below what compiled code may use

uint32_t threads_of(const LaunchContext& launch) { return launch.block[0] * launch.block[1] * launch.block[2]; }

}  // namespace

// First and only function of a fiber.
void run_fiber(void* argument) {
  auto* fiber = static_cast<Fiber*>(argument);
  Block* block = fiber->block;
  block->grid()->entry()(&fiber->context);
  block->end_thread(fiber);
}

void Block::begin(Grid* grid, Cluster* cluster, const BlockContext& context, StackSlab* stacks, size_t first_stack) {
  grid_ = grid;
  cluster_ = cluster;
  context_ = context;
  // In loop mode a single fiber runs all threads one after the other.
  living_ = grid->fibers() ? threads_of(*context.launch) : 1;
  if (fibers_.size() < living_) fibers_.resize(living_);
  warps_.assign((living_ + kWarpSize - 1) / kWarpSize, Warp{});
  if (grid->fibers()) barriers_.fill(Barrier{});
  for (uint32_t i = 0; i < living_; ++i) {
    Fiber* fiber = &fibers_[i];
    fiber->context.stack_low = reinterpret_cast<uint64_t>(stacks->low(first_stack + i));
    // The slab may keep larger stacks of an earlier kernel.
    fiber->context.stack_high = reinterpret_cast<uint64_t>(stacks->low(first_stack + i + 1));
    begin_fiber(fiber, i, stacks, first_stack + i);
  }
}

void Block::begin_fiber(Fiber* fiber, uint32_t index, StackSlab* stacks, size_t stack) {
  const uint32_t* size = context_.launch->block;
  ThreadContext& thread = fiber->context;
  thread.block = &context_;
  thread.tid[0] = index % size[0];
  thread.tid[1] = index / size[0] % size[1];
  thread.tid[2] = index / (size[0] * size[1]);
  thread.linear_tid = index;
  thread.stack_guard = thread.stack_low + kStackMargin;
  thread.fuel = kSpinFuel;
  fiber->block = this;
  fiber->warp = static_cast<uint16_t>(index / kWarpSize);
  fiber->lane = static_cast<uint16_t>(index % kWarpSize);
  fiber->ended = false;
  fiber->exchange = Exchange::kNone;
  fiber->cluster_arrived = false;
  fiber->stack = prepare_stack(stacks->top(stack), run_fiber, fiber);
  warps_[fiber->warp].living |= 1u << fiber->lane;
  warps_[fiber->warp].ready |= 1u << fiber->lane;
}

bool Block::sweep(void** scheduler) {
  scheduler_ = scheduler;
  progressed_ = false;
  bool yielded = false;
  for (size_t w = 0; w < warps_.size(); ++w) {
    run_warp(&warps_[w], &fibers_[w * kWarpSize]);
    if (grid_->stopped()) return false;
    yielded |= warps_[w].ready != 0;
  }
  if (!living_) return false;
  if (progressed_ || yielded) return true;
  // A warp earlier in the sweep may have been released by a later one: look again before giving up.
  for (const Warp& warp : warps_) {
    if (warp.ready) return true;
  }
  Fault fault;
  fault.kind = Fault::Kind::kDeadlock;
  fault.message = "every thread of the block waits at a barrier or warp exchange that the others never reach";
  grid_->report(fault);
  return false;
}

void Block::run_warp(Warp* warp, Fiber* lanes) {
  for (;;) {
    while (warp->ready) {
      const unsigned lane = std::countr_zero(warp->ready);
      warp->ready &= warp->ready - 1;
      simgpu_switch(scheduler_, lanes[lane].stack);
      if (grid_->stopped()) return;
    }
    if (!warp->active) break;
    release_active(warp, lanes);
  }
  warp->ready = warp->yielded;
  warp->yielded = 0;
}

void Block::leave(Fiber* fiber) { simgpu_switch(&fiber->stack, *scheduler_); }

void Block::yield(Fiber* fiber) {
  fiber->context.fuel = kSpinFuel;
  warps_[fiber->warp].yielded |= 1u << fiber->lane;
  leave(fiber);
}

void Block::end_thread(Fiber* fiber) {
  fiber->ended = true;
  progressed_ = true;
  --living_;
  warps_[fiber->warp].living &= ~(1u << fiber->lane);
  if (grid_->fibers()) {
    recheck_after_end(fiber);
    cluster_->thread_ended(*fiber);
  }
  leave(fiber);
}

// The end of a thread may be what others were waiting for.
void Block::recheck_after_end(Fiber* fiber) {
  Warp* warp = &warps_[fiber->warp];
  Fiber* lanes = &fibers_[fiber->warp * kWarpSize];
  for (uint32_t left = warp->waiting; left;) {
    const uint32_t mask = lanes[std::countr_zero(left)].mask;
    left &= ~(mask | (left & -left));
    complete_exchange(warp, lanes, mask);
  }
  for (Barrier& barrier : barriers_) {
    if (barrier.arrived && barrier.arrived >= expected(barrier)) release_barrier(&barrier);
  }
}

uint32_t Block::expected(const Barrier& barrier) const {
  return barrier.expected && barrier.expected < living_ ? barrier.expected : living_;
}

uint32_t Block::barrier(Fiber* fiber, uint32_t number, uint32_t count, bool arrive_only, uint32_t predicate) {
  Barrier& barrier = barriers_[number < kBarriers ? number : 0];
  barrier.expected = count == ~0u ? 0 : count;
  barrier.sum += predicate;
  ++barrier.arrived;
  progressed_ = true;
  const size_t index = static_cast<size_t>(&barrier - barriers_.data());
  if (barrier.arrived >= expected(barrier)) {
    release_barrier(&barrier);
    return results_[index];
  }
  if (arrive_only) return 0;
  barrier.waiting[fiber->warp] |= 1u << fiber->lane;
  leave(fiber);
  return static_cast<uint32_t>(fiber->result);
}

void Block::release_barrier(Barrier* barrier) {
  // The upper half carries the number of threads, so that "all" can be told from "any".
  const uint32_t result = barrier->sum | barrier->arrived << 16;
  results_[barrier - barriers_.data()] = result;
  for (size_t w = 0; w < warps_.size(); ++w) {
    for (uint32_t left = barrier->waiting[w]; left; left &= left - 1) fibers_[w * kWarpSize + std::countr_zero(left)].result = result;
    warps_[w].ready |= barrier->waiting[w];
    barrier->waiting[w] = 0;
  }
  barrier->arrived = barrier->sum = barrier->expected = 0;
}

uint64_t Block::exchange(Fiber* fiber, Exchange kind, uint32_t mode, uint32_t mask, uint64_t value, uint32_t a, uint32_t b) {
  Warp* warp = &warps_[fiber->warp];
  fiber->exchange = kind;
  fiber->mode = mode;
  fiber->mask = mask | 1u << fiber->lane;
  fiber->value = value;
  fiber->operands[0] = a;
  fiber->operands[1] = b;
  progressed_ = true;
  if (kind == Exchange::kActive) {
    warp->active |= 1u << fiber->lane;
    leave(fiber);
    return fiber->result;
  }
  warp->waiting |= 1u << fiber->lane;
  if (complete_exchange(warp, &fibers_[fiber->warp * kWarpSize], fiber->mask)) {
    warp->ready &= ~(1u << fiber->lane);  // it simply goes on
    return fiber->result;
  }
  leave(fiber);
  return fiber->result;
}

// Completes the exchange of the lanes in `mask` if all that live are there.
bool Block::complete_exchange(Warp* warp, Fiber* lanes, uint32_t mask) {
  const uint32_t members = mask & warp->living;
  if (!members || (members & ~warp->waiting)) return false;
  const Fiber& first = lanes[std::countr_zero(members)];
  for (uint32_t left = members; left; left &= left - 1) {
    const Fiber& lane = lanes[std::countr_zero(left)];
    if (lane.exchange != first.exchange || (lane.mask & warp->living) != members) return false;
  }
  exchange_values(lanes, members);
  warp->waiting &= ~members;
  warp->ready |= members;
  return true;
}

// Nothing else in the warp can run: the lanes that stand at the same activemask are what is active there.
void Block::release_active(Warp* warp, Fiber* lanes) {
  const uint32_t site = lanes[std::countr_zero(warp->active)].mode;
  uint32_t together = 0;
  for (uint32_t left = warp->active; left; left &= left - 1) {
    const unsigned lane = std::countr_zero(left);
    if (lanes[lane].mode == site) together |= 1u << lane;
  }
  for (uint32_t left = together; left; left &= left - 1) lanes[std::countr_zero(left)].result = together;
  warp->active &= ~together;
  warp->ready |= together;
}

}  // namespace simgpu::exec

// Helpers of clusters, mbarrier objects and bulk copies.
#include <cstring>

#include "simgpu/exec/cluster.h"
#include "simgpu/exec/helpers.h"
#include "simgpu/exec/mbarrier.h"
#include "simgpu/exec/thread.h"

using namespace simgpu::exec;

namespace {

Cluster& cluster_of(ThreadContext* thread) { return *fiber_of(thread)->block->cluster(); }

uint64_t shared_base(ThreadContext* thread) { return reinterpret_cast<uint64_t>(thread->block->shared); }

[[noreturn]] void outside(ThreadContext* thread, uint64_t address, const char* what) {
  raise_fault(thread, Fault::Kind::kIllegalAddress, address, what);
}

Mbarrier load(const uint64_t* place) { return Mbarrier::unpack(*place); }

}  // namespace

extern "C" {

// --- Clusters
// -------------------------------------------------------------------------------------------------------------------------------

uint64_t simgpu_cluster_address(ThreadContext* thread, uint64_t window) {
  if (window >> kRankShift == 0) return shared_base(thread) + window;
  const uint8_t* place = cluster_of(thread).in_window(window, 1);
  if (!place) outside(thread, window, "address outside the cluster's shared memory");
  return reinterpret_cast<uint64_t>(place);
}

uint64_t simgpu_cluster_window(ThreadContext* thread, uint64_t address) {
  const Cluster& cluster = cluster_of(thread);
  const uint32_t rank = cluster.rank_of(address);
  if (rank == cluster.size()) outside(thread, address, "address outside the cluster's shared memory");
  const uint64_t base = reinterpret_cast<uint64_t>(cluster.block(rank).context().shared);
  return (uint64_t{rank} + 1) << kRankShift | (address - base);
}

uint64_t simgpu_map_rank(ThreadContext* thread, uint64_t address, uint32_t rank) {
  const Cluster& cluster = cluster_of(thread);
  const uint32_t from = cluster.rank_of(address);
  if (from == cluster.size() || rank >= cluster.size()) outside(thread, address, "mapa to a block that is not in the cluster");
  const uint64_t offset = address - reinterpret_cast<uint64_t>(cluster.block(from).context().shared);
  return reinterpret_cast<uint64_t>(cluster.block(rank).context().shared) + offset;
}

uint32_t simgpu_cluster_rank(ThreadContext* thread, uint64_t address) { return cluster_of(thread).rank_of(address); }

void simgpu_cluster_arrive(ThreadContext* thread) { cluster_of(thread).arrive(fiber_of(thread)); }

void simgpu_cluster_wait(ThreadContext* thread) {
  Fiber* fiber = fiber_of(thread);
  while (!cluster_of(thread).passed(*fiber)) fiber->block->yield(fiber);
  fiber->cluster_arrived = false;
}

// --- mbarrier
// -------------------------------------------------------------------------------------------------------------------------------

void simgpu_mbarrier_init(ThreadContext* thread, uint64_t* place, uint32_t count) {
  if (count == 0 || count > kMostArrivals) outside(thread, count, "mbarrier.init with an impossible count");
  Mbarrier barrier;
  barrier.pending = barrier.expected = count;
  *place = barrier.pack();
}

void simgpu_mbarrier_inval(ThreadContext*, uint64_t* place, uint32_t) { *place = 0; }

void simgpu_mbarrier_expect(ThreadContext*, uint64_t* place, uint32_t bytes) {
  Mbarrier barrier = load(place);
  barrier.expect(bytes);
  *place = barrier.pack();
}

void simgpu_mbarrier_complete(ThreadContext*, uint64_t* place, uint32_t bytes) {
  Mbarrier barrier = load(place);
  barrier.complete(bytes);
  *place = barrier.pack();
}

uint64_t simgpu_mbarrier_arrive(ThreadContext*, uint64_t* place, uint32_t count, uint32_t bytes, uint32_t drop) {
  const uint64_t before = *place;
  Mbarrier barrier = load(place);
  barrier.expect(bytes);
  barrier.arrive(count, drop != 0);
  *place = barrier.pack();
  return before;
}

uint32_t simgpu_mbarrier_test(ThreadContext* thread, const uint64_t* place, uint32_t parity, uint32_t patient) {
  const auto over = [&] { return load(place).parity != ((parity & 1) != 0); };
  if (!over() && patient) fiber_of(thread)->block->yield(fiber_of(thread));
  return over();
}

// --- Bulk copies
// ----------------------------------------------------------------------------------------------------------------------------

void simgpu_copy_bulk(ThreadContext* thread, uint64_t to, uint64_t from, uint32_t bytes) {
  if ((to | from | bytes) & 15) {
    raise_fault(thread, Fault::Kind::kMisalignedAddress, to, "cp.async.bulk needs addresses and sizes that are multiples of 16");
  }
  if (bytes == 0) return;
  const uint8_t* source = require(thread, from, bytes, false);
  std::memmove(require(thread, to, bytes, true), source, bytes);
}

}  // extern "C"

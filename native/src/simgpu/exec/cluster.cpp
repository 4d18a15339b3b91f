#include "simgpu/exec/cluster.h"

#include "simgpu/exec/block.h"

namespace simgpu::exec {

void Cluster::begin(Block* first, uint32_t count, uint32_t threads) {
  first_ = first;
  count_ = count;
  living_ = count * threads;
  arrived_ = phase_ = 0;
}

const Block& Cluster::block(uint32_t rank) const { return first_[rank]; }

void Cluster::arrive(Fiber* fiber) {
  fiber->cluster_phase = phase_;
  fiber->cluster_arrived = true;
  ++arrived_;
  release_if_complete();
}

bool Cluster::passed(const Fiber& fiber) const { return !fiber.cluster_arrived || fiber.cluster_phase != phase_; }

void Cluster::thread_ended(const Fiber& fiber) {
  --living_;
  if (!passed(fiber)) --arrived_;
  if (living_) release_if_complete();
}

void Cluster::release_if_complete() {
  if (arrived_ < living_) return;
  arrived_ = 0;
  ++phase_;
}

uint8_t* Cluster::in_window(uint64_t address, size_t bytes) const {
  const uint64_t rank = (address >> kRankShift) - 1, offset = address & ((uint64_t{1} << kRankShift) - 1);
  if (rank >= count_) return nullptr;
  const BlockContext& context = first_[rank].context();
  return offset + bytes <= context.shared_bytes ? context.shared + offset : nullptr;
}

uint32_t Cluster::rank_of(uint64_t address) const {
  for (uint32_t rank = 0; rank < count_; ++rank) {
    const BlockContext& context = first_[rank].context();
    if (address - reinterpret_cast<uint64_t>(context.shared) < context.shared_bytes) return rank;
  }
  return count_;
}

bool Cluster::contains(uint64_t address, size_t bytes) const {
  const uint32_t rank = rank_of(address);
  return rank < count_ && rank_of(address + bytes - 1) == rank;
}

}  // namespace simgpu::exec

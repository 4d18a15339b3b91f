#include "simgpu/exec/mbarrier.h"

namespace simgpu::exec {
namespace {

// Bits of the object: pending 0-19, expected 20-39, bytes 40-62 (signed), parity 63.
constexpr unsigned kExpectedAt = 20, kBytesAt = 40, kParityAt = 63;
constexpr uint64_t kBytesMask = (uint64_t{1} << 23) - 1;

}  // namespace

Mbarrier Mbarrier::unpack(uint64_t bits) {
  Mbarrier found;
  found.pending = static_cast<uint32_t>(bits & kMostArrivals);
  found.expected = static_cast<uint32_t>(bits >> kExpectedAt & kMostArrivals);
  found.bytes = static_cast<int32_t>(static_cast<uint32_t>(bits >> kBytesAt & kBytesMask) << 9) >> 9;
  found.parity = bits >> kParityAt;
  return found;
}

uint64_t Mbarrier::pack() const {
  const uint64_t count = static_cast<uint64_t>(static_cast<uint32_t>(bytes)) & kBytesMask;
  return pending | uint64_t{expected} << kExpectedAt | count << kBytesAt | uint64_t{parity} << kParityAt;
}

void Mbarrier::arrive(uint32_t count, bool drop) {
  pending = (pending - count) & kMostArrivals;
  if (drop) expected = (expected - count) & kMostArrivals;
  end_phase_if_done();
}

void Mbarrier::complete(uint32_t count) {
  bytes -= static_cast<int32_t>(count);
  end_phase_if_done();
}

void Mbarrier::end_phase_if_done() {
  if (pending != 0 || bytes != 0) return;
  pending = expected;
  parity = !parity;
}

}  // namespace simgpu::exec

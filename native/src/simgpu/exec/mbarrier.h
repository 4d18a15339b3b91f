// mbarrier objects: 64 bits in shared memory. The threads that share one run on one operating-system thread, so plain accesses do.
#pragma once

#include <cstdint>

namespace simgpu::exec {

// Of the current phase: arrivals still to come, arrivals of a whole phase, bytes still to come, and the parity of the phase.
struct Mbarrier {
  uint32_t pending = 0;
  uint32_t expected = 0;
  int32_t bytes = 0;
  bool parity = false;

  static Mbarrier unpack(uint64_t bits);
  uint64_t pack() const;

  void expect(uint32_t count) { bytes += static_cast<int32_t>(count); }
  // Ends the phase if nothing more is to come. Arrivals may leave for good (`drop`).
  void arrive(uint32_t count, bool drop);
  void complete(uint32_t count);

 private:
  void end_phase_if_done();
};

inline constexpr uint32_t kMostArrivals = (1u << 20) - 1;

}  // namespace simgpu::exec

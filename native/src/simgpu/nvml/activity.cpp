#include "simgpu/nvml/activity.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <mutex>

#include "simgpu/nvml/board.h"
#include "simgpu/nvml/gpu.h"

namespace simgpu::nvml {

namespace {

using Clock = std::chrono::steady_clock;

/// Turns the growing count of busy nanoseconds into a percentage over the last window of at least kWindow.
class BusyMeter {
 public:
  unsigned percent(uint64_t busy_now) {
    const Clock::time_point now = Clock::now();
    std::lock_guard<std::mutex> lock(lock_);
    if (now - since_ >= kWindow) {
      const auto passed = std::chrono::duration_cast<std::chrono::nanoseconds>(now - since_).count();
      percent_ = static_cast<unsigned>(std::min<uint64_t>(100, (busy_now - busy_then_) * 100 / static_cast<uint64_t>(passed)));
      since_ = now;
      busy_then_ = busy_now;
    }
    return percent_;
  }

  void start(uint64_t busy_now) {
    std::lock_guard<std::mutex> lock(lock_);
    since_ = Clock::now();
    busy_then_ = busy_now;
  }

 private:
  static constexpr auto kWindow = std::chrono::milliseconds(100);
  std::mutex lock_;
  Clock::time_point since_;
  uint64_t busy_then_ = 0;
  unsigned percent_ = 0;
};

using Meters = std::array<BusyMeter, kMaxDevices>;

Meters& meters() {
  static auto* all = [] {
    auto* made = new Meters;
    for (const DeviceInfo& gpu : machine_devices()) (*made)[gpu.index].start(SharedState::get().busy_nanoseconds(gpu.index));
    return made;
  }();
  return *all;
}

}  // namespace

unsigned utilisation_percent(const DeviceInfo& gpu) { return meters()[gpu.index].percent(SharedState::get().busy_nanoseconds(gpu.index)); }

unsigned reading(const DeviceInfo& gpu, unsigned idle, unsigned busy) { return idle + (busy - idle) * utilisation_percent(gpu) / 100; }

bool in_use(const DeviceInfo& gpu) { return !SharedState::get().processes(gpu.index).empty(); }

}  // namespace simgpu::nvml

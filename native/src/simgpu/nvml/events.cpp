// Event sets: Xid errors injected into the simulated GPUs (see Faults in state.h) reach those who wait for them.
#include <time.h>

#include <array>
#include <mutex>
#include <set>

#include "simgpu/nvml/gpu.h"

namespace nvml = simgpu::nvml;

namespace {

constexpr unsigned long long kSupported = nvmlEventTypeXidCriticalError;
constexpr long kPollMilliseconds = 20;

using XidPerGpu = std::array<int, simgpu::kMaxDevices>;

/// Which GPUs are watched, and the Xid last reported for each: an error is an event when it appears, not while it stays.
struct EventSet {
  uint32_t watched = 0;
  XidPerGpu reported{};
};

std::mutex lock;
std::set<EventSet*> live;  // handles in the caller's hands; anything else is refused

EventSet* find(nvmlEventSet_t handle) {
  auto* set = reinterpret_cast<EventSet*>(handle);
  return live.count(set) != 0 ? set : nullptr;
}

int next_event(EventSet* set, int* xid) {
  const XidPerGpu now = simgpu::current_faults().xid;
  for (const simgpu::DeviceInfo& gpu : simgpu::machine_devices()) {
    const auto i = static_cast<size_t>(gpu.index);
    if ((set->watched >> i & 1) == 0 || now[i] == set->reported[i]) continue;
    set->reported[i] = now[i];
    *xid = now[i];
    if (now[i] != 0) return gpu.index;
  }
  return -1;
}

/// The event that is there now, or NVML_ERROR_TIMEOUT.
nvmlReturn_t poll(nvmlEventSet_t handle, nvmlEventData_t* data) {
  std::lock_guard<std::mutex> guard(lock);
  EventSet* set = find(handle);
  if (set == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  int xid = 0;
  const int gpu = next_event(set, &xid);
  if (gpu < 0) return NVML_ERROR_TIMEOUT;
  *data = {nvml::handle_of(simgpu::machine_devices()[static_cast<size_t>(gpu)]), nvmlEventTypeXidCriticalError,
           static_cast<unsigned long long>(xid), 0xFFFFFFFF, 0xFFFFFFFF};
  return NVML_SUCCESS;
}

}  // namespace

extern "C" {

nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t* handle) {
  if (!nvml::initialised()) return NVML_ERROR_UNINITIALIZED;
  if (handle == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  auto* set = new EventSet;
  set->reported = simgpu::current_faults().xid;
  std::lock_guard<std::mutex> guard(lock);
  live.insert(set);
  *handle = reinterpret_cast<nvmlEventSet_t>(set);
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t handle) {
  if (!nvml::initialised()) return NVML_ERROR_UNINITIALIZED;
  std::lock_guard<std::mutex> guard(lock);
  EventSet* set = find(handle);
  if (set == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  live.erase(set);
  delete set;
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetSupportedEventTypes(nvmlDevice_t device, unsigned long long* types) {
  return nvml::put(device, types, kSupported);
}

nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t device, unsigned long long types, nvmlEventSet_t handle) {
  if (nvmlReturn_t error = nvml::check(device)) return error;
  if ((types & ~kSupported) != 0) return NVML_ERROR_NOT_SUPPORTED;
  std::lock_guard<std::mutex> guard(lock);
  EventSet* set = find(handle);
  if (set == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  if (types != 0) set->watched |= 1u << nvml::gpu_of(device)->index;
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t handle, nvmlEventData_t* data, unsigned int timeout_ms) {
  if (!nvml::initialised()) return NVML_ERROR_UNINITIALIZED;
  if (data == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  for (long left = timeout_ms;; left -= kPollMilliseconds) {
    const nvmlReturn_t result = poll(handle, data);
    if (result != NVML_ERROR_TIMEOUT || left <= 0) return result;
    const timespec pause{0, kPollMilliseconds * 1'000'000};
    nanosleep(&pause, nullptr);
  }
}

nvmlReturn_t nvmlEventSetWait(nvmlEventSet_t handle, nvmlEventData_t* data, unsigned int timeout_ms) {
  return nvmlEventSetWait_v2(handle, data, timeout_ms);
}

}  // extern "C"

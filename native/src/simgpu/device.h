// A GPU as this process sees it: after CUDA_VISIBLE_DEVICES, with its attributes, primary context and memory pools.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "simgpu/api.h"
#include "simgpu/state.h"

namespace simgpu {

struct Context;
struct Pool;

constexpr size_t kDefaultDynamicShared = 48u << 10;
constexpr size_t kReservedShared = 1u << 10;

struct Device {
  const DeviceInfo* info = nullptr;
  int ordinal = 0;
  std::mutex lock;
  Context* primary = nullptr;  // while retained, or kept for the runtime to look at
  int primary_references = 0;
  unsigned primary_flags = 0;
  Pool* default_pool = nullptr;
  Pool* current_pool = nullptr;
  // What an injected fault makes every call on this GPU answer.
  CUresult fault() const;
  bool lost() const { return fault() == CUDA_ERROR_DEVICE_UNAVAILABLE; }
};

// The devices that CUDA_VISIBLE_DEVICES leaves; fixed by the first call (cuInit).
const std::vector<std::unique_ptr<Device>>& visible_devices();

// nullptr if the ordinal names none.
Device* device_at(CUdevice ordinal);

std::optional<int> device_attribute(const Device& device, CUdevice_attribute attribute);

}  // namespace simgpu

// What the process knows of its lease: the connection and one snapshot of the server's devices. Made by the first cuInit, never destroyed:
// programs call the library from their exit handlers.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "interposer/headers.h"
#include "transport/link.h"
#include "transport/threads.h"

namespace bitfusion::interposer {

struct Device {
  std::string name;
  std::string pci;  // "0000:01:00.0"
  CUuuid uuid = {};
  uint64_t memory = 0;  // the partition
  int pci_domain = 0, pci_bus = 0, pci_device = 0;
  std::vector<int> attributes;  // by CUdevice_attribute; kNoAttribute where the server's driver knows none
};

constexpr int kNoAttribute = INT32_MIN;

class Process {
 public:
  // Connects once; what the first call found out is the answer for good. A process that only looked (NVML, versions) may fork and its child
  // use CUDA, over a connection of its own; after cuInit a child cannot, as with a local driver.
  enum class Use : uint8_t { kLook, kCuda };
  CUresult start(Use use);
  bool ready() const { return ready_.load(std::memory_order_acquire); }
  transport::Link* link() const { return link_; }
  int driver_version() const { return driver_version_; }
  const std::vector<Device>& devices() const { return devices_; }
  // The device of that ordinal, else null.
  const Device* device(int ordinal) const;
  void after_fork();

 private:
  CUresult connect();
  CUresult read_snapshot();

  std::atomic<bool> ready_{false};
  transport::Mutex lock_;  // held while connecting
  bool started_ = false;
  bool uses_cuda_ = false;
  CUresult outcome_ = CUDA_ERROR_NOT_INITIALIZED;
  transport::Link* link_ = nullptr;
  int driver_version_ = 0;
  std::vector<Device> devices_;
};

Process& process();

}  // namespace bitfusion::interposer

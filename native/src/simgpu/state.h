// The simulated machine: its GPUs, and what all processes that see the same GPUs share (memory in use, processes, faults).
//
// Both the simulated driver and the simulated NVML link this. With SIMGPU_STATE set, the figures live in one mapped file of that directory,
// so that a GPU's memory is one budget for every process; without it, each process has GPUs of its own.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace simgpu {

constexpr int kMaxDevices = 32;
constexpr int kComputeMajor = 12;
constexpr int kComputeMinor = 0;

// One GPU of the simulated machine, before CUDA_VISIBLE_DEVICES.
struct DeviceInfo {
  int index;
  std::string name;
  uint64_t memory_bytes;
  std::array<uint8_t, 16> uuid;
  std::string uuid_text;  // GPU-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx
  unsigned pci_domain;
  unsigned pci_bus;
  unsigned pci_device;
  std::string pci_bus_id;  // 00000000:13:00.0
};

// The GPUs named by SIMGPU_COUNT, SIMGPU_MEMORY and SIMGPU_NAME; read once. Identities do not change between processes with the same
// SIMGPU_STATE.
const std::vector<DeviceInfo>& machine_devices();

// Multiprocessors of every simulated GPU: the CPU cores, at least two.
int multiprocessor_count();

// "16GiB", "512MiB", "8192" (bytes), … ; 0 when it cannot be read.
uint64_t parse_size(const std::string& text);

struct ProcessUse {
  pid_t pid;
  uint64_t bytes;
};

// Faults asked for in SIMGPU_FAULTS or in the file `faults` of SIMGPU_STATE (the file wins and may change at any time), separated by blanks
// or lines:
//   lost=1          GPU 1 has fallen off the bus: every call on it fails
//   oom=0           the next allocations on GPU 0 fail
//   ecc=0           GPU 0 has met an uncorrectable memory error
//   xid=0:79        GPU 0 reports this Xid
//   slow_copy=100   copies run at 100 MiB/s
struct Faults {
  uint32_t lost = 0;  // bit per GPU
  uint32_t out_of_memory = 0;
  uint32_t ecc = 0;
  std::array<int, kMaxDevices> xid{};
  uint64_t copy_mib_per_second = 0;
};

// The faults in force now; looks at the file's time stamp at most every 100 ms, so it is cheap enough for every call.
Faults current_faults();

// What the processes share about GPU memory. Every member function may be called from any thread.
class SharedState {
 public:
  static SharedState& get();

  // Adds `bytes` to this process's share unless the GPU has no room left: then nothing changes and the answer is false.
  bool charge(int gpu, uint64_t bytes);
  void refund(int gpu, uint64_t bytes);

  // Makes this process visible on a GPU (it has a context there) or takes it away.
  void attach(int gpu, bool attached);

  // Counts time that kernels and copies kept the GPU busy, for utilisation.
  void add_busy(int gpu, uint64_t nanoseconds);
  uint64_t busy_nanoseconds(int gpu);

  uint64_t used(int gpu);
  std::vector<ProcessUse> processes(int gpu);

 private:
  SharedState();
  struct File;
  File* file_;
  int fd_ = -1;
};

}  // namespace simgpu

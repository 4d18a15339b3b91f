#include "interposer/process.h"

#include <pthread.h>

#include <algorithm>
#include <new>

#include "bitfusion/env.h"
#include "calls/remote.h"
#include "calls/rows.h"
#include "interposer/log.h"
#include "transport/allocation.h"

namespace bitfusion::interposer {
namespace {

// What memory that is another machine's cannot do, and what is not brokered between processes yet.
constexpr CUdevice_attribute kAbsent[] = {
    CU_DEVICE_ATTRIBUTE_CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM,
    CU_DEVICE_ATTRIBUTE_CONCURRENT_MANAGED_ACCESS,
    CU_DEVICE_ATTRIBUTE_DIRECT_MANAGED_MEM_ACCESS_FROM_HOST,
    CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS,
    CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS_USES_HOST_PAGE_TABLES,
    CU_DEVICE_ATTRIBUTE_HOST_NATIVE_ATOMIC_SUPPORTED,
    CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_SUPPORTED,
    CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_WITH_CUDA_VMM_SUPPORTED,
    CU_DEVICE_ATTRIBUTE_DMA_BUF_SUPPORTED,
    CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED,
    CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_FABRIC_SUPPORTED,
    CU_DEVICE_ATTRIBUTE_IPC_EVENT_SUPPORTED,
    CU_DEVICE_ATTRIBUTE_MULTICAST_SUPPORTED,
    CU_DEVICE_ATTRIBUTE_HOST_REGISTER_SUPPORTED,
    CU_DEVICE_ATTRIBUTE_READ_ONLY_HOST_REGISTER_SUPPORTED,
};

void hide_absent(std::vector<int>& attributes) {
  for (CUdevice_attribute attribute : kAbsent) {
    if (static_cast<size_t>(attribute) < attributes.size()) attributes[attribute] = 0;
  }
  // Page-locked memory is the client's own, so registering always works.
  if (CU_DEVICE_ATTRIBUTE_HOST_REGISTER_SUPPORTED < attributes.size()) attributes[CU_DEVICE_ATTRIBUTE_HOST_REGISTER_SUPPORTED] = 1;
}

Device read_device(wire::Reader& in) {
  Device device;
  device.name = in.text();
  device.pci = in.text();
  device.uuid = in.get<CUuuid>();
  device.memory = in.get<uint64_t>();
  device.pci_domain = in.get<int32_t>();
  device.pci_bus = in.get<int32_t>();
  device.pci_device = in.get<int32_t>();
  wire::Reader values(in.blob());
  while (values.left() >= sizeof(int32_t)) device.attributes.push_back(values.get<int32_t>());
  hide_absent(device.attributes);
  return device;
}

// The last word of a process that asked to hear it: what its calls cost.
__attribute__((destructor)) void tell_counters() {
  if (!logs(Level::kInfo) || !process().ready()) return;
  const auto counters = process().link()->counters();
  log(Level::kInfo, "%llu frames, %llu round trips, %llu bytes out, %llu bytes in", static_cast<unsigned long long>(counters.frames),
      static_cast<unsigned long long>(counters.round_trips), static_cast<unsigned long long>(counters.bytes_out),
      static_cast<unsigned long long>(counters.bytes_in));
}

}  // namespace

Process& process() {
  alignas(Process) static std::byte storage[sizeof(Process)];
  static Process* const instance = new (storage) Process;
  return *instance;
}

CUresult Process::start(Use use) {
  transport::Guard guard(lock_);
  uses_cuda_ = uses_cuda_ || use == Use::kCuda;
  if (!started_) {
    started_ = true;
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, [] { pthread_atfork(nullptr, nullptr, [] { process().after_fork(); }); });
    outcome_ = connect();
    ready_.store(outcome_ == CUDA_SUCCESS, std::memory_order_release);
  }
  if (outcome_ == CUDA_SUCCESS && !ready()) return CUDA_ERROR_NOT_INITIALIZED;  // in a forked child
  return outcome_;
}

void Process::after_fork() {
  new (&lock_) transport::Mutex;  // another thread of the parent may have held it
  ready_.store(false, std::memory_order_release);
  if (uses_cuda_) return;
  started_ = false;
  link_ = nullptr;
  devices_.clear();
}

const Device* Process::device(int ordinal) const {
  return ordinal >= 0 && static_cast<size_t>(ordinal) < devices_.size() ? &devices_[ordinal] : nullptr;
}

CUresult Process::connect() {
  const char* path = env::allocation();
  if (!path) {
    log(Level::kWarn, "no GPU: BITFUSION_ALLOCATION is not set; start the program with 'bitfusion run -n 1 -- ...'");
    return CUDA_ERROR_NO_DEVICE;
  }
  transport::Allocation allocation;
  char error[512] = "";
  if (!transport::read_allocation(path, &allocation, error, sizeof error)) {
    log(Level::kError, "no GPU: cannot read the allocation: %s", error);
    return CUDA_ERROR_NO_DEVICE;
  }
  transport::LinkOptions options;
  std::copy(std::begin(kSpecHash), std::end(kSpecHash), std::begin(options.spec_hash));
  link_ = transport::Link::open(allocation, options, error, sizeof error);
  if (!link_) {
    log(Level::kError, "no GPU: %s", error);
    return CUDA_ERROR_DEVICE_UNAVAILABLE;
  }
  return read_snapshot();
}

CUresult Process::read_snapshot() {
  transport::Reply reply;
  if (CUresult error = remote::Snapshot(Caller{link_, 0}, reply)) {
    log(Level::kError, "no GPU: the server's driver answers %d", error);
    return error;
  }
  wire::Reader in = reply.in();
  driver_version_ = std::min<int>(in.get<int32_t>(), CUDA_VERSION);
  const uint32_t count = in.get<uint32_t>();
  for (uint32_t i = 0; i < count && in.ok(); ++i) devices_.push_back(read_device(in));
  if (!in.ok()) {
    log(Level::kError, "no GPU: the server's device list is cut short");
    return CUDA_ERROR_DEVICE_UNAVAILABLE;
  }
  return devices_.empty() ? CUDA_ERROR_NO_DEVICE : CUDA_SUCCESS;
}

}  // namespace bitfusion::interposer

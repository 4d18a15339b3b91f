// Virtual memory management: physical allocations, reserved addresses, mappings of the one at the other. Physical memory is a memfd, so
// that it can be mapped at several places.
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "simgpu/arena.h"
#include "simgpu/context.h"

using namespace simgpu;

namespace {

constexpr size_t kGranularity = 2u << 20;  // as on real GPUs

struct Physical {
  CUmemAllocationProp properties{};
  size_t size = 0;
  int file = -1;
  int gpu = kHostPart;
  int references = 0;  // the handle and every mapping
  std::mutex lock;
};

HandleTable<Physical>& physicals() {
  static auto* table = new HandleTable<Physical>(1u << 20);
  return *table;
}

bool on_host(const CUmemAllocationProp& properties) {
  const CUmemLocationType type = properties.location.type;
  return type == CU_MEM_LOCATION_TYPE_HOST || type == CU_MEM_LOCATION_TYPE_HOST_NUMA || type == CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT;
}

CUresult check_properties(const CUmemAllocationProp* properties) {
  REQUIRE(properties != nullptr && properties->type == CU_MEM_ALLOCATION_TYPE_PINNED, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(properties->requestedHandleTypes == CU_MEM_HANDLE_TYPE_NONE, CUDA_ERROR_NOT_SUPPORTED);
  if (on_host(*properties)) return CUDA_SUCCESS;
  REQUIRE(properties->location.type == CU_MEM_LOCATION_TYPE_DEVICE, CUDA_ERROR_INVALID_VALUE);
  return device_at(properties->location.id) != nullptr ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

void drop_reference(Physical* physical) {
  {
    std::lock_guard<std::mutex> guard(physical->lock);
    if (--physical->references > 0) return;
  }
  close(physical->file);
  if (physical->gpu >= 0) SharedState::get().refund(physical->gpu, physical->size);
  physicals().destroy(physical);
}

// glibc 2.17 has no memfd_create.
int make_file(size_t size) {
  const int file = static_cast<int>(syscall(SYS_memfd_create, "simgpu", 1u /* MFD_CLOEXEC */));
  if (file >= 0 && ftruncate(file, static_cast<off_t>(size)) == 0) return file;
  if (file >= 0) close(file);
  return -1;
}

// Puts plain arena memory back where a mapping was.
void restore_arena(uint64_t address, size_t size) {
  mmap(reinterpret_cast<void*>(address), size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

uint8_t rights_of(CUmemAccess_flags flags) {
  if (flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE) return exec::kReadable | exec::kWritable;
  return flags == CU_MEM_ACCESS_FLAGS_PROT_READ ? exec::kReadable : uint8_t{0};
}

}  // namespace

extern "C" {

CUresult cuMemGetAllocationGranularity(size_t* granularity, const CUmemAllocationProp* properties, CUmemAllocationGranularity_flags) {
  REQUIRE_INITIALIZED();
  REQUIRE(granularity != nullptr, CUDA_ERROR_INVALID_VALUE);
  if (const CUresult bad = check_properties(properties); bad != CUDA_SUCCESS) return bad;
  *granularity = kGranularity;
  return CUDA_SUCCESS;
}

CUresult cuMemAddressReserve(CUdeviceptr* out, size_t size, size_t alignment, CUdeviceptr wish, unsigned long long flags) {
  REQUIRE_INITIALIZED();
  REQUIRE(out != nullptr && size != 0 && size % kGranularity == 0 && flags == 0, CUDA_ERROR_INVALID_VALUE);
  REQUIRE((alignment & (alignment - 1)) == 0, CUDA_ERROR_INVALID_VALUE);
  const auto address = Arena::get().reserve(kHostPart, size, std::max(alignment, kGranularity), wish);
  REQUIRE(address.has_value(), CUDA_ERROR_OUT_OF_MEMORY);
  *out = *address;
  return CUDA_SUCCESS;
}

CUresult cuMemAddressFree(CUdeviceptr address, size_t size) {
  REQUIRE_INITIALIZED();
  return Arena::get().unreserve(address, size) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemCreate(CUmemGenericAllocationHandle* out, size_t size, const CUmemAllocationProp* properties, unsigned long long flags) {
  REQUIRE_INITIALIZED();
  REQUIRE(out != nullptr && size != 0 && size % kGranularity == 0 && flags == 0, CUDA_ERROR_INVALID_VALUE);
  if (const CUresult bad = check_properties(properties); bad != CUDA_SUCCESS) return bad;
  const int gpu = on_host(*properties) ? kHostPart : device_at(properties->location.id)->info->index;
  REQUIRE(gpu < 0 || SharedState::get().charge(gpu, size), CUDA_ERROR_OUT_OF_MEMORY);
  const int file = make_file(size);
  Physical* physical = file >= 0 ? physicals().make() : nullptr;
  if (physical == nullptr) {
    if (file >= 0) close(file);
    if (gpu >= 0) SharedState::get().refund(gpu, size);
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  physical->properties = *properties;
  physical->size = size;
  physical->file = file;
  physical->gpu = gpu;
  physical->references = 1;
  *out = reinterpret_cast<CUmemGenericAllocationHandle>(physical);
  return CUDA_SUCCESS;
}

CUresult cuMemRelease(CUmemGenericAllocationHandle handle) {
  REQUIRE_INITIALIZED();
  Physical* physical = physicals().get(reinterpret_cast<const void*>(handle));
  REQUIRE(physical != nullptr, CUDA_ERROR_INVALID_VALUE);
  drop_reference(physical);
  return CUDA_SUCCESS;
}

// Nothing may touch it before cuMemSetAccess.
CUresult cuMemMap(CUdeviceptr address, size_t size, size_t offset, CUmemGenericAllocationHandle handle, unsigned long long flags) {
  REQUIRE_INITIALIZED();
  Physical* physical = physicals().get(reinterpret_cast<const void*>(handle));
  REQUIRE(physical != nullptr && flags == 0 && offset == 0, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(size != 0 && size % kGranularity == 0 && address % kGranularity == 0 && size <= physical->size, CUDA_ERROR_INVALID_VALUE);
  Allocation range;
  range.address = address;
  range.size = size;
  range.gpu = physical->gpu;
  range.owner = physical;
  REQUIRE(Arena::get().add_mapped(range), CUDA_ERROR_INVALID_VALUE);
  void* memory = mmap(reinterpret_cast<void*>(address), size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, physical->file, 0);
  if (memory == MAP_FAILED) {
    Arena::get().remove_mapped(address, size);
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  std::lock_guard<std::mutex> guard(physical->lock);
  physical->references++;
  return CUDA_SUCCESS;
}

CUresult cuMemUnmap(CUdeviceptr address, size_t size) {
  REQUIRE_INITIALIZED();
  for (uint64_t place = address; place < address + size;) {  // one call may end several mappings, but none in part
    const auto range = Arena::get().find(place);
    const bool whole = range && range->kind == MemoryKind::kMapped && range->address == place && place + range->size <= address + size;
    REQUIRE(whole, CUDA_ERROR_INVALID_VALUE);
    place += range->size;
  }
  for (uint64_t place = address; place < address + size;) {
    const auto range = Arena::get().find(place);
    Arena::get().remove_mapped(place, range->size);
    restore_arena(place, range->size);
    drop_reference(static_cast<Physical*>(range->owner));
    place += range->size;
  }
  return CUDA_SUCCESS;
}

// The simulated GPUs reach each other's memory, so the widest right given to any of them is the right of all.
CUresult cuMemSetAccess(CUdeviceptr address, size_t size, const CUmemAccessDesc* descriptors, size_t count) {
  REQUIRE_INITIALIZED();
  REQUIRE(descriptors != nullptr && count != 0 && size != 0, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(Arena::get().covers(address, size), CUDA_ERROR_INVALID_VALUE);
  uint8_t rights = 0;
  for (size_t i = 0; i < count; i++) {
    const CUmemLocation& location = descriptors[i].location;
    REQUIRE(location.type != CU_MEM_LOCATION_TYPE_DEVICE || device_at(location.id) != nullptr, CUDA_ERROR_INVALID_DEVICE);
    rights |= rights_of(descriptors[i].flags);
  }
  Arena::get().set_rights(address, size, rights);
  return CUDA_SUCCESS;
}

CUresult cuMemGetAccess(unsigned long long* flags, const CUmemLocation* location, CUdeviceptr address) {
  REQUIRE_INITIALIZED();
  const auto range = Arena::get().find(address);
  REQUIRE(flags != nullptr && location != nullptr && range && range->kind == MemoryKind::kMapped, CUDA_ERROR_INVALID_VALUE);
  const uint8_t rights = Arena::get().rights(address);
  *flags = (rights & exec::kWritable) != 0 ? CU_MEM_ACCESS_FLAGS_PROT_READWRITE
           : rights != 0                   ? CU_MEM_ACCESS_FLAGS_PROT_READ
                                           : CU_MEM_ACCESS_FLAGS_PROT_NONE;
  return CUDA_SUCCESS;
}

CUresult cuMemGetAllocationPropertiesFromHandle(CUmemAllocationProp* properties, CUmemGenericAllocationHandle handle) {
  REQUIRE_INITIALIZED();
  const Physical* physical = physicals().get(reinterpret_cast<const void*>(handle));
  REQUIRE(physical != nullptr && properties != nullptr, CUDA_ERROR_INVALID_VALUE);
  *properties = physical->properties;
  return CUDA_SUCCESS;
}

CUresult cuMemRetainAllocationHandle(CUmemGenericAllocationHandle* out, void* address) {
  REQUIRE_INITIALIZED();
  const auto range = Arena::get().find(reinterpret_cast<uint64_t>(address));
  REQUIRE(out != nullptr && range && range->kind == MemoryKind::kMapped, CUDA_ERROR_INVALID_VALUE);
  auto* physical = static_cast<Physical*>(range->owner);
  std::lock_guard<std::mutex> guard(physical->lock);
  physical->references++;
  *out = reinterpret_cast<CUmemGenericAllocationHandle>(physical);
  return CUDA_SUCCESS;
}

}  // extern "C"

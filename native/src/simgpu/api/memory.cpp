// Device, pinned and managed memory, registration of client memory, pointer attributes.
#include <algorithm>
#include <cstring>

#include "simgpu/arena.h"
#include "simgpu/capture.h"
#include "simgpu/context.h"
#include "simgpu/graph_memory.h"
#include "simgpu/managed.h"
#include "simgpu/memory_check.h"
#include "simgpu/pool.h"

using namespace simgpu;

namespace {

constexpr size_t kPitchAlignment = 512;

CUresult allocate(CUdeviceptr* out, size_t bytes, MemoryKind kind, Context* context, unsigned flags) {
  REQUIRE(out != nullptr && bytes != 0, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(!capture_forbids_unsafe_calls(), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  Allocation wanted;
  wanted.size = bytes;
  wanted.kind = kind;
  wanted.gpu = kind == MemoryKind::kPinned ? kHostPart : context->gpu();
  wanted.context = context;
  wanted.flags = flags;
  const bool faulty = kind != MemoryKind::kPinned && (current_faults().out_of_memory >> context->gpu() & 1) != 0;
  const auto address = faulty ? std::nullopt : Arena::get().allocate(wanted);
  REQUIRE(address.has_value(), CUDA_ERROR_OUT_OF_MEMORY);
  *out = *address;
  return CUDA_SUCCESS;
}

CUresult free_graph_range(Context* context, uint64_t address) {
  const auto memory = find_graph_memory(address);
  REQUIRE(memory != nullptr, CUDA_ERROR_INVALID_VALUE);
  if (const CUresult bad = free_graph_memory(memory); bad != CUDA_SUCCESS) return bad;
  context->synchronize();
  close_memory(*memory);
  return context->sticky();
}

// Freeing waits for everything that might use the memory, as the driver does.
CUresult free_at(uint64_t address, Context* context) {
  const auto range = Arena::get().find(address);
  REQUIRE(range && range->address == address, CUDA_ERROR_INVALID_VALUE);
  if (range->kind == MemoryKind::kPool) return free_pool_memory(context, *range);
  if (range->kind == MemoryKind::kGraph) return free_graph_range(context, address);
  Context* owner = range->context != nullptr ? static_cast<Context*>(range->context) : context;
  owner->synchronize();
  REQUIRE(Arena::get().release(address), CUDA_ERROR_INVALID_VALUE);
  if (range->kind == MemoryKind::kManaged) forget_advice(range->address, range->size);
  return context->sticky();
}

}  // namespace

extern "C" {

CUresult cuMemGetInfo_v2(size_t* free, size_t* total) {
  ENTER(context);
  const uint64_t size = context->device->info->memory_bytes;
  const uint64_t used = SharedState::get().used(context->gpu());
  if (free != nullptr) *free = size - std::min(size, used);
  if (total != nullptr) *total = size;
  return CUDA_SUCCESS;
}

CUresult cuMemAlloc_v2(CUdeviceptr* out, size_t bytes) {
  ENTER(context);
  return allocate(out, bytes, MemoryKind::kDevice, context, 0);
}

CUresult cuMemAllocPitch_v2(CUdeviceptr* out, size_t* pitch, size_t width, size_t height, unsigned int element) {
  ENTER(context);
  REQUIRE(pitch != nullptr && width != 0 && height != 0, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(element == 4 || element == 8 || element == 16, CUDA_ERROR_INVALID_VALUE);
  *pitch = round_up(width, kPitchAlignment);
  REQUIRE(height <= SIZE_MAX / *pitch, CUDA_ERROR_OUT_OF_MEMORY);
  return allocate(out, *pitch * height, MemoryKind::kDevice, context, 0);
}

CUresult cuMemAllocManaged(CUdeviceptr* out, size_t bytes, unsigned int flags) {
  ENTER(context);
  REQUIRE(flags == CU_MEM_ATTACH_GLOBAL || flags == CU_MEM_ATTACH_HOST, CUDA_ERROR_INVALID_VALUE);
  return allocate(out, bytes, MemoryKind::kManaged, context, flags);
}

CUresult cuMemFree_v2(CUdeviceptr address) {
  ENTER(context);
  if (address == 0) return CUDA_SUCCESS;
  const auto range = Arena::get().find(address);
  const bool freeable = range && (range->kind == MemoryKind::kDevice || range->kind == MemoryKind::kManaged ||
                                  range->kind == MemoryKind::kPool || range->kind == MemoryKind::kGraph);
  REQUIRE(freeable, CUDA_ERROR_INVALID_VALUE);
  return free_at(address, context);
}

CUresult cuMemGetAddressRange_v2(CUdeviceptr* base, size_t* size, CUdeviceptr address) {
  ENTER(context);
  const auto range = Arena::get().find(address);
  REQUIRE(range.has_value(), CUDA_ERROR_NOT_FOUND);
  if (base != nullptr) *base = range->address;
  if (size != nullptr) *size = range->size;
  return CUDA_SUCCESS;
}

// --- Pinned memory ----------------------------------------------------------------------------------------------------------------------

CUresult cuMemHostAlloc(void** out, size_t bytes, unsigned int flags) {
  ENTER(context);
  const unsigned known = CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_WRITECOMBINED;
  REQUIRE(out != nullptr && (flags & ~known) == 0, CUDA_ERROR_INVALID_VALUE);
  CUdeviceptr address = 0;
  const CUresult result = allocate(&address, bytes, MemoryKind::kPinned, context, flags | CU_MEMHOSTALLOC_DEVICEMAP);
  if (result == CUDA_SUCCESS) *out = reinterpret_cast<void*>(address);
  return result;
}

CUresult cuMemAllocHost_v2(void** out, size_t bytes) { return cuMemHostAlloc(out, bytes, 0); }

CUresult cuMemFreeHost(void* pointer) {
  ENTER(context);
  if (pointer == nullptr) return CUDA_SUCCESS;
  const auto range = Arena::get().find(reinterpret_cast<uint64_t>(pointer));
  REQUIRE(range && range->kind == MemoryKind::kPinned, CUDA_ERROR_INVALID_VALUE);
  return free_at(range->address == reinterpret_cast<uint64_t>(pointer) ? range->address : 0, context);
}

CUresult cuMemHostRegister_v2(void* pointer, size_t bytes, unsigned int flags) {
  ENTER(context);
  const unsigned known =
      CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_DEVICEMAP | CU_MEMHOSTREGISTER_IOMEMORY | CU_MEMHOSTREGISTER_READ_ONLY;
  REQUIRE(pointer != nullptr && bytes != 0 && (flags & ~known) == 0, CUDA_ERROR_INVALID_VALUE);
  REQUIRE((flags & CU_MEMHOSTREGISTER_IOMEMORY) == 0, CUDA_ERROR_NOT_SUPPORTED);
  Allocation range;
  range.address = reinterpret_cast<uint64_t>(pointer);
  range.size = bytes;
  range.context = context;
  range.flags = flags;
  return Arena::get().add_registered(range) ? CUDA_SUCCESS : CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
}

CUresult cuMemHostRegister(void* pointer, size_t bytes, unsigned int flags) { return cuMemHostRegister_v2(pointer, bytes, flags); }

CUresult cuMemHostUnregister(void* pointer) {
  ENTER(context);
  const auto range = Arena::get().find(reinterpret_cast<uint64_t>(pointer));
  const bool known = range && range->kind == MemoryKind::kRegistered && range->address == reinterpret_cast<uint64_t>(pointer);
  REQUIRE(known, CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
  context->synchronize();
  Arena::get().remove_registered(range->address);
  return context->sticky();
}

CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr* out, void* pointer, unsigned int flags) {
  ENTER(context);
  REQUIRE(out != nullptr && flags == 0, CUDA_ERROR_INVALID_VALUE);
  const auto range = Arena::get().find(reinterpret_cast<uint64_t>(pointer));
  REQUIRE(range && range->is_host(), CUDA_ERROR_INVALID_VALUE);
  *out = reinterpret_cast<CUdeviceptr>(pointer);
  return CUDA_SUCCESS;
}

CUresult cuMemHostGetFlags(unsigned int* flags, void* pointer) {
  ENTER(context);
  const auto range = Arena::get().find(reinterpret_cast<uint64_t>(pointer));
  REQUIRE(flags != nullptr && range && range->is_host(), CUDA_ERROR_INVALID_VALUE);
  *flags = range->flags;
  return CUDA_SUCCESS;
}

// --- Pointer attributes -----------------------------------------------------------------------------------------------------------------

CUresult cuPointerGetAttribute(void* data, CUpointer_attribute attribute, CUdeviceptr address) {
  REQUIRE_INITIALIZED();
  REQUIRE(data != nullptr, CUDA_ERROR_INVALID_VALUE);
  return pointer_attribute(attribute, address, data);
}

// Unlike the single form, unknown pointers are answered with zeros.
CUresult cuPointerGetAttributes(unsigned int count, CUpointer_attribute* attributes, void** data, CUdeviceptr address) {
  REQUIRE_INITIALIZED();
  REQUIRE(count != 0 && attributes != nullptr && data != nullptr, CUDA_ERROR_INVALID_VALUE);
  for (unsigned i = 0; i < count; i++) {
    const CUresult result = pointer_attribute(attributes[i], address, data[i]);
    if (result == CUDA_SUCCESS) continue;
    const size_t size = pointer_attribute_size(attributes[i]);
    REQUIRE(size != 0, CUDA_ERROR_INVALID_VALUE);
    memset(data[i], 0, size);
    if (attributes[i] == CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL) *static_cast<int*>(data[i]) = -2;
    if (attributes[i] == CU_POINTER_ATTRIBUTE_HOST_POINTER) *static_cast<uint64_t*>(data[i]) = address;
  }
  return CUDA_SUCCESS;
}

CUresult cuPointerSetAttribute(const void* value, CUpointer_attribute attribute, CUdeviceptr address) {
  REQUIRE_INITIALIZED();
  REQUIRE(value != nullptr && attribute == CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(Arena::get().set_sync_memops(address, *static_cast<const unsigned*>(value) != 0), CUDA_ERROR_INVALID_VALUE);
  return CUDA_SUCCESS;
}

}  // extern "C"

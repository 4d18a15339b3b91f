// Managed memory: advice and prefetching. It lies where host and kernels both reach it, so there is nothing to move.
#include "simgpu/managed.h"

#include <algorithm>
#include <cstring>

#include "simgpu/arena.h"
#include "simgpu/context.h"

using namespace simgpu;

namespace {

CUresult managed_range(CUdeviceptr address, size_t bytes) {
  const auto range = Arena::get().find(address);
  REQUIRE(bytes != 0 && range && range->kind == MemoryKind::kManaged, CUDA_ERROR_INVALID_VALUE);
  return address + bytes <= range->address + range->size ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUmemLocation location_of(CUdevice device) {
  if (device == CU_DEVICE_CPU) return {CU_MEM_LOCATION_TYPE_HOST, {0}};
  return {CU_MEM_LOCATION_TYPE_DEVICE, {device}};
}

bool is_host(const CUmemLocation& location) {
  return location.type == CU_MEM_LOCATION_TYPE_HOST || location.type == CU_MEM_LOCATION_TYPE_HOST_NUMA ||
         location.type == CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT;
}

CUresult check_location(const CUmemLocation& location) {
  if (is_host(location)) return CUDA_SUCCESS;
  REQUIRE(location.type == CU_MEM_LOCATION_TYPE_DEVICE, CUDA_ERROR_INVALID_VALUE);
  return device_at(location.id) != nullptr ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

int device_number(const CUmemLocation& location) { return is_host(location) ? CU_DEVICE_CPU : location.id; }

// Forms of advice that say nothing about a place need none.
bool needs_location(CUmem_advise advice) {
  return advice == CU_MEM_ADVISE_SET_PREFERRED_LOCATION || advice == CU_MEM_ADVISE_SET_ACCESSED_BY ||
         advice == CU_MEM_ADVISE_UNSET_ACCESSED_BY;
}

void apply(CUmem_advise advice, const CUmemLocation& location, Advice* known) {
  switch (advice) {
    case CU_MEM_ADVISE_SET_READ_MOSTLY:
    case CU_MEM_ADVISE_UNSET_READ_MOSTLY:
      known->read_mostly = advice == CU_MEM_ADVISE_SET_READ_MOSTLY;
      return;
    case CU_MEM_ADVISE_SET_PREFERRED_LOCATION:
      known->preferred = location;
      return;
    case CU_MEM_ADVISE_UNSET_PREFERRED_LOCATION:
      known->preferred = {};
      return;
    case CU_MEM_ADVISE_SET_ACCESSED_BY:
      known->accessed_by.insert(device_number(location));
      return;
    case CU_MEM_ADVISE_UNSET_ACCESSED_BY:
      known->accessed_by.erase(device_number(location));
      return;
    default:
      return;
  }
}

// --- Attributes of ranges
// -----------------------------------------------------------------------------------------------------------------

bool same(const CUmemLocation& a, const CUmemLocation& b) { return a.type == b.type && a.id == b.id; }

// The place that all pages agree on; type 0: there is none.
CUmemLocation common(const std::vector<Advice>& pieces, CUmemLocation Advice::* which) {
  const CUmemLocation first = pieces.front().*which;
  const bool agreed = std::all_of(pieces.begin(), pieces.end(), [&](const Advice& piece) { return same(piece.*which, first); });
  return agreed ? first : CUmemLocation{};
}

int device_or_none(const CUmemLocation& location) { return location.type == 0 ? CU_DEVICE_INVALID : device_number(location); }

void store_accessed_by(const std::vector<Advice>& pieces, int* out, size_t count) {
  std::vector<int> devices;
  for (int device : pieces.front().accessed_by) {
    const bool all = std::all_of(pieces.begin(), pieces.end(), [&](const Advice& piece) { return piece.accessed_by.count(device) != 0; });
    if (all) devices.push_back(device);
  }
  for (size_t i = 0; i < count; i++) out[i] = i < devices.size() ? devices[i] : CU_DEVICE_INVALID;
}

CUresult range_attribute(const std::vector<Advice>& pieces, CUmem_range_attribute attribute, int* out, size_t size) {
  REQUIRE(out != nullptr && size != 0 && size % sizeof(int) == 0, CUDA_ERROR_INVALID_VALUE);
  if (attribute == CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY) {
    store_accessed_by(pieces, out, size / sizeof(int));
    return CUDA_SUCCESS;
  }
  REQUIRE(size == sizeof(int), CUDA_ERROR_INVALID_VALUE);
  const CUmemLocation preferred = common(pieces, &Advice::preferred), prefetched = common(pieces, &Advice::last_prefetch);
  switch (attribute) {
    case CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY:
      *out = std::all_of(pieces.begin(), pieces.end(), [](const Advice& piece) { return piece.read_mostly; });
      return CUDA_SUCCESS;
    case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION:
      *out = device_or_none(preferred);
      return CUDA_SUCCESS;
    case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_TYPE:
      *out = preferred.type;
      return CUDA_SUCCESS;
    case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_ID:
      *out = preferred.id;
      return CUDA_SUCCESS;
    case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION:
      *out = device_or_none(prefetched);
      return CUDA_SUCCESS;
    case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_TYPE:
      *out = prefetched.type;
      return CUDA_SUCCESS;
    case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_ID:
      *out = prefetched.id;
      return CUDA_SUCCESS;
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
}

// Place number i of a batch: each index says from which range on a place holds.
CUresult batch_location(size_t i, const CUmemLocation* locations, const size_t* starts, size_t count, CUmemLocation* found) {
  size_t chosen = 0;
  while (chosen + 1 < count && starts[chosen + 1] <= i) chosen++;
  *found = locations[chosen];
  return check_location(*found);
}

CUresult check_batch(const CUdeviceptr* addresses, const size_t* sizes, size_t count, unsigned long long flags) {
  REQUIRE(addresses != nullptr && sizes != nullptr && count != 0 && flags == 0, CUDA_ERROR_INVALID_VALUE);
  for (size_t i = 0; i < count; i++) {
    if (const CUresult bad = managed_range(addresses[i], sizes[i]); bad != CUDA_SUCCESS) return bad;
  }
  return CUDA_SUCCESS;
}

}  // namespace

extern "C" {

CUresult cuMemAdvise_v2(CUdeviceptr address, size_t bytes, CUmem_advise advice, CUmemLocation location) {
  ENTER(context);
  if (const CUresult bad = managed_range(address, bytes); bad != CUDA_SUCCESS) return bad;
  REQUIRE(advice >= CU_MEM_ADVISE_SET_READ_MOSTLY && advice <= CU_MEM_ADVISE_UNSET_ACCESSED_BY, CUDA_ERROR_INVALID_VALUE);
  if (needs_location(advice)) {
    if (const CUresult bad = check_location(location); bad != CUDA_SUCCESS) return bad;
  }
  change_advice(address, bytes, [&](Advice* known) { apply(advice, location, known); });
  return CUDA_SUCCESS;
}

CUresult cuMemAdvise(CUdeviceptr address, size_t bytes, CUmem_advise advice, CUdevice device) {
  return cuMemAdvise_v2(address, bytes, advice, location_of(device));
}

CUresult cuMemPrefetchAsync_v2(CUdeviceptr address, size_t bytes, CUmemLocation location, unsigned int flags, CUstream stream) {
  ENTER(context);
  REQUIRE(flags == 0, CUDA_ERROR_INVALID_VALUE);
  if (const CUresult bad = managed_range(address, bytes); bad != CUDA_SUCCESS) return bad;
  if (const CUresult bad = check_location(location); bad != CUDA_SUCCESS) return bad;
  const CUresult result = enqueue(context, stream, Work{}, Urgency::kHere);
  if (result == CUDA_SUCCESS) change_advice(address, bytes, [&](Advice* known) { known->last_prefetch = location; });
  return result;
}

CUresult cuMemPrefetchAsync(CUdeviceptr address, size_t bytes, CUdevice device, CUstream stream) {
  return cuMemPrefetchAsync_v2(address, bytes, location_of(device), 0, stream);
}

CUresult cuMemPrefetchBatchAsync(CUdeviceptr* addresses, size_t* sizes, size_t count, CUmemLocation* locations, size_t* starts,
                                 size_t location_count, unsigned long long flags, CUstream stream) {
  ENTER(context);
  if (const CUresult bad = check_batch(addresses, sizes, count, flags); bad != CUDA_SUCCESS) return bad;
  REQUIRE(locations != nullptr && starts != nullptr && location_count != 0, CUDA_ERROR_INVALID_VALUE);
  for (size_t i = 0; i < count; i++) {
    CUmemLocation location{};
    if (const CUresult bad = batch_location(i, locations, starts, location_count, &location); bad != CUDA_SUCCESS) return bad;
    if (const CUresult bad = cuMemPrefetchAsync_v2(addresses[i], sizes[i], location, 0, stream); bad != CUDA_SUCCESS) return bad;
  }
  return CUDA_SUCCESS;
}

// What discarded memory holds is undefined: that includes what it held.
CUresult cuMemDiscardBatchAsync(CUdeviceptr* addresses, size_t* sizes, size_t count, unsigned long long flags, CUstream stream) {
  ENTER(context);
  if (const CUresult bad = check_batch(addresses, sizes, count, flags); bad != CUDA_SUCCESS) return bad;
  return enqueue(context, stream, Work{}, Urgency::kHere);
}

CUresult cuMemDiscardAndPrefetchBatchAsync(CUdeviceptr* addresses, size_t* sizes, size_t count, CUmemLocation* locations, size_t* starts,
                                           size_t location_count, unsigned long long flags, CUstream stream) {
  return cuMemPrefetchBatchAsync(addresses, sizes, count, locations, starts, location_count, flags, stream);
}

CUresult cuMemRangeGetAttribute(void* data, size_t size, CUmem_range_attribute attribute, CUdeviceptr address, size_t bytes) {
  ENTER(context);
  if (const CUresult bad = managed_range(address, bytes); bad != CUDA_SUCCESS) return bad;
  return range_attribute(advice_for(address, bytes), attribute, static_cast<int*>(data), size);
}

CUresult cuMemRangeGetAttributes(void** data, size_t* sizes, CUmem_range_attribute* attributes, size_t count, CUdeviceptr address,
                                 size_t bytes) {
  ENTER(context);
  REQUIRE(data != nullptr && sizes != nullptr && attributes != nullptr && count != 0, CUDA_ERROR_INVALID_VALUE);
  if (const CUresult bad = managed_range(address, bytes); bad != CUDA_SUCCESS) return bad;
  const std::vector<Advice> pieces = advice_for(address, bytes);
  for (size_t i = 0; i < count; i++) {
    if (const CUresult bad = range_attribute(pieces, attributes[i], static_cast<int*>(data[i]), sizes[i]); bad != CUDA_SUCCESS) return bad;
  }
  return CUDA_SUCCESS;
}

// Memory is attached as a whole, if at all.
CUresult cuStreamAttachMemAsync(CUstream stream, CUdeviceptr address, size_t bytes, unsigned int flags) {
  ENTER(context);
  REQUIRE(flags == CU_MEM_ATTACH_GLOBAL || flags == CU_MEM_ATTACH_HOST || flags == CU_MEM_ATTACH_SINGLE, CUDA_ERROR_INVALID_VALUE);
  const auto range = Arena::get().find(address);
  REQUIRE(range && range->kind == MemoryKind::kManaged && range->address == address, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(bytes == 0 || bytes == range->size, CUDA_ERROR_INVALID_VALUE);
  return enqueue(context, stream, Work{}, Urgency::kHere);
}

}  // extern "C"

#include "interposer/host_copy.h"

#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "interposer/check.h"

namespace bitfusion::interposer {
namespace {

// Rows of host memory, one behind the other in the packed form that travels.
struct Rows {
  std::byte* first = nullptr;
  size_t pitch = 0, height = 0;  // of the whole, to find the next row and slice
};

struct HostCopy {
  CUDA_MEMCPY3D shape;  // as the application gave it
  Rows source, destination;
};

std::mutex mutex;

std::unordered_map<uint64_t, HostCopy*>& host_copies() {
  static auto* const copies = new std::unordered_map<uint64_t, HostCopy*>;
  return *copies;
}

Rows rows_at(const void* host, size_t x, size_t y, size_t z, size_t pitch, size_t height) {
  auto* base = static_cast<std::byte*>(const_cast<void*>(host));
  return {base + x + (y + z * height) * pitch, pitch, height};
}

// Calls `move(host, packed, size)` for the parts of rows that lie in [begin, end) of the packed form.
template <typename Move>
void each_part(const HostCopy& copy, const Rows& rows, size_t begin, size_t end, Move move) {
  const size_t width = copy.shape.WidthInBytes;
  for (size_t at = begin; at < end;) {
    const size_t row = at / width, x = at % width, size = std::min(width - x, end - at);
    const size_t y = row % copy.shape.Height, z = row / copy.shape.Height;
    move(rows.first + (y + z * rows.height) * rows.pitch + x, at - begin, size);
    at += size;
  }
}

transport::HostBytes serve(void* argument, uint32_t number, transport::HostBytes arrived) {
  auto* copy = static_cast<HostCopy*>(argument);
  const size_t total = copy->shape.WidthInBytes * copy->shape.Height * copy->shape.Depth;
  const size_t begin = std::min(number * wire::kHostPiece, total), end = std::min(begin + wire::kHostPiece, total);
  if (copy->destination.first && arrived.size >= end - begin) {
    each_part(*copy, copy->destination, begin, end,
              [&](std::byte* host, size_t at, size_t size) { std::memcpy(host, arrived.data + at, size); });
    return {};
  }
  if (!copy->source.first) return {};
  static auto* const piece = new std::vector<std::byte>;  // of the one thread that serves the worker's requests
  piece->resize(end - begin);
  each_part(*copy, copy->source, begin, end,
            [&](const std::byte* host, size_t at, size_t size) { std::memcpy(piece->data() + at, host, size); });
  return {piece->data(), piece->size()};
}

bool holds(const CUDA_MEMCPY3D& shape, size_t x, size_t pitch, size_t y, size_t height) {
  return pitch >= x + shape.WidthInBytes && (shape.Depth <= 1 || height >= y + shape.Height);
}

}  // namespace

CUresult remember_host_copy(const Caller& at, CUDA_MEMCPY3D* shape, uint64_t* number) {
  auto* copy = new (std::nothrow) HostCopy{*shape, {}, {}};
  if (!copy) return CUDA_ERROR_OUT_OF_MEMORY;
  size_t total;
  bool fits = shape->WidthInBytes && shape->Height && shape->Depth && !__builtin_mul_overflow(shape->WidthInBytes, shape->Height, &total) &&
              !__builtin_mul_overflow(total, shape->Depth, &total);
  if (shape->srcMemoryType == CU_MEMORYTYPE_HOST) {
    const size_t pitch = shape->srcPitch ? shape->srcPitch : shape->srcXInBytes + shape->WidthInBytes;
    fits = fits && shape->srcHost && holds(*shape, shape->srcXInBytes, pitch, shape->srcY, shape->srcHeight);
    copy->source = rows_at(shape->srcHost, shape->srcXInBytes, shape->srcY, shape->srcZ, pitch, shape->srcHeight);
    shape->srcXInBytes = shape->srcY = shape->srcZ = 0;
    shape->srcPitch = shape->WidthInBytes;
    shape->srcHeight = shape->Height;
  }
  if (shape->dstMemoryType == CU_MEMORYTYPE_HOST) {
    const size_t pitch = shape->dstPitch ? shape->dstPitch : shape->dstXInBytes + shape->WidthInBytes;
    fits = fits && shape->dstHost && holds(*shape, shape->dstXInBytes, pitch, shape->dstY, shape->dstHeight);
    copy->destination = rows_at(shape->dstHost, shape->dstXInBytes, shape->dstY, shape->dstZ, pitch, shape->dstHeight);
    shape->dstXInBytes = shape->dstY = shape->dstZ = 0;
    shape->dstPitch = shape->WidthInBytes;
    shape->dstHeight = shape->Height;
  }
  *number = fits ? at.link->remember_host_copy(serve, copy) : 0;
  if (!*number) {
    delete copy;
    return fits ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_ERROR_INVALID_VALUE;
  }
  std::lock_guard lock(mutex);
  host_copies()[*number] = copy;
  return CUDA_SUCCESS;
}

bool find_host_copy(uint64_t number, CUDA_MEMCPY3D* shape) {
  std::lock_guard lock(mutex);
  auto at = host_copies().find(number);
  if (at == host_copies().end()) return false;
  *shape = at->second->shape;
  return true;
}

}  // namespace bitfusion::interposer

#include "simgpu/copy.h"

#include <cstring>

#include "simgpu/array.h"

namespace simgpu {

namespace {

constexpr size_t kSmallCopy = 64u << 10;  // short enough to make in the calling thread, or to stage

// One end of a CUDA_MEMCPY3D.
struct End {
  uint64_t address = 0;
  uint64_t pitch = 0;
  uint64_t slice = 0;
  Side side = Side::kUnified;
  uint64_t limit = 0;  // bytes behind `address` that belong to an array; 0: not an array
};

struct AskedEnd {
  size_t x, y, z;
  CUmemorytype type;
  const void* host;
  CUdeviceptr device;
  CUarray array;
  size_t pitch, height;
};

// Products and sums that stay at the largest number instead of beginning again at 0: more than there can be of memory.
uint64_t times(uint64_t a, uint64_t b) {
  uint64_t product;
  return __builtin_mul_overflow(a, b, &product) ? ~uint64_t{0} : product;
}
uint64_t plus(uint64_t a, uint64_t b) {
  uint64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? ~uint64_t{0} : sum;
}

bool within(size_t start, size_t count, size_t limit) { return start <= limit && count <= limit - start; }

CUresult resolve_array(const AskedEnd& asked, const CUDA_MEMCPY3D& shape, End* end) {
  const Array* array = arrays().get(asked.array);
  REQUIRE(array != nullptr, CUDA_ERROR_INVALID_HANDLE);
  const bool inside = within(asked.x, shape.WidthInBytes, array->pitch()) && within(asked.y, shape.Height, array->rows()) &&
                      within(asked.z, shape.Depth, array->layers());
  REQUIRE(inside && asked.x % array->element_bytes == 0 && shape.WidthInBytes % array->element_bytes == 0, CUDA_ERROR_INVALID_VALUE);
  end->pitch = array->pitch();
  end->slice = array->pitch() * array->rows();
  end->side = Side::kDevice;
  const uint64_t offset = asked.z * end->slice + asked.y * end->pitch + asked.x;
  REQUIRE(offset < array->bytes(), CUDA_ERROR_INVALID_VALUE);
  end->address = array->address + offset;
  end->limit = array->bytes() - offset;
  return CUDA_SUCCESS;
}

CUresult resolve_end(const AskedEnd& asked, const CUDA_MEMCPY3D& shape, End* end) {
  if (asked.type == CU_MEMORYTYPE_ARRAY) return resolve_array(asked, shape, end);
  REQUIRE(asked.type >= CU_MEMORYTYPE_HOST && asked.type <= CU_MEMORYTYPE_UNIFIED, CUDA_ERROR_INVALID_VALUE);
  const bool host = asked.type == CU_MEMORYTYPE_HOST;
  end->side = host ? Side::kHost : asked.type == CU_MEMORYTYPE_DEVICE ? Side::kDevice : Side::kUnified;
  const uint64_t base = host ? reinterpret_cast<uint64_t>(asked.host) : asked.device;
  const bool many_rows = shape.Height > 1 || shape.Depth > 1;
  const uint64_t line = plus(asked.x, shape.WidthInBytes), rows = plus(asked.y, shape.Height);
  REQUIRE(!many_rows || asked.pitch == 0 || asked.pitch >= line, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(shape.Depth <= 1 || asked.height == 0 || asked.height >= rows, CUDA_ERROR_INVALID_VALUE);
  end->pitch = asked.pitch != 0 ? asked.pitch : line;
  end->slice = times(end->pitch, asked.height != 0 ? asked.height : rows);
  end->address = base + asked.z * end->slice + asked.y * end->pitch + asked.x;
  return CUDA_SUCCESS;
}

uint64_t extent(const CUDA_MEMCPY3D& shape, const End& end) {
  if (shape.WidthInBytes == 0 || shape.Height == 0 || shape.Depth == 0) return 0;
  return plus(plus(times(shape.Depth - 1, end.slice), times(shape.Height - 1, end.pitch)), shape.WidthInBytes);
}

bool end_allowed(const CUDA_MEMCPY3D& shape, const End& end) {
  const uint64_t bytes = extent(shape, end);
  return (end.limit == 0 || bytes <= end.limit) && range_allowed(end.address, bytes, end.side);
}

uint64_t source_extent(const CopyWork& copy) { return (copy.depth - 1) * copy.src_slice + (copy.height - 1) * copy.src_pitch + copy.width; }
uint64_t target_extent(const CopyWork& copy) { return (copy.depth - 1) * copy.dst_slice + (copy.height - 1) * copy.dst_pitch + copy.width; }

void stage(CopyWork* copy) {
  const auto* source = reinterpret_cast<const uint8_t*>(copy->src);
  copy->staged = std::make_shared<std::vector<uint8_t>>(source, source + source_extent(*copy));
}

}  // namespace

CUresult flat_copy(uint64_t dst, Side dst_side, uint64_t src, Side src_side, size_t bytes, CopyWork* copy) {
  REQUIRE(bytes == 0 || (dst != 0 && src != 0), CUDA_ERROR_INVALID_VALUE);
  REQUIRE(range_allowed(dst, bytes, dst_side) && range_allowed(src, bytes, src_side), CUDA_ERROR_INVALID_VALUE);
  copy->dst = dst;
  copy->src = src;
  copy->width = copy->dst_pitch = copy->src_pitch = copy->dst_slice = copy->src_slice = bytes;
  copy->asked.srcMemoryType = copy->asked.dstMemoryType = CU_MEMORYTYPE_UNIFIED;
  copy->asked.srcDevice = src;
  copy->asked.dstDevice = dst;
  copy->asked.WidthInBytes = bytes;
  copy->asked.Height = copy->asked.Depth = 1;
  return CUDA_SUCCESS;
}

CUresult shaped_copy(const CUDA_MEMCPY3D& asked, CopyWork* copy) {
  const AskedEnd from{asked.srcXInBytes, asked.srcY,     asked.srcZ,     asked.srcMemoryType, asked.srcHost,
                      asked.srcDevice,   asked.srcArray, asked.srcPitch, asked.srcHeight};
  const AskedEnd to{asked.dstXInBytes, asked.dstY,     asked.dstZ,     asked.dstMemoryType, asked.dstHost,
                    asked.dstDevice,   asked.dstArray, asked.dstPitch, asked.dstHeight};
  End source, target;
  if (const CUresult bad = resolve_end(from, asked, &source); bad != CUDA_SUCCESS) return bad;
  if (const CUresult bad = resolve_end(to, asked, &target); bad != CUDA_SUCCESS) return bad;
  REQUIRE(end_allowed(asked, source) && end_allowed(asked, target), CUDA_ERROR_INVALID_VALUE);
  *copy = CopyWork{target.address,     source.address, target.pitch, source.pitch, target.slice, source.slice,
                   asked.WidthInBytes, asked.Height,   asked.Depth,  nullptr,      asked};
  return CUDA_SUCCESS;
}

CUresult make_fill(uint64_t dst, size_t pitch, unsigned value, unsigned element_size, size_t width, size_t height, FillWork* fill) {
  const bool element = element_size == 1 || element_size == 2 || element_size == 4;
  REQUIRE(element && dst % element_size == 0, CUDA_ERROR_INVALID_VALUE);
  const uint64_t line = times(width, element_size);
  REQUIRE(height <= 1 || (pitch >= line && pitch % element_size == 0), CUDA_ERROR_INVALID_VALUE);
  const uint64_t bytes = width == 0 || height == 0 ? 0 : plus(times(height - 1, pitch), line);
  REQUIRE(range_allowed(dst, bytes, Side::kDevice), CUDA_ERROR_INVALID_VALUE);
  *fill = FillWork{dst, pitch, value, element_size, width, height};
  return CUDA_SUCCESS;
}

// An asynchronous copy from pageable memory may not read it after the call, nor one to pageable memory write it unseen: small sources are
// staged, all else is waited for, as the driver does.
CUresult submit_copy(Context* context, CUstream handle, CopyWork copy, bool blocking) {
  const uint64_t bytes = bytes_of(copy);
  StreamCore* stream = nullptr;
  if (const CUresult bad = resolve_stream(context, handle, &stream); bad != CUDA_SUCCESS) return bad;
  if (stream->capturing.load() && !blocking) return enqueue(context, handle, std::move(copy), Urgency::kQueue);
  if (bytes == 0) return blocking ? enqueue(context, handle, Work{}, Urgency::kWait) : CUDA_SUCCESS;
  if (blocking) return enqueue(context, handle, std::move(copy), Urgency::kWait);
  if (!stays_valid(copy.dst, target_extent(copy))) return enqueue(context, handle, std::move(copy), Urgency::kWait);
  const bool safe_source = stays_valid(copy.src, source_extent(copy));
  if (!safe_source && bytes > kSmallCopy) return enqueue(context, handle, std::move(copy), Urgency::kWait);
  if (!safe_source) stage(&copy);
  return enqueue(context, handle, std::move(copy), bytes <= kSmallCopy ? Urgency::kHere : Urgency::kQueue);
}

}  // namespace simgpu

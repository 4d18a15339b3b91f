// CUDA arrays and mipmapped arrays; copies to and from them are in copy.cpp.
#include "simgpu/array.h"

#include <algorithm>

#include "simgpu/arena.h"
#include "simgpu/context.h"

using namespace simgpu;

namespace simgpu {

HandleTable<Array>& arrays() {
  static auto* table = new HandleTable<Array>(1u << 20);
  return *table;
}

HandleTable<MipmappedArray>& mipmapped_arrays() {
  static auto* table = new HandleTable<MipmappedArray>(1u << 16);
  return *table;
}

exec::Image Array::image() const {
  return {address,         static_cast<uint32_t>(descriptor.Width), static_cast<uint32_t>(rows()), static_cast<uint32_t>(layers()), pitch(),
          pitch() * rows()};
}

std::optional<ElementType> element_type(CUarray_format format, unsigned channels) {
  using exec::Channel;
  switch (format) {
    case CU_AD_FORMAT_UNSIGNED_INT8:
      return ElementType{Channel::kU8, channels};
    case CU_AD_FORMAT_UNSIGNED_INT16:
      return ElementType{Channel::kU16, channels};
    case CU_AD_FORMAT_UNSIGNED_INT32:
      return ElementType{Channel::kU32, channels};
    case CU_AD_FORMAT_SIGNED_INT8:
      return ElementType{Channel::kS8, channels};
    case CU_AD_FORMAT_SIGNED_INT16:
      return ElementType{Channel::kS16, channels};
    case CU_AD_FORMAT_SIGNED_INT32:
      return ElementType{Channel::kS32, channels};
    case CU_AD_FORMAT_HALF:
      return ElementType{Channel::kF16, channels};
    case CU_AD_FORMAT_FLOAT:
      return ElementType{Channel::kF32, channels};
    case CU_AD_FORMAT_UNORM_INT8X1:
    case CU_AD_FORMAT_UNORM_INT8X2:
    case CU_AD_FORMAT_UNORM_INT8X4:
      return ElementType{Channel::kU8, 1u << (format - CU_AD_FORMAT_UNORM_INT8X1)};
    case CU_AD_FORMAT_UNORM_INT16X1:
    case CU_AD_FORMAT_UNORM_INT16X2:
    case CU_AD_FORMAT_UNORM_INT16X4:
      return ElementType{Channel::kU16, 1u << (format - CU_AD_FORMAT_UNORM_INT16X1)};
    case CU_AD_FORMAT_SNORM_INT8X1:
    case CU_AD_FORMAT_SNORM_INT8X2:
    case CU_AD_FORMAT_SNORM_INT8X4:
      return ElementType{Channel::kS8, 1u << (format - CU_AD_FORMAT_SNORM_INT8X1)};
    case CU_AD_FORMAT_SNORM_INT16X1:
    case CU_AD_FORMAT_SNORM_INT16X2:
    case CU_AD_FORMAT_SNORM_INT16X4:
      return ElementType{Channel::kS16, 1u << (format - CU_AD_FORMAT_SNORM_INT16X1)};
    default:
      return std::nullopt;
  }
}

}  // namespace simgpu

namespace {

constexpr size_t kArrayAlignment = 512;
constexpr unsigned kKnownFlags =
    CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_SURFACE_LDST | CUDA_ARRAY3D_CUBEMAP | CUDA_ARRAY3D_TEXTURE_GATHER | CUDA_ARRAY3D_COLOR_ATTACHMENT;

// Sizes by the number of dimensions, as cuArray3DCreate documents them.
struct Limits {
  size_t width, height, depth;
};

Limits limits_of(const CUDA_ARRAY3D_DESCRIPTOR& descriptor) {
  if ((descriptor.Flags & CUDA_ARRAY3D_CUBEMAP) != 0) {
    const bool layered = (descriptor.Flags & CUDA_ARRAY3D_LAYERED) != 0;
    return {32768, 32768, layered ? size_t{2046} : size_t{6}};
  }
  if ((descriptor.Flags & CUDA_ARRAY3D_LAYERED) != 0) return {32768, 32768, 2048};
  if (descriptor.Depth != 0) return {16384, 16384, 16384};
  return {131072, 65536, 0};
}

CUresult check_shape(const CUDA_ARRAY3D_DESCRIPTOR& descriptor) {
  const Limits limits = limits_of(descriptor);
  REQUIRE(descriptor.Width != 0 && descriptor.Width <= limits.width, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(descriptor.Height <= limits.height && descriptor.Depth <= limits.depth, CUDA_ERROR_INVALID_VALUE);
  REQUIRE((descriptor.Flags & ~kKnownFlags) == 0, CUDA_ERROR_INVALID_VALUE);
  const bool layered = (descriptor.Flags & CUDA_ARRAY3D_LAYERED) != 0;
  REQUIRE(descriptor.Depth == 0 || descriptor.Height != 0 || layered, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(!layered || descriptor.Depth != 0, CUDA_ERROR_INVALID_VALUE);
  if ((descriptor.Flags & CUDA_ARRAY3D_CUBEMAP) == 0) return CUDA_SUCCESS;
  REQUIRE(descriptor.Width == descriptor.Height && descriptor.Depth != 0 && descriptor.Depth % 6 == 0, CUDA_ERROR_INVALID_VALUE);
  return CUDA_SUCCESS;
}

CUresult check_descriptor(const CUDA_ARRAY3D_DESCRIPTOR& descriptor, size_t* element) {
  const bool channels = descriptor.NumChannels == 1 || descriptor.NumChannels == 2 || descriptor.NumChannels == 4;
  const auto type = element_type(descriptor.Format, descriptor.NumChannels);
  REQUIRE(channels && type.has_value(), CUDA_ERROR_INVALID_VALUE);
  *element = type->bytes();
  return check_shape(descriptor);
}

CUresult allocate_array(Context* context, const CUDA_ARRAY3D_DESCRIPTOR& descriptor, size_t element, bool level, Array** out) {
  Array array{descriptor, 0, element, level};
  Allocation wanted;
  wanted.size = array.bytes();
  wanted.kind = MemoryKind::kArray;
  wanted.gpu = context->gpu();
  wanted.context = context;
  const auto address = Arena::get().allocate(wanted);
  REQUIRE(address.has_value(), CUDA_ERROR_OUT_OF_MEMORY);
  array.address = *address;
  *out = arrays().make(array);
  if (*out == nullptr) Arena::get().release(*address);
  return *out != nullptr ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

void release_array(Array* array) {
  Arena::get().release(array->address);
  arrays().destroy(array);
}

CUresult create_array(CUarray* out, const CUDA_ARRAY3D_DESCRIPTOR& descriptor) {
  ENTER(context);
  REQUIRE(out != nullptr, CUDA_ERROR_INVALID_VALUE);
  size_t element = 0;
  if (const CUresult bad = check_descriptor(descriptor, &element); bad != CUDA_SUCCESS) return bad;
  Array* array = nullptr;
  const CUresult result = allocate_array(context, descriptor, element, false, &array);
  *out = reinterpret_cast<CUarray>(array);
  return result;
}

// Every level halves what the one before has, down to one; layers and faces stay.
CUDA_ARRAY3D_DESCRIPTOR level_descriptor(CUDA_ARRAY3D_DESCRIPTOR descriptor, unsigned level) {
  const auto halve = [level](size_t extent) { return extent == 0 ? extent : std::max<size_t>(extent >> level, 1); };
  descriptor.Width = halve(descriptor.Width);
  descriptor.Height = halve(descriptor.Height);
  if ((descriptor.Flags & (CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_CUBEMAP)) == 0) descriptor.Depth = halve(descriptor.Depth);
  return descriptor;
}

unsigned most_levels(const CUDA_ARRAY3D_DESCRIPTOR& descriptor) {
  const bool layered = (descriptor.Flags & (CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_CUBEMAP)) != 0;
  size_t largest = std::max(descriptor.Width, descriptor.Height);
  if (!layered) largest = std::max(largest, descriptor.Depth);
  unsigned levels = 1;
  while (largest > 1) largest >>= 1, levels++;
  return levels;
}

void release_levels(MipmappedArray* mipmap) {
  for (Array* level : mipmap->levels) release_array(level);
  mipmapped_arrays().destroy(mipmap);
}

CUresult memory_requirements(size_t bytes, CUdevice device, CUDA_ARRAY_MEMORY_REQUIREMENTS* requirements) {
  REQUIRE(requirements != nullptr, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(device_at(device) != nullptr, CUDA_ERROR_INVALID_DEVICE);
  *requirements = {};
  requirements->size = round_up(bytes, kGranule);
  requirements->alignment = kArrayAlignment;
  return CUDA_SUCCESS;
}

}  // namespace

extern "C" {

CUresult cuArrayCreate_v2(CUarray* out, const CUDA_ARRAY_DESCRIPTOR* flat) {
  REQUIRE(flat != nullptr, CUDA_ERROR_INVALID_VALUE);
  CUDA_ARRAY3D_DESCRIPTOR descriptor{};
  descriptor.Width = flat->Width;
  descriptor.Height = flat->Height;
  descriptor.Format = flat->Format;
  descriptor.NumChannels = flat->NumChannels;
  return create_array(out, descriptor);
}

CUresult cuArray3DCreate_v2(CUarray* out, const CUDA_ARRAY3D_DESCRIPTOR* descriptor) {
  REQUIRE(descriptor != nullptr, CUDA_ERROR_INVALID_VALUE);
  return create_array(out, *descriptor);
}

CUresult cuArray3DGetDescriptor_v2(CUDA_ARRAY3D_DESCRIPTOR* descriptor, CUarray handle) {
  ENTER(context);
  const Array* array = arrays().get(handle);
  REQUIRE(array != nullptr, CUDA_ERROR_INVALID_HANDLE);
  REQUIRE(descriptor != nullptr, CUDA_ERROR_INVALID_VALUE);
  *descriptor = array->descriptor;
  return CUDA_SUCCESS;
}

CUresult cuArrayGetDescriptor_v2(CUDA_ARRAY_DESCRIPTOR* descriptor, CUarray handle) {
  REQUIRE(descriptor != nullptr, CUDA_ERROR_INVALID_VALUE);
  CUDA_ARRAY3D_DESCRIPTOR full{};
  const CUresult result = cuArray3DGetDescriptor_v2(&full, handle);
  if (result == CUDA_SUCCESS) *descriptor = {full.Width, full.Height, full.Format, full.NumChannels};
  return result;
}

CUresult cuArrayDestroy(CUarray handle) {
  ENTER(context);
  Array* array = arrays().get(handle);
  REQUIRE(array != nullptr && !array->level, CUDA_ERROR_INVALID_HANDLE);
  context->synchronize();
  release_array(array);
  return context->sticky();
}

CUresult cuArrayGetMemoryRequirements(CUDA_ARRAY_MEMORY_REQUIREMENTS* requirements, CUarray handle, CUdevice device) {
  REQUIRE_INITIALIZED();
  const Array* array = arrays().get(handle);
  REQUIRE(array != nullptr, CUDA_ERROR_INVALID_HANDLE);
  return memory_requirements(array->bytes(), device, requirements);
}

// --- Mipmapped arrays -------------------------------------------------------------------------------------------------------------------

CUresult cuMipmappedArrayCreate(CUmipmappedArray* out, const CUDA_ARRAY3D_DESCRIPTOR* descriptor, unsigned int count) {
  ENTER(context);
  REQUIRE(out != nullptr && descriptor != nullptr && count != 0, CUDA_ERROR_INVALID_VALUE);
  size_t element = 0;
  if (const CUresult bad = check_descriptor(*descriptor, &element); bad != CUDA_SUCCESS) return bad;
  MipmappedArray* mipmap = mipmapped_arrays().make(MipmappedArray{*descriptor, {}});
  REQUIRE(mipmap != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  for (unsigned level = 0; level < std::min(count, most_levels(*descriptor)); level++) {
    Array* array = nullptr;
    const CUresult bad = allocate_array(context, level_descriptor(*descriptor, level), element, true, &array);
    if (bad != CUDA_SUCCESS) {
      release_levels(mipmap);
      return bad;
    }
    mipmap->levels.push_back(array);
  }
  *out = reinterpret_cast<CUmipmappedArray>(mipmap);
  return CUDA_SUCCESS;
}

CUresult cuMipmappedArrayGetLevel(CUarray* out, CUmipmappedArray handle, unsigned int level) {
  ENTER(context);
  const MipmappedArray* mipmap = mipmapped_arrays().get(handle);
  REQUIRE(mipmap != nullptr, CUDA_ERROR_INVALID_HANDLE);
  REQUIRE(out != nullptr && level < mipmap->levels.size(), CUDA_ERROR_INVALID_VALUE);
  *out = reinterpret_cast<CUarray>(mipmap->levels[level]);
  return CUDA_SUCCESS;
}

CUresult cuMipmappedArrayDestroy(CUmipmappedArray handle) {
  ENTER(context);
  MipmappedArray* mipmap = mipmapped_arrays().get(handle);
  REQUIRE(mipmap != nullptr, CUDA_ERROR_INVALID_HANDLE);
  context->synchronize();
  release_levels(mipmap);
  return context->sticky();
}

CUresult cuMipmappedArrayGetMemoryRequirements(CUDA_ARRAY_MEMORY_REQUIREMENTS* requirements, CUmipmappedArray handle, CUdevice device) {
  REQUIRE_INITIALIZED();
  const MipmappedArray* mipmap = mipmapped_arrays().get(handle);
  REQUIRE(mipmap != nullptr, CUDA_ERROR_INVALID_HANDLE);
  size_t bytes = 0;
  for (const Array* level : mipmap->levels) bytes += level->bytes();
  return memory_requirements(bytes, device, requirements);
}

// No array here is sparse.
CUresult cuArrayGetSparseProperties(CUDA_ARRAY_SPARSE_PROPERTIES*, CUarray handle) {
  REQUIRE_INITIALIZED();
  return arrays().get(handle) != nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_HANDLE;
}

CUresult cuMipmappedArrayGetSparseProperties(CUDA_ARRAY_SPARSE_PROPERTIES*, CUmipmappedArray handle) {
  REQUIRE_INITIALIZED();
  return mipmapped_arrays().get(handle) != nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_HANDLE;
}

}  // extern "C"

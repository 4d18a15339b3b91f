// Texture and surface objects.
#include "simgpu/texture.h"

#include <algorithm>

#include "simgpu/array.h"
#include "simgpu/context.h"
#include "simgpu/memory_check.h"

using namespace simgpu;

namespace simgpu {

HandleTable<TextureObject>& texture_objects() {
  static auto* table = new HandleTable<TextureObject>(1u << 20);
  return *table;
}

HandleTable<SurfaceObject>& surface_objects() {
  static auto* table = new HandleTable<SurfaceObject>(1u << 20);
  return *table;
}

const exec::Texture* find_texture(uint64_t handle) {
  const TextureObject* object = texture_objects().get(reinterpret_cast<const void*>(handle));
  return object != nullptr ? &object->texture : nullptr;
}

const exec::Texture* find_surface(uint64_t handle) {
  const SurfaceObject* object = surface_objects().get(reinterpret_cast<const void*>(handle));
  return object != nullptr ? &object->surface : nullptr;
}

}  // namespace simgpu

namespace {

constexpr size_t kTextureAlignment = 512;
constexpr size_t kPitchAlignment = 32;
constexpr size_t kLongestLinear = size_t{1} << 28;

CUresult set_elements(CUarray_format format, unsigned channels, exec::Texture* texture) {
  const bool possible = channels == 1 || channels == 2 || channels == 4;
  const auto type = element_type(format, channels);
  REQUIRE(possible && type.has_value(), CUDA_ERROR_INVALID_VALUE);
  texture->channel = type->channel;
  texture->channels = type->channels;
  return CUDA_SUCCESS;
}

CUresult from_array(CUarray handle, exec::Texture* texture) {
  const Array* array = arrays().get(handle);
  REQUIRE(array != nullptr, CUDA_ERROR_INVALID_HANDLE);
  texture->levels = {array->image()};
  return set_elements(array->descriptor.Format, array->descriptor.NumChannels, texture);
}

CUresult from_mipmap(CUmipmappedArray handle, exec::Texture* texture) {
  const MipmappedArray* mipmap = mipmapped_arrays().get(handle);
  REQUIRE(mipmap != nullptr, CUDA_ERROR_INVALID_HANDLE);
  for (const Array* level : mipmap->levels) texture->levels.push_back(level->image());
  return set_elements(mipmap->descriptor.Format, mipmap->descriptor.NumChannels, texture);
}

CUresult from_linear(const CUDA_RESOURCE_DESC& resource, exec::Texture* texture) {
  const auto& linear = resource.res.linear;
  if (const CUresult bad = set_elements(linear.format, linear.numChannels, texture); bad != CUDA_SUCCESS) return bad;
  const size_t elements = linear.sizeInBytes / texture->element_bytes();
  REQUIRE(elements != 0 && elements <= kLongestLinear && linear.devPtr % kTextureAlignment == 0, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(range_allowed(linear.devPtr, linear.sizeInBytes, Side::kDevice), CUDA_ERROR_INVALID_VALUE);
  texture->linear_memory = true;
  texture->levels = {{linear.devPtr, static_cast<uint32_t>(elements), 1, 1, linear.sizeInBytes, linear.sizeInBytes}};
  return CUDA_SUCCESS;
}

CUresult from_pitched(const CUDA_RESOURCE_DESC& resource, exec::Texture* texture) {
  const auto& plane = resource.res.pitch2D;
  if (const CUresult bad = set_elements(plane.format, plane.numChannels, texture); bad != CUDA_SUCCESS) return bad;
  REQUIRE(plane.width != 0 && plane.height != 0 && plane.width <= 131072 && plane.height <= 65000, CUDA_ERROR_INVALID_VALUE);
  const size_t line = plane.width * texture->element_bytes();
  REQUIRE(plane.devPtr % kTextureAlignment == 0 && plane.pitchInBytes % kPitchAlignment == 0 && plane.pitchInBytes >= line,
          CUDA_ERROR_INVALID_VALUE);
  const size_t bytes = (plane.height - 1) * plane.pitchInBytes + line;
  REQUIRE(range_allowed(plane.devPtr, bytes, Side::kDevice), CUDA_ERROR_INVALID_VALUE);
  texture->levels = {{plane.devPtr, static_cast<uint32_t>(plane.width), static_cast<uint32_t>(plane.height), 1, plane.pitchInBytes, bytes}};
  return CUDA_SUCCESS;
}

CUresult from_resource(const CUDA_RESOURCE_DESC& resource, exec::Texture* texture) {
  REQUIRE(resource.flags == 0, CUDA_ERROR_INVALID_VALUE);
  switch (resource.resType) {
    case CU_RESOURCE_TYPE_ARRAY:
      return from_array(resource.res.array.hArray, texture);
    case CU_RESOURCE_TYPE_MIPMAPPED_ARRAY:
      return from_mipmap(resource.res.mipmap.hMipmappedArray, texture);
    case CU_RESOURCE_TYPE_LINEAR:
      return from_linear(resource, texture);
    case CU_RESOURCE_TYPE_PITCH2D:
      return from_pitched(resource, texture);
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
}

bool integer_result(const exec::Texture& texture) {
  const bool floating = texture.channel == exec::Channel::kF16 || texture.channel == exec::Channel::kF32;
  return !floating && (texture.as_integer || exec::channel_bytes(texture.channel) == 4);
}

CUresult set_sampling(const CUDA_TEXTURE_DESC& asked, CUresourcetype type, exec::Texture* texture) {
  for (int axis = 0; axis < 3; axis++) {
    REQUIRE(asked.addressMode[axis] >= CU_TR_ADDRESS_MODE_WRAP && asked.addressMode[axis] <= CU_TR_ADDRESS_MODE_BORDER,
            CUDA_ERROR_INVALID_VALUE);
    texture->address[axis] = static_cast<exec::AddressMode>(asked.addressMode[axis]);
  }
  texture->linear_filter = asked.filterMode == CU_TR_FILTER_MODE_LINEAR;
  texture->normalized = (asked.flags & CU_TRSF_NORMALIZED_COORDINATES) != 0;
  texture->as_integer = (asked.flags & CU_TRSF_READ_AS_INTEGER) != 0;
  texture->srgb = (asked.flags & CU_TRSF_SRGB) != 0;
  std::copy(asked.borderColor, asked.borderColor + 4, texture->border);
  texture->linear_levels = asked.mipmapFilterMode == CU_TR_FILTER_MODE_LINEAR;
  texture->bias = asked.mipmapLevelBias;
  texture->lowest_level = asked.minMipmapLevelClamp;
  texture->highest_level = asked.maxMipmapLevelClamp;
  REQUIRE(!texture->linear_filter || !integer_result(*texture), CUDA_ERROR_INVALID_VALUE);
  REQUIRE(type != CU_RESOURCE_TYPE_MIPMAPPED_ARRAY || texture->normalized, CUDA_ERROR_INVALID_VALUE);
  return CUDA_SUCCESS;
}

// The view formats come in groups of one, two and four channels: unsigned and signed of 8, 16 and 32 bits, then floats of 16 and 32.
CUresult view_elements(CUresourceViewFormat format, exec::Texture* texture) {
  using exec::Channel;
  constexpr Channel kGroups[] = {Channel::kU8,  Channel::kS8,  Channel::kU16, Channel::kS16,
                                 Channel::kU32, Channel::kS32, Channel::kF16, Channel::kF32};
  if (format == CU_RES_VIEW_FORMAT_NONE) return CUDA_SUCCESS;
  REQUIRE(format >= CU_RES_VIEW_FORMAT_UINT_1X8 && format <= CU_RES_VIEW_FORMAT_FLOAT_4X32, CUDA_ERROR_NOT_SUPPORTED);
  const auto number = static_cast<unsigned>(format - CU_RES_VIEW_FORMAT_UINT_1X8);
  const unsigned before = texture->element_bytes();
  texture->channel = kGroups[number / 3];
  texture->channels = 1u << number % 3;
  return texture->element_bytes() == before ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult apply_view(const CUDA_RESOURCE_VIEW_DESC& view, exec::Texture* texture) {
  if (const CUresult bad = view_elements(view.format, texture); bad != CUDA_SUCCESS) return bad;
  REQUIRE(view.firstMipmapLevel <= view.lastMipmapLevel && view.lastMipmapLevel < texture->levels.size(), CUDA_ERROR_INVALID_VALUE);
  REQUIRE(view.firstLayer <= view.lastLayer, CUDA_ERROR_INVALID_VALUE);
  texture->levels.resize(view.lastMipmapLevel + 1);
  texture->levels.erase(texture->levels.begin(), texture->levels.begin() + view.firstMipmapLevel);
  if (view.lastLayer == 0) return CUDA_SUCCESS;
  for (exec::Image& level : texture->levels) {
    REQUIRE(view.lastLayer < level.depth, CUDA_ERROR_INVALID_VALUE);
    level.address += view.firstLayer * level.slice;
    level.depth = view.lastLayer - view.firstLayer + 1;
  }
  return CUDA_SUCCESS;
}

}  // namespace

extern "C" {

CUresult cuTexObjectCreate(CUtexObject* out, const CUDA_RESOURCE_DESC* resource, const CUDA_TEXTURE_DESC* description,
                           const CUDA_RESOURCE_VIEW_DESC* view) {
  ENTER(context);
  REQUIRE(out != nullptr && resource != nullptr && description != nullptr, CUDA_ERROR_INVALID_VALUE);
  TextureObject object;
  if (const CUresult bad = from_resource(*resource, &object.texture); bad != CUDA_SUCCESS) return bad;
  const bool in_array = resource->resType == CU_RESOURCE_TYPE_ARRAY || resource->resType == CU_RESOURCE_TYPE_MIPMAPPED_ARRAY;
  REQUIRE(view == nullptr || in_array, CUDA_ERROR_INVALID_VALUE);
  if (view != nullptr) {
    if (const CUresult bad = apply_view(*view, &object.texture); bad != CUDA_SUCCESS) return bad;
    object.view = *view;
    object.has_view = true;
  }
  if (const CUresult bad = set_sampling(*description, resource->resType, &object.texture); bad != CUDA_SUCCESS) return bad;
  object.resource = *resource;
  object.description = *description;
  const TextureObject* made = texture_objects().make(std::move(object));
  *out = reinterpret_cast<CUtexObject>(made);
  return made != nullptr ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

#define TEXTURE(object, handle)                                                         \
  REQUIRE_INITIALIZED();                                                                \
  TextureObject* object = texture_objects().get(reinterpret_cast<const void*>(handle)); \
  REQUIRE(object != nullptr, CUDA_ERROR_INVALID_VALUE)

// Kernels under way may still look at it.
CUresult cuTexObjectDestroy(CUtexObject handle) {
  ENTER(context);
  TEXTURE(object, handle);
  context->synchronize();
  texture_objects().destroy(object);
  return CUDA_SUCCESS;
}

CUresult cuTexObjectGetResourceDesc(CUDA_RESOURCE_DESC* resource, CUtexObject handle) {
  TEXTURE(object, handle);
  REQUIRE(resource != nullptr, CUDA_ERROR_INVALID_VALUE);
  *resource = object->resource;
  return CUDA_SUCCESS;
}

CUresult cuTexObjectGetTextureDesc(CUDA_TEXTURE_DESC* description, CUtexObject handle) {
  TEXTURE(object, handle);
  REQUIRE(description != nullptr, CUDA_ERROR_INVALID_VALUE);
  *description = object->description;
  return CUDA_SUCCESS;
}

CUresult cuTexObjectGetResourceViewDesc(CUDA_RESOURCE_VIEW_DESC* view, CUtexObject handle) {
  TEXTURE(object, handle);
  REQUIRE(view != nullptr && object->has_view, CUDA_ERROR_INVALID_VALUE);
  *view = object->view;
  return CUDA_SUCCESS;
}

CUresult cuSurfObjectCreate(CUsurfObject* out, const CUDA_RESOURCE_DESC* resource) {
  ENTER(context);
  REQUIRE(out != nullptr && resource != nullptr && resource->resType == CU_RESOURCE_TYPE_ARRAY, CUDA_ERROR_INVALID_VALUE);
  SurfaceObject object;
  object.resource = *resource;
  if (const CUresult bad = from_resource(*resource, &object.surface); bad != CUDA_SUCCESS) return bad;
  REQUIRE((arrays().get(resource->res.array.hArray)->descriptor.Flags & CUDA_ARRAY3D_SURFACE_LDST) != 0, CUDA_ERROR_INVALID_VALUE);
  const SurfaceObject* made = surface_objects().make(std::move(object));
  *out = reinterpret_cast<CUsurfObject>(made);
  return made != nullptr ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult cuSurfObjectDestroy(CUsurfObject handle) {
  ENTER(context);
  SurfaceObject* object = surface_objects().get(reinterpret_cast<const void*>(handle));
  REQUIRE(object != nullptr, CUDA_ERROR_INVALID_VALUE);
  context->synchronize();
  surface_objects().destroy(object);
  return CUDA_SUCCESS;
}

CUresult cuSurfObjectGetResourceDesc(CUDA_RESOURCE_DESC* resource, CUsurfObject handle) {
  REQUIRE_INITIALIZED();
  const SurfaceObject* object = surface_objects().get(reinterpret_cast<const void*>(handle));
  REQUIRE(resource != nullptr && object != nullptr, CUDA_ERROR_INVALID_VALUE);
  *resource = object->resource;
  return CUDA_SUCCESS;
}

}  // extern "C"

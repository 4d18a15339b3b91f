// Arrays, copies with them, textures and surfaces.
#include <algorithm>

#include "calls/calls.h"
#include "worker/handlers/decode.h"

namespace bitfusion::worker::calls {
namespace {

uint64_t bytes_of(CUarray_format format, unsigned channels) {
  switch (format) {
    case CU_AD_FORMAT_UNSIGNED_INT8:
    case CU_AD_FORMAT_SIGNED_INT8:
      return channels;
    case CU_AD_FORMAT_UNSIGNED_INT16:
    case CU_AD_FORMAT_SIGNED_INT16:
    case CU_AD_FORMAT_HALF:
      return uint64_t{2} * channels;
    default:
      return uint64_t{4} * std::max(channels, 1u);  // compressed and planar formats take no more
  }
}

// What an array takes at most, without the driver's alignment. ~0: more than there can be.
uint64_t size_of(const CUDA_ARRAY3D_DESCRIPTOR& array, unsigned levels) {
  uint64_t total = 0;
  size_t width = array.Width, height = std::max<size_t>(array.Height, 1), depth = std::max<size_t>(array.Depth, 1);
  const bool layered = array.Flags & (CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_CUBEMAP);
  for (unsigned level = 0; level < levels; ++level) {
    uint64_t size;
    if (__builtin_mul_overflow(width, height, &size) || __builtin_mul_overflow(size, depth, &size) ||
        __builtin_mul_overflow(size, bytes_of(array.Format, array.NumChannels), &size) || __builtin_add_overflow(total, size, &total)) {
      return ~uint64_t{0};
    }
    width = std::max<size_t>(width / 2, 1);
    height = std::max<size_t>(height / 2, 1);
    if (!layered) depth = std::max<size_t>(depth / 2, 1);
  }
  return total;
}

// Makes an array within the partition; `make` calls the driver.
template <typename Array, typename Make>
CUresult create(Call& call, uint64_t name, Handle kind, const CUDA_ARRAY3D_DESCRIPTOR& shape, unsigned levels, Make make) {
  State& state = state_of(call);
  const uint32_t device = state.device_of(call.header);
  const uint64_t size = size_of(shape, levels);
  if (!state.reserve(device, size)) return CUDA_ERROR_OUT_OF_MEMORY;
  Array array = nullptr;
  const CUresult status = make(&array);
  if (status != CUDA_SUCCESS) {
    state.accounts.give_back(device, size);
    return status;
  }
  state.objects.add(name, kind, array);
  state.accounts.add_named(name, size, device, state.account_of(call.header));
  return CUDA_SUCCESS;
}

template <typename Array, typename Destroy>
CUresult destroy(Call& call, uint64_t name, Handle kind, Destroy end) {
  State& state = state_of(call);
  Array array;
  if (!state.objects.find(name, kind, &array)) return CUDA_ERROR_INVALID_HANDLE;
  state.objects.remove(name, kind);
  const CUresult status = end(array);
  state.accounts.release_named(name);
  return status;
}

CUDA_MEMCPY3D plain(const CUDA_MEMCPY3D& shape) {
  CUDA_MEMCPY3D copy = shape;
  copy.srcHost = nullptr;
  copy.dstHost = nullptr;
  copy.srcArray = nullptr;
  copy.dstArray = nullptr;
  copy.reserved0 = nullptr;
  copy.reserved1 = nullptr;
  return copy;
}

size_t packed_size(const CUDA_MEMCPY3D& shape) {
  size_t size;
  if (__builtin_mul_overflow(shape.WidthInBytes, shape.Height, &size) || size > wire::kMaxFrame / 2 || shape.Depth != 1)
    throw BadFrame{"a piece of an array that is too large"};
  return size;
}

CUresult resolve(State& state, uint64_t name, CUDA_RESOURCE_DESC* resource) {
  switch (resource->resType) {
    case CU_RESOURCE_TYPE_ARRAY:
      return state.objects.find(name, Handle::kArray, &resource->res.array.hArray) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
    case CU_RESOURCE_TYPE_MIPMAPPED_ARRAY:
      return state.objects.find(name, Handle::kMipmappedArray, &resource->res.mipmap.hMipmappedArray) ? CUDA_SUCCESS
                                                                                                      : CUDA_ERROR_INVALID_HANDLE;
    case CU_RESOURCE_TYPE_LINEAR:
    case CU_RESOURCE_TYPE_PITCH2D:
      return CUDA_SUCCESS;
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
}

}  // namespace

CUresult cuArrayCreate_v2(Call& call, uint64_t name, const CUDA_ARRAY_DESCRIPTOR* wanted) {
  State& state = state_of(call);
  if (!wanted) return CUDA_ERROR_INVALID_VALUE;
  const CUDA_ARRAY3D_DESCRIPTOR shape = {wanted->Width, wanted->Height, 0, wanted->Format, wanted->NumChannels, 0};
  return create<CUarray>(call, name, Handle::kArray, shape, 1, [&](CUarray* made) { return state.cuda.cuArrayCreate_v2(made, wanted); });
}

CUresult cuArray3DCreate_v2(Call& call, uint64_t name, const CUDA_ARRAY3D_DESCRIPTOR* wanted) {
  State& state = state_of(call);
  if (!wanted) return CUDA_ERROR_INVALID_VALUE;
  return create<CUarray>(call, name, Handle::kArray, *wanted, 1,
                         [&](CUarray* made) { return state.cuda.cuArray3DCreate_v2(made, wanted); });
}

CUresult cuMipmappedArrayCreate(Call& call, uint64_t name, const CUDA_ARRAY3D_DESCRIPTOR* wanted, unsigned levels) {
  State& state = state_of(call);
  if (!wanted || !levels || levels > 64) return CUDA_ERROR_INVALID_VALUE;
  return create<CUmipmappedArray>(call, name, Handle::kMipmappedArray, *wanted, levels,
                                  [&](CUmipmappedArray* made) { return state.cuda.cuMipmappedArrayCreate(made, wanted, levels); });
}

CUresult cuArrayDestroy(Call& call, uint64_t name) {
  return destroy<CUarray>(call, name, Handle::kArray, [&](CUarray array) { return state_of(call).cuda.cuArrayDestroy(array); });
}

CUresult cuMipmappedArrayDestroy(Call& call, uint64_t name) {
  return destroy<CUmipmappedArray>(call, name, Handle::kMipmappedArray,
                                   [&](CUmipmappedArray array) { return state_of(call).cuda.cuMipmappedArrayDestroy(array); });
}

CUresult CopyShaped(Call& call, CUstream stream, CUarray source, CUarray destination, CUDA_MEMCPY3D shape) {
  const auto wrong = [](CUmemorytype type, CUarray array) { return type == CU_MEMORYTYPE_ARRAY ? !array : type != CU_MEMORYTYPE_DEVICE; };
  if (wrong(shape.srcMemoryType, source) || wrong(shape.dstMemoryType, destination)) throw BadFrame{"a copy whose sides do not add up"};
  CUDA_MEMCPY3D copy = plain(shape);
  copy.srcArray = source;
  copy.dstArray = destination;
  return state_of(call).cuda.cuMemcpy3DAsync_v2(&copy, stream);
}

CUresult CopyToArray(Call& call, CUstream stream, CUarray array, CUDA_MEMCPY3D shape, wire::Bytes data) {
  State& state = state_of(call);
  if (data.size() < packed_size(shape)) throw BadFrame{"a piece of an array that is cut short"};
  CUDA_MEMCPY3D copy = plain(shape);
  copy.srcMemoryType = CU_MEMORYTYPE_HOST;
  copy.srcHost = data.data();
  copy.srcPitch = copy.WidthInBytes;
  copy.srcHeight = copy.Height;
  copy.srcXInBytes = copy.srcY = copy.srcZ = 0;
  copy.dstMemoryType = CU_MEMORYTYPE_ARRAY;
  copy.dstArray = array;
  const CUresult status = state.cuda.cuMemcpy3DAsync_v2(&copy, stream);
  return status == CUDA_SUCCESS ? state.cuda.cuStreamSynchronize(stream) : status;  // the frame's bytes end with this call
}

CUresult CopyFromArray(Call& call, CUstream stream, CUarray array, CUDA_MEMCPY3D shape) {
  State& state = state_of(call);
  std::vector<std::byte> data(packed_size(shape));
  CUDA_MEMCPY3D copy = plain(shape);
  copy.srcMemoryType = CU_MEMORYTYPE_ARRAY;
  copy.srcArray = array;
  copy.dstMemoryType = CU_MEMORYTYPE_HOST;
  copy.dstHost = data.data();
  copy.dstPitch = copy.WidthInBytes;
  copy.dstHeight = copy.Height;
  copy.dstXInBytes = copy.dstY = copy.dstZ = 0;
  if (CUresult error = state.cuda.cuMemcpy3DAsync_v2(&copy, stream)) return error;
  if (CUresult error = state.cuda.cuStreamSynchronize(stream)) return error;
  call.reply.bytes(data.data(), data.size());
  return CUDA_SUCCESS;
}

CUresult TextureCreate(Call& call, uint64_t name, CUDA_RESOURCE_DESC resource, CUDA_TEXTURE_DESC texture,
                       const CUDA_RESOURCE_VIEW_DESC* view, uint64_t* made) {
  State& state = state_of(call);
  if (!state.cuda.cuTexObjectCreate) return CUDA_ERROR_NOT_SUPPORTED;
  if (CUresult error = resolve(state, name, &resource)) return error;
  CUtexObject object = 0;
  const CUresult status = state.cuda.cuTexObjectCreate(&object, &resource, &texture, view);
  *made = object;
  if (status == CUDA_SUCCESS) state.textures.add(object);
  return status;
}

CUresult TextureDestroy(Call& call, uint64_t object) {
  State& state = state_of(call);
  return state.textures.remove(object) ? state.cuda.cuTexObjectDestroy(object) : CUDA_ERROR_INVALID_VALUE;
}

CUresult SurfaceCreate(Call& call, uint64_t name, CUDA_RESOURCE_DESC resource, uint64_t* made) {
  State& state = state_of(call);
  if (!state.cuda.cuSurfObjectCreate) return CUDA_ERROR_NOT_SUPPORTED;
  if (CUresult error = resolve(state, name, &resource)) return error;
  CUsurfObject object = 0;
  const CUresult status = state.cuda.cuSurfObjectCreate(&object, &resource);
  *made = object;
  if (status == CUDA_SUCCESS) state.surfaces.add(object);
  return status;
}

CUresult SurfaceDestroy(Call& call, uint64_t object) {
  State& state = state_of(call);
  return state.surfaces.remove(object) ? state.cuda.cuSurfObjectDestroy(object) : CUDA_ERROR_INVALID_VALUE;
}

CUresult ModuleTexture(Call& call, CUtexref* reference, uint64_t library, const std::string& name) {
  State& state = state_of(call);
  CodeSet* set = state.code_set(library);
  if (!set || !set->module) return CUDA_ERROR_INVALID_HANDLE;
  return state.cuda.cuModuleGetTexRef ? state.cuda.cuModuleGetTexRef(reference, set->module, name.c_str()) : CUDA_ERROR_NOT_SUPPORTED;
}

CUresult ModuleSurface(Call& call, CUsurfref* reference, uint64_t library, const std::string& name) {
  State& state = state_of(call);
  CodeSet* set = state.code_set(library);
  if (!set || !set->module) return CUDA_ERROR_INVALID_HANDLE;
  return state.cuda.cuModuleGetSurfRef ? state.cuda.cuModuleGetSurfRef(reference, set->module, name.c_str()) : CUDA_ERROR_NOT_SUPPORTED;
}

}  // namespace bitfusion::worker::calls

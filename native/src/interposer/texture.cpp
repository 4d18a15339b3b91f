// Texture and surface objects: what they were made of is kept here, so that asking needs no answer from the server.
#include <mutex>
#include <unordered_map>

#include "calls/api.h"
#include "calls/remote.h"
#include "interposer/check.h"
#include "interposer/code.h"

namespace bitfusion::interposer::api {
namespace {

struct Texture {
  CUDA_RESOURCE_DESC resource;
  CUDA_TEXTURE_DESC texture;
  CUDA_RESOURCE_VIEW_DESC view;
  uint64_t context;
};

// Objects of one kind by the server's value.
class Made {
 public:
  void add(uint64_t object, const Texture& made) {
    std::lock_guard lock(mutex_);
    objects_[object] = made;
  }
  bool find(uint64_t object, Texture* made) {
    std::lock_guard lock(mutex_);
    auto at = objects_.find(object);
    if (at == objects_.end() || !context_alive(at->second.context)) return false;
    *made = at->second;
    return true;
  }
  void remove(uint64_t object) {
    std::lock_guard lock(mutex_);
    objects_.erase(object);
  }

 private:
  std::mutex mutex_;
  std::unordered_map<uint64_t, Texture> objects_;
};

Made& textures() {
  static auto* const made = new Made;
  return *made;
}

Made& surfaces() {
  static auto* const made = new Made;
  return *made;
}

// Takes the handle out of a description: it travels as a name beside it.
CUresult name_resource(CUDA_RESOURCE_DESC* resource, uint64_t* name) {
  *name = 0;
  Handle kind;
  switch (resource->resType) {
    case CU_RESOURCE_TYPE_ARRAY:
      *name = to_name(resource->res.array.hArray);
      kind = Handle::kArray;
      resource->res.array.hArray = nullptr;
      break;
    case CU_RESOURCE_TYPE_MIPMAPPED_ARRAY:
      *name = to_name(resource->res.mipmap.hMipmappedArray);
      kind = Handle::kMipmappedArray;
      resource->res.mipmap.hMipmappedArray = nullptr;
      break;
    case CU_RESOURCE_TYPE_LINEAR:
    case CU_RESOURCE_TYPE_PITCH2D:
      return CUDA_SUCCESS;
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
  return handles().valid(*name, kind) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

// What was made of `object`, for the Get calls.
CUresult known(Made& made, uint64_t object, const void* out, Texture* texture) {
  if (!process().ready()) return CUDA_ERROR_NOT_INITIALIZED;
  return out && made.find(object, texture) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult find_module(CUmodule module, const void* out, const char* name, Caller* at, Library** library) {
  if (CUresult error = enter(Scope::kContext, true, at)) return error;
  if (!out || !name) return CUDA_ERROR_INVALID_VALUE;
  *library = find_library(module);
  return *library ? ensure_loaded(*at, *library) : CUDA_ERROR_INVALID_HANDLE;
}

}  // namespace

CUresult cuTexObjectCreate(CUtexObject* out, const CUDA_RESOURCE_DESC* resource, const CUDA_TEXTURE_DESC* texture,
                           const CUDA_RESOURCE_VIEW_DESC* view) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, true, &at)) return error;
  if (!out || !resource || !texture) return CUDA_ERROR_INVALID_VALUE;
  Texture made = {*resource, *texture, view ? *view : CUDA_RESOURCE_VIEW_DESC{}, at.context};
  CUDA_RESOURCE_DESC plain = *resource;
  uint64_t name, object = 0;
  if (CUresult error = name_resource(&plain, &name)) return error;
  if (CUresult error = remote::TextureCreate(at, name, plain, *texture, view, &object)) return error;
  textures().add(object, made);
  *out = object;
  return CUDA_SUCCESS;
}

CUresult cuTexObjectDestroy(CUtexObject object) {
  Caller at;
  Texture made;
  if (CUresult error = enter(Scope::kContext, false, &at)) return error;
  if (!textures().find(object, &made)) return CUDA_ERROR_INVALID_VALUE;
  textures().remove(object);
  return remote::TextureDestroy(at, object);
}

CUresult cuTexObjectGetResourceDesc(CUDA_RESOURCE_DESC* out, CUtexObject object) {
  Texture made;
  if (CUresult error = known(textures(), object, out, &made)) return error;
  *out = made.resource;
  return CUDA_SUCCESS;
}

CUresult cuTexObjectGetTextureDesc(CUDA_TEXTURE_DESC* out, CUtexObject object) {
  Texture made;
  if (CUresult error = known(textures(), object, out, &made)) return error;
  *out = made.texture;
  return CUDA_SUCCESS;
}

CUresult cuTexObjectGetResourceViewDesc(CUDA_RESOURCE_VIEW_DESC* out, CUtexObject object) {
  Texture made;
  if (CUresult error = known(textures(), object, out, &made)) return error;
  *out = made.view;
  return CUDA_SUCCESS;
}

CUresult cuSurfObjectCreate(CUsurfObject* out, const CUDA_RESOURCE_DESC* resource) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, true, &at)) return error;
  if (!out || !resource) return CUDA_ERROR_INVALID_VALUE;
  if (resource->resType != CU_RESOURCE_TYPE_ARRAY) return CUDA_ERROR_INVALID_VALUE;
  CUDA_RESOURCE_DESC plain = *resource;
  uint64_t name, object = 0;
  if (CUresult error = name_resource(&plain, &name)) return error;
  if (CUresult error = remote::SurfaceCreate(at, name, plain, &object)) return error;
  surfaces().add(object, {*resource, {}, {}, at.context});
  *out = object;
  return CUDA_SUCCESS;
}

CUresult cuSurfObjectDestroy(CUsurfObject object) {
  Caller at;
  Texture made;
  if (CUresult error = enter(Scope::kContext, false, &at)) return error;
  if (!surfaces().find(object, &made)) return CUDA_ERROR_INVALID_VALUE;
  surfaces().remove(object);
  return remote::SurfaceDestroy(at, object);
}

CUresult cuSurfObjectGetResourceDesc(CUDA_RESOURCE_DESC* out, CUsurfObject object) {
  Texture made;
  if (CUresult error = known(surfaces(), object, out, &made)) return error;
  *out = made.resource;
  return CUDA_SUCCESS;
}

CUresult cuModuleGetTexRef(CUtexref* out, CUmodule module, const char* name) {
  Caller at;
  Library* library;
  if (CUresult error = find_module(module, out, name, &at, &library)) return error;
  const uint64_t offered = handles().mint(Handle::kTextureReference, at.context);
  uint64_t reference = offered;
  const CUresult status = remote::ModuleTexture(at, &reference, library->name, name);
  keep_found(status, offered, reference, out);
  return status;
}

CUresult cuModuleGetSurfRef(CUsurfref* out, CUmodule module, const char* name) {
  Caller at;
  Library* library;
  if (CUresult error = find_module(module, out, name, &at, &library)) return error;
  const uint64_t offered = handles().mint(Handle::kSurfaceReference, at.context);
  uint64_t reference = offered;
  const CUresult status = remote::ModuleSurface(at, &reference, library->name, name);
  keep_found(status, offered, reference, out);
  return status;
}

}  // namespace bitfusion::interposer::api

// Texture and surface objects: handles that kernels pass to their texture and surface instructions.
#pragma once

#include "simgpu/api.h"
#include "simgpu/exec/texture.h"
#include "simgpu/handle_table.h"

namespace simgpu {

struct TextureObject {
  exec::Texture texture;  // first: what kernels look at
  CUDA_RESOURCE_DESC resource{};
  CUDA_TEXTURE_DESC description{};
  CUDA_RESOURCE_VIEW_DESC view{};
  bool has_view = false;
};

struct SurfaceObject {
  exec::Texture surface;
  CUDA_RESOURCE_DESC resource{};
};

HandleTable<TextureObject>& texture_objects();
HandleTable<SurfaceObject>& surface_objects();

// What a handle in a kernel's hands means.
const exec::Texture* find_texture(uint64_t handle);
const exec::Texture* find_surface(uint64_t handle);

}  // namespace simgpu

// CUDA arrays: memory with a shape. Mipmapped arrays: a pyramid of them.
#pragma once

#include <optional>
#include <vector>

#include "simgpu/api.h"
#include "simgpu/exec/texture.h"
#include "simgpu/handle_table.h"

namespace simgpu {

struct Array {
  CUDA_ARRAY3D_DESCRIPTOR descriptor{};
  uint64_t address = 0;
  size_t element_bytes = 0;
  bool level = false;  // of a mipmapped array, which owns it
  size_t rows() const { return descriptor.Height != 0 ? descriptor.Height : 1; }
  size_t layers() const { return descriptor.Depth != 0 ? descriptor.Depth : 1; }
  size_t pitch() const { return descriptor.Width * element_bytes; }
  size_t bytes() const { return pitch() * rows() * layers(); }
  exec::Image image() const;
};

struct MipmappedArray {
  CUDA_ARRAY3D_DESCRIPTOR descriptor{};
  std::vector<Array*> levels;
};

HandleTable<Array>& arrays();
HandleTable<MipmappedArray>& mipmapped_arrays();

// How elements of a format look; `channels` is the number asked for, which some formats fix themselves.
struct ElementType {
  exec::Channel channel;
  unsigned channels;
  size_t bytes() const { return exec::channel_bytes(channel) * channels; }
};
std::optional<ElementType> element_type(CUarray_format format, unsigned channels);

}  // namespace simgpu

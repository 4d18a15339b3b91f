// CUDA arrays: linear memory with a shape.
#pragma once

#include "simgpu/api.h"
#include "simgpu/handle_table.h"

namespace simgpu {

struct Array {
  CUDA_ARRAY3D_DESCRIPTOR descriptor{};
  uint64_t address = 0;
  size_t element_bytes = 0;
  size_t rows() const { return descriptor.Height != 0 ? descriptor.Height : 1; }
  size_t layers() const { return descriptor.Depth != 0 ? descriptor.Depth : 1; }
  size_t pitch() const { return descriptor.Width * element_bytes; }
  size_t bytes() const { return pitch() * rows() * layers(); }
};

HandleTable<Array>& arrays();

}  // namespace simgpu

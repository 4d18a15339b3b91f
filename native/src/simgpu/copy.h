// The many forms of copies and fills, brought to one.
#pragma once

#include "simgpu/context.h"
#include "simgpu/memory_check.h"
#include "simgpu/work.h"

namespace simgpu {

CUresult flat_copy(uint64_t dst, Side dst_side, uint64_t src, Side src_side, size_t bytes, CopyWork* copy);
CUresult shaped_copy(const CUDA_MEMCPY3D& asked, CopyWork* copy);
CUresult make_fill(uint64_t dst, size_t pitch, unsigned value, unsigned element_size, size_t width, size_t height, FillWork* fill);

// Puts a copy into a stream. `blocking`: the call returns when the copy has been made.
CUresult submit_copy(Context* context, CUstream stream, CopyWork copy, bool blocking);

}  // namespace simgpu

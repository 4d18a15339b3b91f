// Copies with arrays on one side or both.
#pragma once

#include "interposer/caller.h"

namespace bitfusion::interposer {

// Copies a box of which at least one side is an array; `waits`: the call returns when the copy is done.
CUresult copy_with_array(const Caller& at, uint64_t stream, const CUDA_MEMCPY3D& copy, bool waits);

}  // namespace bitfusion::interposer

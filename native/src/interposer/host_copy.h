// Copies of host memory inside graphs: when such a node runs, the worker asks for the bytes or sends them.
#pragma once

#include "interposer/caller.h"

namespace bitfusion::interposer {

// Keeps what a node copies from or to host memory, and takes that side's layout out of `shape`: it travels packed.
CUresult remember_host_copy(const Caller& at, CUDA_MEMCPY3D* shape, uint64_t* number);
// The copy as the application gave it; false: no such copy.
bool find_host_copy(uint64_t number, CUDA_MEMCPY3D* shape);

}  // namespace bitfusion::interposer

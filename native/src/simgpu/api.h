// cuda.h with every version of every function under its own name, exported.
#pragma once

#ifndef __CUDA_API_VERSION_INTERNAL
#define __CUDA_API_VERSION_INTERNAL
#endif
#pragma GCC visibility push(default)
#include <cuda.h>
#pragma GCC visibility pop

#pragma GCC visibility push(default)
extern "C" {
// Of cudaProfiler.h.
CUresult cuProfilerStart(void);
CUresult cuProfilerStop(void);
}
#pragma GCC visibility pop

// cuda.h with every entry point under its own symbol: old variants and per-thread ones are declared, and no macro renames any.
#pragma once

#ifndef __CUDA_API_VERSION_INTERNAL
#define __CUDA_API_VERSION_INTERNAL
#endif
#include <cuda.h>

// cudaProfiler.h is not part of the toolkit's redistributable headers any more.
typedef enum CUoutput_mode_enum { CU_OUT_KEY_VALUE_PAIR = 0, CU_OUT_CSV = 1 } CUoutput_mode;

// What the exported symbols need besides the entry points themselves.
#pragma once

#include "interposer/headers.h"

#define EXPORT __attribute__((visibility("default")))

namespace bitfusion::interposer {

// In the per-thread variants of calls the default stream is the thread's own.
inline CUstream per_thread(CUstream stream) { return stream ? stream : CU_STREAM_PER_THREAD; }

}  // namespace bitfusion::interposer

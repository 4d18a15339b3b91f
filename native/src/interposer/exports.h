// What the exported symbols need besides the entry points themselves.
#pragma once

#include "interposer/headers.h"

#define EXPORT __attribute__((visibility("default")))

namespace bitfusion::interposer {

// With BITFUSION_LOG=debug every call is written down with its result.
extern const bool kTraceCalls;
void trace(const char* call, CUresult result);

inline CUresult traced(const char* call, CUresult result) {
  if (__builtin_expect(kTraceCalls, false)) trace(call, result);
  return result;
}

// In the per-thread variants of calls the default stream is the thread's own.
inline CUstream per_thread(CUstream stream) { return stream ? stream : CU_STREAM_PER_THREAD; }

}  // namespace bitfusion::interposer

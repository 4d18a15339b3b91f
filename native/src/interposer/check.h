// What every entry point asks before it serves a call.
#pragma once

#include "interposer/caller.h"
#include "interposer/context.h"
#include "interposer/handles.h"
#include "interposer/log.h"
#include "interposer/process.h"

namespace bitfusion::interposer {

enum class Scope : uint8_t { kAny, kInit, kContext };

// Whether the calling thread may make a call of that scope; fills `at`. With `reports`, an asynchronous error that is waiting is the
// answer.
CUresult enter(Scope scope, bool reports, Caller* at);

// The status of a call that waited for work: its own, else the first error of the work that it waited for.
// Memory that both sides use is up to date then. `stream`: the one that was waited for, or Coherent::kEveryStream.
CUresult settle(const Caller& at, CUresult status, uint64_t stream = 0);

// The name of a stream on the wire: default streams get one for their context (and thread). False: no such stream.
bool name_stream(const Caller& at, CUstream stream, uint64_t* name);

template <typename T>
bool valid_array(const T* objects, size_t count, Handle kind) {
  if (!objects) return count == 0;
  for (size_t i = 0; i < count; ++i) {
    if (!handles().valid(to_name(objects[i]), kind)) return false;
  }
  return true;
}

// Gives the application the handle of an object that was made, or takes the handle back.
template <typename T>
void keep_or_drop(CUresult status, uint64_t name, T* out) {
  if (status == CUDA_SUCCESS)
    *out = (T)name;
  else
    handles().drop(name);
}

// The same for an object that the client may know already: `name` is the one the server says, `offered` the one made for a new object.
template <typename T>
void keep_found(CUresult status, uint64_t offered, uint64_t name, T* out) {
  if (status != CUDA_SUCCESS || name != offered) handles().drop(offered);
  if (status == CUDA_SUCCESS && out) *out = (T)name;
}

}  // namespace bitfusion::interposer

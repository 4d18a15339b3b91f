// The few driver calls that the executor itself makes. The handlers have their own, generated, table.
#pragma once

#include <cuda.h>

#include <string>

namespace bitfusion::worker {

// member, exported symbol, declaration whose type it has
#define BITFUSION_EXECUTOR_DRIVER(X)                                                               \
  X(ctx_set_current, "cuCtxSetCurrent", cuCtxSetCurrent)                                           \
  X(ctx_synchronize, "cuCtxSynchronize", cuCtxSynchronize)                                         \
  X(exchange_capture_mode, "cuThreadExchangeStreamCaptureMode", cuThreadExchangeStreamCaptureMode) \
  X(stream_is_capturing, "cuStreamIsCapturing", cuStreamIsCapturing)                               \
  X(stream_get_flags, "cuStreamGetFlags", cuStreamGetFlags)                                        \
  X(stream_synchronize, "cuStreamSynchronize", cuStreamSynchronize)                                \
  X(event_create, "cuEventCreate", cuEventCreate)                                                  \
  X(event_record, "cuEventRecord", cuEventRecord)                                                  \
  X(event_query, "cuEventQuery", cuEventQuery)                                                     \
  X(event_synchronize, "cuEventSynchronize", cuEventSynchronize)                                   \
  X(copy_in, "cuMemcpyHtoDAsync_v2", cuMemcpyHtoDAsync)                                            \
  X(copy_out, "cuMemcpyDtoHAsync_v2", cuMemcpyDtoHAsync)                                           \
  X(host_register, "cuMemHostRegister_v2", cuMemHostRegister)                                      \
  X(launch_host_func, "cuLaunchHostFunc", cuLaunchHostFunc)                                        \
  X(stream_add_callback, "cuStreamAddCallback", cuStreamAddCallback)

struct Driver {
#define BITFUSION_MEMBER(member, symbol, declaration) decltype(&::declaration) member = nullptr;
  BITFUSION_EXECUTOR_DRIVER(BITFUSION_MEMBER)
#undef BITFUSION_MEMBER
  void* handle = nullptr;

  // Loads the library and looks everything up. Throws std::runtime_error naming what is missing.
  static Driver load(const std::string& library);
};

}  // namespace bitfusion::worker

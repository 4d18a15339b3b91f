#include "interposer/nvml/server.h"

#include <pthread.h>

#include "calls/remote.h"
#include "interposer/nvml/answers.h"
#include "interposer/process.h"

namespace bitfusion::interposer::nvml {

nvmlReturn_t connect() {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, [] { pthread_atfork(nullptr, nullptr, [] { answers().after_fork(); }); });
  const CUresult outcome = process().start(Process::Use::kLook);
  return outcome == CUDA_SUCCESS || outcome == CUDA_ERROR_NO_DEVICE ? NVML_SUCCESS : NVML_ERROR_DRIVER_NOT_LOADED;
}

unsigned device_count() { return connect() == NVML_SUCCESS ? static_cast<unsigned>(process().devices().size()) : 0; }

uint64_t frames_sent() { return process().link() != nullptr ? process().link()->counters().frames : 0; }

nvmlReturn_t ask_server(std::string_view questions, transport::Reply* answers) {
  if (nvmlReturn_t error = connect()) return error;  // anew in a forked child
  if (process().link() == nullptr) return NVML_ERROR_NOT_FOUND;
  const wire::Bytes bytes(reinterpret_cast<const std::byte*>(questions.data()), questions.size());
  const CUresult outcome = remote::NvmlAsk(Caller{process().link(), 0}, bytes, *answers);
  if (outcome == CUDA_SUCCESS) return NVML_SUCCESS;
  return outcome == static_cast<CUresult>(transport::kLinkGone) ? NVML_ERROR_GPU_IS_LOST : NVML_ERROR_UNKNOWN;
}

}  // namespace bitfusion::interposer::nvml

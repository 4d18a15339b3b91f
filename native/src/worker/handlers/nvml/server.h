// The server's NVML as one session sees it: the lease's GPUs by the client's ordinals. Makes no CUDA context.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "calls/nvml_library.h"
#include "wire/frame.h"
#include "worker/budget.h"
#include "worker/executor.h"

namespace bitfusion::worker::nvml {

class Server {
 public:
  // `gpus` are UUIDs. Nothing is loaded before the first question.
  Server(std::string library, std::vector<std::string> gpus, Budget& budget)
      : path_(std::move(library)), gpus_(std::move(gpus)), budget_(budget) {}

  // Answers the questions of one frame (bitfusion/nvml_wire.h). Throws BadFrame when they cannot be decoded.
  void answer(wire::Reader questions, ReplyBuffer& reply);

  const NvmlLibrary& library() const { return library_; }
  Budget& budget() { return budget_; }
  nvmlReturn_t device(unsigned ordinal, nvmlDevice_t* device);
  // Bytes of the GPU that the worker's process holds, overhead included; 0 when NVML does not know (another pid namespace).
  uint64_t used_by_this_process(unsigned ordinal);

 private:
  void start();
  nvmlReturn_t load_library();

  const std::string path_;
  const std::vector<std::string> gpus_;
  Budget& budget_;
  std::once_flag started_;
  nvmlReturn_t start_status_ = NVML_ERROR_UNINITIALIZED;
  NvmlLibrary library_;
};

}  // namespace bitfusion::worker::nvml

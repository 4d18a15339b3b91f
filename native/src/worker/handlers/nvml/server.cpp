#include "worker/handlers/nvml/server.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>

#include "bitfusion/nvml_wire.h"
#include "worker/handlers/nvml/asked.h"

namespace bitfusion::worker::nvml {
namespace {

constexpr uint32_t kMaxQuestions = 65536;
constexpr size_t kMaxProcesses = 1024;

// Answers one question behind its header, which is written when status and size are known.
void answer_one(Server& server, const NvmlQuestion& question, wire::Reader key, ReplyBuffer& reply) {
  const AnswerFunction function = find_answer(question.row);
  if (function == nullptr) throw BadFrame{"an NVML question names row " + std::to_string(question.row) + ", which is none"};
  ReplyBuffer results;
  Asked asked(server, question, key, results);
  function(asked);
  const bool good = asked.status() == NVML_SUCCESS;
  reply.put(NvmlAnswer{asked.status(), good ? static_cast<uint32_t>(results.data().size()) : 0});
  if (good) reply.bytes(results.data().data(), results.data().size());
}

}  // namespace

void Server::answer(wire::Reader questions, ReplyBuffer& reply) {
  std::call_once(started_, [this] { start(); });
  const auto count = questions.get<uint32_t>();
  if (count > kMaxQuestions) throw BadFrame{"too many NVML questions in one frame"};
  for (uint32_t i = 0; i < count; i++) {
    const auto question = questions.get<NvmlQuestion>();
    const auto key = questions.bytes(question.size);
    if (!questions.ok()) throw BadFrame{"the NVML questions of a frame are cut short"};
    if (start_status_ == NVML_SUCCESS)
      answer_one(*this, question, wire::Reader(key), reply);
    else
      reply.put(NvmlAnswer{start_status_, 0});
  }
}

nvmlReturn_t Server::device(unsigned ordinal, nvmlDevice_t* device) {
  if (ordinal >= gpus_.size()) return NVML_ERROR_INVALID_ARGUMENT;
  return library_.nvmlDeviceGetHandleByUUID(gpus_[ordinal].c_str(), device);
}

uint64_t Server::used_by_this_process(unsigned ordinal) {
  std::call_once(started_, [this] { start(); });
  nvmlDevice_t handle;
  if (start_status_ != NVML_SUCCESS || !library_.nvmlDeviceGetComputeRunningProcesses_v3) return 0;
  if (device(ordinal, &handle) != NVML_SUCCESS) return 0;
  std::vector<nvmlProcessInfo_t> processes(kMaxProcesses);
  auto count = static_cast<unsigned>(processes.size());
  if (library_.nvmlDeviceGetComputeRunningProcesses_v3(handle, &count, processes.data()) != NVML_SUCCESS) return 0;
  processes.resize(std::min<size_t>(count, processes.size()));
  const auto pid = static_cast<unsigned>(getpid());
  const auto own = std::find_if(processes.begin(), processes.end(), [pid](const auto& process) { return process.pid == pid; });
  constexpr auto kUnknown = static_cast<unsigned long long>(NVML_VALUE_NOT_AVAILABLE);
  return own == processes.end() || own->usedGpuMemory == kUnknown ? 0 : own->usedGpuMemory;
}

void Server::start() {
  start_status_ = load_library();
  if (start_status_ == NVML_SUCCESS) start_status_ = library_.nvmlInit_v2();
}

nvmlReturn_t Server::load_library() {
  void* handle = dlopen(path_.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return NVML_ERROR_LIBRARY_NOT_FOUND;
  load(&library_,
       [handle](const char* name, auto* to) { *to = reinterpret_cast<std::remove_reference_t<decltype(*to)>>(dlsym(handle, name)); });
  const bool usable =
      library_.nvmlInit_v2 != nullptr && library_.nvmlDeviceGetHandleByUUID != nullptr && library_.nvmlDeviceGetMemoryInfo != nullptr;
  return usable ? NVML_SUCCESS : NVML_ERROR_FUNCTION_NOT_FOUND;
}

}  // namespace bitfusion::worker::nvml

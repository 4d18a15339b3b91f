// One question while it is answered: its arguments as the client sent them, the call, the results. Generated functions use it.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "bitfusion/nvml_wire.h"
#include "calls/nvml_library.h"
#include "worker/executor.h"
#include "worker/handlers/nvml/server.h"

namespace bitfusion::worker::nvml {

constexpr unsigned kTextRoom = 4096;  // longer than any of NVML's strings
constexpr unsigned kListRoom = 1024;  // and its lists

class Asked {
 public:
  // `key` is what followed the question's header; results go to `reply`.
  Asked(Server& server, const NvmlQuestion& question, wire::Reader key, ReplyBuffer& reply)
      : server_(server), question_(question), key_(key), reply_(reply) {}

  const NvmlLibrary& library() const { return server_.library(); }
  Server& server() { return server_; }
  unsigned ordinal() const { return question_.device; }
  ReplyBuffer& reply() { return reply_; }
  nvmlReturn_t status() const { return status_; }

  // Arguments, in the order of the row. One that cannot be had makes the call fail.
  nvmlDevice_t device() {
    nvmlDevice_t found = nullptr;
    fail_with(server_.device(question_.device, &found));
    return found;
  }
  template <typename T>
  T value() {
    return static_cast<T>(key_.get<uint64_t>());
  }
  // A structure of which the client sent the first word: size and version.
  template <typename T>
  void version(T* to) {
    const auto word = static_cast<uint32_t>(key_.get<uint64_t>());
    check_size(word, sizeof(T));
    std::memcpy(to, &word, sizeof word);
  }
  // A structure that the client sent as it is.
  template <typename T>
  void structure(T* to) {
    const auto bytes = key_.rest();
    uint32_t word = 0;
    if (bytes.size() >= sizeof word) std::memcpy(&word, bytes.data(), sizeof word);
    check_size(word, sizeof(T));
    if (bytes.size() != (word & kNvmlSizeMask))
      fail_with(NVML_ERROR_INVALID_ARGUMENT);
    else
      std::memcpy(to, bytes.data(), std::min(bytes.size(), sizeof(T)));
  }

  // Calls NVML, or a function of ours, unless an argument was bad. True: append the results.
  template <typename... Parameters, typename... Arguments>
  bool call(nvmlReturn_t (*function)(Parameters...), Arguments&&... arguments) {
    if (!key_.ok()) fail_with(NVML_ERROR_INVALID_ARGUMENT);
    if (function == nullptr) fail_with(NVML_ERROR_FUNCTION_NOT_FOUND);
    if (status_ == NVML_SUCCESS) status_ = function(arguments...);
    return status_ == NVML_SUCCESS;
  }

  template <typename T>
  void out(const T& result) {
    reply_.put(result);
  }
  void text(const char (&result)[kTextRoom]) { reply_.blob(result, strnlen(result, kTextRoom)); }
  template <typename T>
  void list(const std::vector<T>& items, unsigned count) {
    reply_.put(static_cast<uint32_t>(count));
    reply_.bytes(items.data(), count * sizeof(T));
  }
  template <typename T>
  void out_structure(const T& result) {
    uint32_t word;
    std::memcpy(&word, &result, sizeof word);
    reply_.blob(&result, std::min<size_t>(word & kNvmlSizeMask, sizeof(T)));
  }

 private:
  // NVML believes the size in the first word: it must not be more than we have room for.
  void check_size(uint32_t word, size_t room) {
    const uint32_t size = word & kNvmlSizeMask;
    if (size < sizeof word || size > room) fail_with(NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
  }
  void fail_with(nvmlReturn_t status) {
    if (status_ == NVML_SUCCESS) status_ = status;
  }

  Server& server_;
  const NvmlQuestion& question_;
  wire::Reader key_;
  ReplyBuffer& reply_;
  nvmlReturn_t status_ = NVML_SUCCESS;
};

using AnswerFunction = void (*)(Asked& asked);
// The function that answers a row; null: the row is no NVML question. Generated.
AnswerFunction find_answer(uint16_t row);

}  // namespace bitfusion::worker::nvml

// The options of one load or link as the driver takes them: two arrays, log buffers included.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

#include "bitfusion/product.h"
#include "calls/cuda_driver.h"
#include "wire/frame.h"

namespace bitfusion::worker {

class JitOptions {
 public:
  static constexpr uint32_t kMaxLog = 256u << 10;

  JitOptions(wire::Bytes plain, uint32_t info_log_size, uint32_t error_log_size)
      : info_(std::min(info_log_size, kMaxLog)), error_(std::min(error_log_size, kMaxLog)) {
    wire::Reader in(plain);
    while (in.left() >= sizeof(LoadOption)) add(in.get<LoadOption>());
    add_log(info_, CU_JIT_INFO_LOG_BUFFER, CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES);
    add_log(error_, CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES);
  }

  unsigned count() const { return static_cast<unsigned>(keys_.size()); }
  CUjit_option* keys() { return keys_.data(); }
  void** values() { return values_.data(); }
  std::string_view info() const { return text(info_); }
  std::string_view error() const { return text(error_); }

 private:
  // Options whose value is an address would let the client write into this process.
  static bool plain(uint32_t option) {
    switch (option) {
      case CU_JIT_MAX_REGISTERS:
      case CU_JIT_THREADS_PER_BLOCK:
      case CU_JIT_OPTIMIZATION_LEVEL:
      case CU_JIT_TARGET_FROM_CUCONTEXT:
      case CU_JIT_TARGET:
      case CU_JIT_FALLBACK_STRATEGY:
      case CU_JIT_GENERATE_DEBUG_INFO:
      case CU_JIT_LOG_VERBOSE:
      case CU_JIT_GENERATE_LINE_INFO:
      case CU_JIT_CACHE_MODE:
      case CU_JIT_POSITION_INDEPENDENT_CODE:
      case CU_JIT_MIN_CTA_PER_SM:
      case CU_JIT_MAX_THREADS_PER_BLOCK:
      case CU_JIT_OVERRIDE_DIRECTIVE_VALUES:
        return true;
      default:
        return false;
    }
  }
  void add(const LoadOption& option) {
    if (plain(option.option)) push(static_cast<CUjit_option>(option.option), reinterpret_cast<void*>(option.value));
  }
  void add_log(std::vector<char>& log, CUjit_option buffer, CUjit_option size) {
    if (log.empty()) return;
    push(buffer, log.data());
    push(size, reinterpret_cast<void*>(log.size()));
  }
  void push(CUjit_option key, void* value) {
    keys_.push_back(key);
    values_.push_back(value);
  }
  static std::string_view text(const std::vector<char>& log) {
    return {log.data(), static_cast<size_t>(std::find(log.begin(), log.end(), '\0') - log.begin())};
  }

  std::vector<char> info_, error_;
  std::vector<CUjit_option> keys_;
  std::vector<void*> values_;
};

}  // namespace bitfusion::worker

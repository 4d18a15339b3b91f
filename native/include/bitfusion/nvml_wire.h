// The payloads of the product row NvmlAsk. Questions: u32 count, then each a QuestionHeader and its key. Answers, in the same order: each
// an AnswerHeader and its results. Keys and results are what the row of native/spec/nvml says.
#pragma once

#include <cstdint>

namespace bitfusion {

struct NvmlQuestion {
  static constexpr uint16_t kSystem = 0xFFFF;  // `device` of a question that is about none

  uint16_t row;     // number of the spec row
  uint16_t device;  // the client's ordinal
  uint32_t size;    // bytes of the key that follows
};
static_assert(sizeof(NvmlQuestion) == 8);

struct NvmlAnswer {
  int32_t status;  // nvmlReturn_t
  uint32_t size;   // bytes of the results that follow; 0 unless the call succeeded
};
static_assert(sizeof(NvmlAnswer) == 8);

// The first word of NVML's versioned structures: their size in the low 24 bits, the version above.
inline constexpr uint32_t kNvmlSizeMask = 0xFFFFFF;

}  // namespace bitfusion

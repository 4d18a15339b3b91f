#include "interposer/nvml/question.h"

#include "interposer/nvml/answers.h"
#include "interposer/nvml/library.h"

namespace bitfusion::interposer::nvml {

nvmlReturn_t Text::take(wire::Reader& in) const {
  const std::string_view text = in.text();
  if (length <= text.size()) return NVML_ERROR_INSUFFICIENT_SIZE;
  std::memcpy(to, text.data(), text.size());
  to[text.size()] = '\0';
  return NVML_SUCCESS;
}

Question::Question(uint16_t row, Life life) : life_(life) { start(row, NvmlQuestion::kSystem); }

Question::Question(uint16_t row, Life life, unsigned ordinal) : life_(life) { start(row, static_cast<uint16_t>(ordinal)); }

Question::Question(uint16_t row, Life life, nvmlDevice_t device) : life_(life) {
  unsigned ordinal = 0;
  error_ = ordinal_of(device, &ordinal);
  start(row, static_cast<uint16_t>(ordinal));
}

void Question::start(uint16_t row, uint16_t device) {
  const NvmlQuestion header{row, device, 0};
  key_.assign(reinterpret_cast<const char*>(&header), sizeof header);
}

void Question::append(const void* data, size_t size) {
  key_.append(static_cast<const char*>(data), size);
  const auto total = static_cast<uint32_t>(key_.size() - sizeof(NvmlQuestion));
  std::memcpy(key_.data() + offsetof(NvmlQuestion, size), &total, sizeof total);
}

// The first word of a structure when it fits what this library knows, else 0 and the question fails.
uint32_t Question::checked_version(const void* structure, size_t size) {
  if (error_ != NVML_SUCCESS || structure == nullptr) return 0;  // ask() finds the null pointer
  uint32_t word;
  std::memcpy(&word, structure, sizeof word);
  const uint32_t given = word & kNvmlSizeMask;
  if (given >= sizeof word && given <= size) return word;
  error_ = NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
  return 0;
}

nvmlReturn_t Question::fetch(std::string* results) {
  if (!initialised()) return NVML_ERROR_UNINITIALIZED;
  return error_ != NVML_SUCCESS ? error_ : answers().get(*this, results);
}

}  // namespace bitfusion::interposer::nvml

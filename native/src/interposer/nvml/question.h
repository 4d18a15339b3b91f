// What generated entry points are made of: a question about a device, and the places where the parts of its answer go.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "bitfusion/nvml_api.h"
#include "bitfusion/nvml_wire.h"
#include "wire/frame.h"

namespace bitfusion::interposer::nvml {

// How long an answer is good: for the life of the process, or for a moment. Few ask for the rare ones, so they are fetched apart.
enum class Life : uint8_t { kFixed, kLive, kRare };

// A single value.
template <typename T>
struct Out {
  T* to;
  bool nullable = false;
  bool usable() const { return to != nullptr || nullable; }
  nvmlReturn_t take(wire::Reader& in) const {
    const T value = in.get<T>();
    if (to != nullptr) *to = value;
    return NVML_SUCCESS;
  }
};
template <typename T>
Out(T*, bool = false) -> Out<T>;

// A string in the caller's buffer.
struct Text {
  char* to;
  unsigned length;
  bool usable() const { return to != nullptr; }
  nvmlReturn_t take(wire::Reader& in) const;
};

// A list in the caller's buffer; `*count` is its room, then the length of the list.
template <typename T>
struct List {
  unsigned* count;
  T* to;
  bool usable() const { return count != nullptr && (*count == 0 || to != nullptr); }
  nvmlReturn_t take(wire::Reader& in) const {
    const auto length = in.get<uint32_t>();
    const auto items = in.bytes(size_t{length} * sizeof(T));
    const unsigned room = *count;
    *count = length;
    if (room < length) return NVML_ERROR_INSUFFICIENT_SIZE;
    if (!items.empty()) std::memcpy(to, items.data(), items.size());
    return NVML_SUCCESS;
  }
};
template <typename T>
List(unsigned*, T*) -> List<T>;

// A structure that begins with its size and version, which the question has checked. A caller built with an older header has a smaller one.
template <typename T>
struct Structure {
  T* to;
  bool usable() const { return to != nullptr; }
  nvmlReturn_t take(wire::Reader& in) const {
    uint32_t word;
    std::memcpy(&word, to, sizeof word);
    const auto filled = in.blob();
    if (filled.size() > (word & kNvmlSizeMask)) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    if (!filled.empty()) std::memcpy(to, filled.data(), filled.size());
    return NVML_SUCCESS;
  }
};
template <typename T>
Structure(T*) -> Structure<T>;

class Question {
 public:
  Question(uint16_t row, Life life);  // about the system
  Question(uint16_t row, Life life, nvmlDevice_t device);
  Question(uint16_t row, Life life, unsigned ordinal);

  // The arguments that tell this question from others of its row, in the order of the row.
  template <typename T>
  void value(T given) {
    append_value(static_cast<uint64_t>(given));
  }
  template <typename T>
  void version(const T* structure) {
    if (const uint32_t word = checked_version(structure, sizeof(T))) append_value(word);
  }
  template <typename T>
  void structure(const T* given) {
    if (const uint32_t word = checked_version(given, sizeof(T))) append(given, word & kNvmlSizeMask);
  }

  // Finds the answer, in what is known or from the server, and puts it where it goes.
  template <typename... Outs>
  nvmlReturn_t ask(Outs... outs) {
    if (error_ == NVML_SUCCESS && !(outs.usable() && ...)) error_ = NVML_ERROR_INVALID_ARGUMENT;
    std::string results;
    if (nvmlReturn_t error = fetch(&results)) return error;
    wire::Reader in(results.data(), results.size());
    nvmlReturn_t outcome = NVML_SUCCESS;
    ((outcome = outcome == NVML_SUCCESS ? outs.take(in) : outcome), ...);
    return in.ok() ? outcome : NVML_ERROR_UNKNOWN;
  }

  Life life() const { return life_; }
  // The question as the wire has it; it is also what the answer is remembered by.
  const std::string& key() const { return key_; }

 private:
  nvmlReturn_t fetch(std::string* results);
  void start(uint16_t row, uint16_t device);
  void append(const void* data, size_t size);
  void append_value(uint64_t given) { append(&given, sizeof given); }
  uint32_t checked_version(const void* structure, size_t size);

  std::string key_;
  Life life_;
  nvmlReturn_t error_ = NVML_SUCCESS;
};

}  // namespace bitfusion::interposer::nvml

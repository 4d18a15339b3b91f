// Who calls, and the pieces of frames that generated code writes.
#pragma once

#include <string_view>

#include "bitfusion/product.h"
#include "interposer/headers.h"
#include "transport/link.h"

namespace bitfusion::interposer {

// The process's connection and the context that is current in the calling thread (0: none).
struct Caller {
  transport::Link* link = nullptr;
  uint64_t context = 0;
};

constexpr size_t kMaxPayload = wire::kMaxFrame - sizeof(wire::FrameHeader);

// A structure, or the fact that there is none.
template <typename T>
void put_struct(wire::Writer& out, const T* value) {
  out.put<uint32_t>(value ? 1 : 0);
  if (value) out.put(*value);
}

template <typename T>
void put_array(wire::Writer& out, const T* values, size_t count) {
  out.put(static_cast<uint32_t>(count));
  out.bytes(values, count * sizeof(T));
}

template <typename T>
void get_array(wire::Reader& in, T* values, size_t count) {
  auto raw = in.bytes(count * sizeof(T));
  if (!raw.empty()) std::memcpy(values, raw.data(), raw.size());
}

}  // namespace bitfusion::interposer

// Pieces that generated handlers decode frames with. All counts come from the network.
#pragma once

#include <optional>
#include <vector>

#include "worker/handlers/state.h"

namespace bitfusion::worker {

// Frames that allocate or free device memory share this key: an allocation must see what earlier frames have freed.
constexpr uint64_t kMemoryKey = 1;

// Addresses inside structures mean nothing to the other side, and the driver must not follow those that a client wrote.
template <typename T>
void clear_addresses(T&) {}
inline void clear_addresses(CUmemAllocationProp& property) { property.win32HandleMetaData = nullptr; }
inline void clear_addresses(CUmemPoolProps& properties) { properties.win32SecurityAttributes = nullptr; }
inline void clear_addresses(CUdevResource& resource) { resource.nextResource = nullptr; }

// A structure that may be absent.
template <typename T>
class Optional {
 public:
  explicit Optional(wire::Reader& args) {
    if (!args.get<uint32_t>()) return;
    value_ = args.get<T>();
    clear_addresses(*value_);
  }
  const T* get() const { return value_ ? &*value_ : nullptr; }
  T* get() { return value_ ? &*value_ : nullptr; }

 private:
  std::optional<T> value_;
};

// Bytes that a pitched range covers; more than there can be where the product is out of range.
inline uint64_t covered(uint64_t pitch, uint64_t row, uint64_t rows) {
  if (!row || !rows) return 0;
  uint64_t before;
  return __builtin_mul_overflow(pitch, rows - 1, &before) || __builtin_add_overflow(before, row, &before) ? ~uint64_t{0} : before;
}
inline uint64_t covered(uint64_t count, uint64_t size) { return covered(size, size, count); }

template <typename T>
std::vector<T> read_array(wire::Reader& args) {
  const size_t count = args.get<uint32_t>();
  const auto raw = args.bytes(count * sizeof(T));
  std::vector<T> values(raw.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), raw.data(), raw.size());
  for (T& value : values) clear_addresses(value);
  return values;
}

// Room for results, as many as the client has asked for.
template <typename T>
std::vector<T> room_for(wire::Reader& args) {
  const size_t count = args.get<uint32_t>();
  if (count > wire::kMaxReply / sizeof(T)) throw BadFrame{"more results asked for than a reply holds"};
  return std::vector<T>(count);
}

template <typename T>
bool find_all(State& state, const std::vector<uint64_t>& names, Handle kind, std::vector<T>* objects) {
  for (uint64_t name : names) {
    T object;
    if (!state.objects.find(name, kind, &object)) return false;
    objects->push_back(object);
  }
  return true;
}

std::span<const Row> generated_rows();

}  // namespace bitfusion::worker

#include "transport/printed.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace bitfusion::transport {

Printed::~Printed() { std::free(data_); }

void Printed::swap(Printed& other) {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(capacity_, other.capacity_);
  std::swap(dropped_, other.dropped_);
}

bool Printed::add(wire::Reader payload) {
  auto about = payload.get<wire::OutputPayload>();
  auto text = payload.bytes(about.size);
  if (!payload.ok() || text.size() > wire::kMaxOutput - size_) return false;
  dropped_ += about.dropped;
  if (text.empty()) return true;
  if (!make_room(size_ + text.size())) {
    dropped_ += text.size();
    return true;
  }
  std::memcpy(data_ + size_, text.data(), text.size());
  size_ += text.size();
  return true;
}

bool Printed::make_room(size_t size) {
  if (size <= capacity_) return true;
  size_t capacity = std::max(size, 2 * capacity_);
  auto* data = static_cast<char*>(std::realloc(data_, capacity));
  if (!data) return false;
  data_ = data;
  capacity_ = capacity;
  return true;
}

void Printed::write_out() {
  if (size_) std::fwrite(data_, 1, size_, stdout);
  if (dropped_)
    std::fprintf(stderr, "bitfusion: %llu bytes that kernels printed were dropped: more than %zu MiB between two synchronizations\n",
                 static_cast<unsigned long long>(dropped_), wire::kMaxOutput >> 20);
  *this = Printed();
}

}  // namespace bitfusion::transport

// Bytes that begin as zeroes and take memory only where they are written.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <utility>

namespace bitfusion {

class ZeroPages {
 public:
  ZeroPages() = default;
  explicit ZeroPages(size_t size) : size_(size) {
    void* const memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory != MAP_FAILED) data_ = static_cast<std::byte*>(memory);
  }
  ZeroPages(ZeroPages&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  ZeroPages& operator=(ZeroPages&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~ZeroPages() {
    if (data_) munmap(data_, size_);
  }

  std::byte* data() const { return data_; }  // null: there was no room for them
  size_t size() const { return size_; }

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace bitfusion

// Text that kernels printed, on its way to the application's standard output.
#pragma once

#include <cstddef>
#include <cstdint>

#include "wire/frame.h"

namespace bitfusion::transport {

class Printed {
 public:
  Printed() = default;
  Printed(Printed&& other) noexcept { swap(other); }
  Printed& operator=(Printed&& other) noexcept {
    swap(other);
    return *this;
  }
  Printed(const Printed&) = delete;
  Printed& operator=(const Printed&) = delete;
  ~Printed();

  // Adds the payload of an output frame. False: it is malformed or more than the worker may send.
  bool add(wire::Reader payload);
  // Writes all to the C library's standard output, which keeps it in order with what the calling thread prints itself, as the driver's
  // own printing is on a machine with a GPU.
  void write_out();

 private:
  void swap(Printed& other);
  bool make_room(size_t size);

  char* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
  uint64_t dropped_ = 0;
};

}  // namespace bitfusion::transport

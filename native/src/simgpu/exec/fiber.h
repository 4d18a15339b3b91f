// Stacks of their own for kernel threads, and switching between them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace simgpu::exec {

// Saves the callee-saved registers on the current stack, stores its pointer in *save and continues on `load`.
extern "C" void simgpu_switch(void** save, void* load);

// A stack pointer that simgpu_switch can load: `entry(argument)` begins on the stack that ends at `top`. `entry` must never return.
void* prepare_stack(uint8_t* top, void (*entry)(void*), void* argument);

// Equally sized stacks in one mapping; memory is only used where a stack has been used.
class StackSlab {
 public:
  StackSlab() = default;
  StackSlab(const StackSlab&) = delete;
  StackSlab& operator=(const StackSlab&) = delete;
  ~StackSlab();

  // Makes room for `count` stacks of at least `bytes` bytes each; keeps what is there if it is enough. False: no memory.
  bool reserve(size_t count, size_t bytes);

  uint8_t* low(size_t index) const { return base_ + index * bytes_; }
  // Stacks begin at different offsets in their pages, else a block's threads would fight for the same cache sets.
  uint8_t* top(size_t index) const { return base_ + (index + 1) * bytes_ - 128 * (index % 29); }

 private:
  void unmap();
  uint8_t* base_ = nullptr;
  size_t count_ = 0;
  size_t bytes_ = 0;
};

}  // namespace simgpu::exec

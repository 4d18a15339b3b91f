#include "simgpu/exec/fiber.h"

#include <sys/mman.h>

// The floating-point control words are not switched: kernels leave them as they found them.
asm(R"(
.text
.p2align 4
.globl simgpu_switch
.hidden simgpu_switch
.type simgpu_switch, @function
simgpu_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size simgpu_switch, .-simgpu_switch

.p2align 4
.hidden simgpu_fiber_start
.type simgpu_fiber_start, @function
simgpu_fiber_start:
  movq %r12, %rdi
  call *%r13
  ud2
.size simgpu_fiber_start, .-simgpu_fiber_start
)");

extern "C" void simgpu_fiber_start();

namespace simgpu::exec {

void* prepare_stack(uint8_t* top, void (*entry)(void*), void* argument) {
  auto* sp = reinterpret_cast<uint64_t*>(reinterpret_cast<uintptr_t>(top) & ~uintptr_t{15});
  *--sp = 0;  // two words: the call in simgpu_fiber_start wants an aligned stack
  *--sp = 0;
  *--sp = reinterpret_cast<uint64_t>(&simgpu_fiber_start);  // where the first switch "returns" to
  *--sp = 0;                                                // rbp
  *--sp = 0;                                                // rbx
  *--sp = reinterpret_cast<uint64_t>(argument);             // r12
  *--sp = reinterpret_cast<uint64_t>(entry);                // r13
  *--sp = 0;                                                // r14
  *--sp = 0;                                                // r15
  return sp;
}

StackSlab::~StackSlab() { unmap(); }

void StackSlab::unmap() {
  if (base_) munmap(base_, count_ * bytes_);
  base_ = nullptr;
  count_ = 0;
}

bool StackSlab::reserve(size_t count, size_t bytes) {
  if (count <= count_ && bytes <= bytes_) return true;
  if (count < count_) count = count_;
  if (bytes < bytes_) bytes = bytes_;
  unmap();
  void* memory = mmap(nullptr, count * bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return false;
  base_ = static_cast<uint8_t*>(memory);
  count_ = count;
  bytes_ = bytes;
  return true;
}

}  // namespace simgpu::exec

// From the context that compiled code carries to what runs it; only for helpers.
#pragma once

#include <string>

#include "simgpu/exec/block.h"
#include "simgpu/exec/exec.h"
#include "simgpu/exec/kernel_abi.h"

namespace simgpu::exec {

inline Fiber* fiber_of(ThreadContext* thread) { return reinterpret_cast<Fiber*>(thread); }
inline Grid* grid_of(ThreadContext* thread) { return fiber_of(thread)->block->grid(); }

// Ends the grid with a fault; never returns to the kernel.
[[noreturn]] void raise_fault(ThreadContext* thread, Fault::Kind kind, uint64_t address, std::string message);

// The host memory of an access that must be allowed; a fault otherwise.
uint8_t* require(ThreadContext* thread, uint64_t address, size_t bytes, bool write);

}  // namespace simgpu::exec

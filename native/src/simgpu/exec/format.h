// Device printf: the format string and the arguments lie in device memory.
#pragma once

#include <cstdint>
#include <string>

#include "simgpu/exec/kernel_abi.h"

namespace simgpu::exec {

// The zero-terminated string at a device address; ends early where the thread may not read.
std::string device_string(ThreadContext* thread, uint64_t address);

// Appends the formatted text and returns the number of arguments, or -1 for a NULL format, as CUDA's printf does.
int format_device(ThreadContext* thread, uint64_t format, uint64_t arguments, std::string* text);

}  // namespace simgpu::exec

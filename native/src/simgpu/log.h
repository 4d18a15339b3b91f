// One line on standard error for whoever runs the simulated GPU; SIMGPU_LOG=debug also shows what programs ask for in vain.
#pragma once

namespace simgpu {

bool debug_enabled();
void log_line(const char* format, ...) __attribute__((format(printf, 1, 2)));
void debug_line(const char* format, ...) __attribute__((format(printf, 1, 2)));

}  // namespace simgpu

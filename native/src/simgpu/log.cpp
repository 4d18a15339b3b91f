#include "simgpu/log.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>
#include <string>

#include "bitfusion/env.h"
#include "simgpu/api.h"

namespace simgpu {

namespace {

void write_line(const char* format, va_list arguments) {
  char text[2048];
  vsnprintf(text, sizeof text, format, arguments);
  fprintf(stderr, "simgpu: %s\n", text);
}

bool first_time(const char* name) {
  static auto* lock = new std::mutex;
  static auto* seen = new std::set<std::string>;
  std::lock_guard<std::mutex> guard(*lock);
  return seen->insert(name).second;
}

}  // namespace

bool debug_enabled() {
  static const bool enabled = bitfusion::env::simgpu_debug();
  return enabled;
}

void log_line(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  write_line(format, arguments);
  va_end(arguments);
}

void debug_line(const char* format, ...) {
  if (!debug_enabled()) return;
  va_list arguments;
  va_start(arguments, format);
  write_line(format, arguments);
  va_end(arguments);
}

}  // namespace simgpu

// What every entry point without an implementation answers; see gen/exports.py.
extern "C" int simgpu_refuse(const char* name) {
  if (simgpu::first_time(name)) simgpu::log_line("%s is not implemented by the simulated GPU", name);
  return CUDA_ERROR_NOT_SUPPORTED;
}

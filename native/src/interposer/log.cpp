#include "interposer/log.h"

#include <unistd.h>

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <mutex>

#include "bitfusion/env.h"
#include "interposer/exports.h"

namespace bitfusion::interposer {
namespace {

constexpr const char* kNames[] = {"error", "warn", "info", "debug"};

Level wanted() {
  const char* name = env::log_level();
  for (uint8_t level = 0; level < 4; ++level) {
    if (std::strcmp(name, kNames[level]) == 0) return static_cast<Level>(level);
  }
  return Level::kError;
}

// Calls refused so far; the table is far larger than the number of entry points.
constexpr size_t kMaxRefused = 2048;
std::atomic<const char*> refused[kMaxRefused];

bool first_refusal(const char* call) {
  for (auto& slot : refused) {
    const char* seen = nullptr;
    if (slot.compare_exchange_strong(seen, call)) return true;
    if (seen == call || std::strcmp(seen, call) == 0) return false;
  }
  return false;
}

}  // namespace

bool logs(Level level) {
  static const Level limit = wanted();
  return level <= limit;
}

void log(Level level, const char* format, ...) {
  if (!logs(level)) return;
  char line[1024];
  int used = std::snprintf(line, sizeof line, "bitfusion: ");
  va_list args;
  va_start(args, format);
  int more = std::vsnprintf(line + used, sizeof line - used - 1, format, args);
  va_end(args);
  if (more < 0) return;
  size_t size = std::min<size_t>(used + more, sizeof line - 2);
  line[size++] = '\n';
  if (write(STDERR_FILENO, line, size) < 0) return;  // nowhere left to complain to
}

void log_refusal(const char* call, const char* reason) {
  if (first_refusal(call)) log(Level::kError, "%s is refused: %s", call, reason);
}

const bool kTraceCalls = logs(Level::kDebug);

void trace(const char* call, CUresult result) { log(Level::kDebug, "%s -> %d", call, result); }

}  // namespace bitfusion::interposer

// Messages to standard error, chosen by BITFUSION_LOG.
#pragma once

#include <cstdint>

namespace bitfusion::interposer {

enum class Level : uint8_t { kError, kWarn, kInfo, kDebug };

bool logs(Level level);
__attribute__((format(printf, 2, 3))) void log(Level level, const char* format, ...);
// Names a call that is refused, the first time it is made.
void log_refusal(const char* call, const char* reason);

}  // namespace bitfusion::interposer

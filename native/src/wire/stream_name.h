// Names of the default streams on the wire. Both lie beyond the names of handles; other streams are named by their handle.
#pragma once

#include <cstdint>

namespace bitfusion::wire {

constexpr int kStreamTagShift = 52;
constexpr uint64_t kLegacyStreamTag = 61, kPerThreadStreamTag = 62;
constexpr uint64_t kContextInName = (uint64_t{1} << kStreamTagShift) - 1;
constexpr uint64_t kSlotInName = 0xFFFFFFF;

// The stream 0 (CU_STREAM_LEGACY) of a context.
constexpr uint64_t legacy_stream(uint64_t context) { return kLegacyStreamTag << kStreamTagShift | (context & kContextInName); }

// The per-thread default stream of a client thread in a context.
constexpr uint64_t per_thread_stream(uint32_t thread, uint64_t context) {
  return kPerThreadStreamTag << kStreamTagShift | uint64_t{thread} << 28 | (context & kSlotInName);
}

constexpr bool is_legacy_stream(uint64_t name) { return name >> kStreamTagShift == kLegacyStreamTag; }
constexpr bool is_per_thread_stream(uint64_t name) { return name >> kStreamTagShift == kPerThreadStreamTag; }

}  // namespace bitfusion::wire

// A handler table of a few made-up calls, for tests and benchmarks of the pipes alone.
#pragma once

#include "worker/executor.h"

namespace bitfusion::worker::test {

enum TestRow : uint16_t {
  kEcho,         // sync, blob -> the same blob
  kCount,        // async, u64 stream: one unit of work that adds one to a counter when the stream gets there
  kRead,         // sync -> u64 counter
  kSyncStream,   // sync, u64 stream
  kFailAsync,    // async: fails with CUDA_ERROR_INVALID_VALUE
  kBlock,        // sync, u64 stream: blocks until kOpen
  kOpen,         // async: opens the gate of kBlock
  kSum,          // sync with attachment -> u64 sum of its bytes
  kHostCall,     // async, u64 stream, u64 callback
  kQueryStream,  // sync, u64 stream
  kHoldStream,   // async, u64 stream: the stream stands still until kOpenStream
  kOpenStream,   // async
  kNothing,      // async, u64 stream: counted as work, does nothing
  kZeros,        // sync, u64 n -> n bytes
  kTakeAway,     // async, after all work of its context: notes the counter
  kNoted,        // sync -> u64 counter that was noted
  kLimitCopies,  // sync, u64 address: copies of device memory from there on fail
  kRowCount,
};

const HandlerTable& test_handlers();

}  // namespace bitfusion::worker::test

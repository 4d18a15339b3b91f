// cuStreamWaitValue, cuStreamWriteValue and their batches.
#pragma once

#include "simgpu/api.h"
#include "simgpu/work.h"

namespace simgpu {

// Checks operations and makes one piece of work of them.
CUresult make_batch(unsigned count, const CUstreamBatchMemOpParams* operations, unsigned flags, BatchWork* batch);

bool waits(const BatchWork& batch);

}  // namespace simgpu

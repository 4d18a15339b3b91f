// Whether streams are being captured into graphs.
#pragma once

#include <cstdint>

#include "interposer/caller.h"

namespace bitfusion::interposer {

// Whether that stream (by its name on the wire) is being captured. Free while the process captures nothing; asks the server otherwise,
// because capture spreads from stream to stream through events.
bool capturing(const Caller& at, uint64_t stream);

}  // namespace bitfusion::interposer

// What the lanes of a warp compute together, once all have arrived.
#pragma once

#include <cstdint>

namespace simgpu::exec {

struct Fiber;

// Fills in `result` of the lanes in `members`, all of which wait for the same exchange.
void exchange_values(Fiber* lanes, uint32_t members);

}  // namespace simgpu::exec

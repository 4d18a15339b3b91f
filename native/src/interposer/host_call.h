// The application's functions that streams and graphs call.
#pragma once

#include "interposer/caller.h"

namespace bitfusion::interposer {

// A graph may call it any number of times, so it is kept. 0: no memory.
uint64_t remember_graph_call(const Caller& at, CUhostFn function, void* data);
// What the number stands for; false: nothing.
bool find_graph_call(uint64_t number, CUhostFn* function, void** data);

}  // namespace bitfusion::interposer

// Looks one entry point up; a driver that lacks it leaves the pointer null and its calls are answered "not supported".
#pragma once

#include <dlfcn.h>

namespace bitfusion::worker {

template <typename Function>
void find(void* library, const char* name, Function** out) {
  *out = reinterpret_cast<Function*>(dlsym(library, name));
}

}  // namespace bitfusion::worker

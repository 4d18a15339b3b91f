// Contexts and which one is current in a thread; all of it is kept in the client.
#pragma once

#include <atomic>
#include <cstdint>

#include "interposer/headers.h"

namespace bitfusion::interposer {

// What a context's handle leads to.
struct Context {
  uint64_t name = 0;
  uint64_t id = 0;
  int device = 0;
  unsigned flags = 0;
  bool primary = false;
  std::atomic<bool> active{false};  // a primary context has a handle even while nobody holds it; every call looks, without the lock
  unsigned references = 0;          // of a primary context; cuCtxAttach of another
};

// Name of the context that is current in this thread; 0: none.
uint64_t current_context();
bool context_alive(uint64_t name);
// The context of that name, or null; it stays valid memory for good.
Context* find_context(uint64_t name);
// The calling thread's context, or null.
Context* current();
// The handle of a device's primary context, whether it is active or not; null for a wrong ordinal.
CUcontext primary_handle(int device);

// Values that belong to a context and a key, for the runtime libraries (export_tables.cpp); destructors run when the context ends.
using LocalDestructor = void (*)(CUcontext context, void* key, void* value);
CUresult local_put(CUcontext context, void* key, void* value, LocalDestructor destructor);
CUresult local_get(void** value, CUcontext context, void* key);
CUresult local_delete(CUcontext context, void* key);

}  // namespace bitfusion::interposer

// The objects of the process: the client chooses their handles, so that making one needs no answer from the server.
//
// A handle is kind | generation | slot | 0000, never a valid address. It is checked by comparing it with its slot, so a foreign, freed or
// garbage handle is found out without touching memory it might name.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "calls/rows.h"

namespace bitfusion::interposer {

// An object's slot. `object` and `info` belong to whoever made the handle.
struct Slot {
  std::atomic<uint64_t> name{0};  // the handle; 0: free
  uint64_t owner = 0;             // object that it ends with (a context, a graph...); 0: none
  uint64_t info = 0;
  void* object = nullptr;
  uint32_t generation = 0;
  uint32_t next_free = 0;
  uint32_t owned = 0;  // live objects that end with this one
};

class Handles {
 public:
  // 0 when there is no room for another object.
  uint64_t mint(Handle kind, uint64_t owner, uint64_t info = 0, void* object = nullptr);
  // The slot of a live handle of that kind, else null.
  Slot* find(uint64_t name, Handle kind);
  bool valid(uint64_t name, Handle kind) { return find(name, kind) != nullptr; }
  // From now on the object ends with that one.
  void give(uint64_t name, uint64_t owner);
  // Ends an object and all that end with it.
  void drop(uint64_t name);
  // Ends all objects of a context that is gone.
  void drop_owned(uint64_t owner);
  // Calls `visit(name, slot)` for every live object of a kind.
  template <typename Visit>
  void each(Handle kind, Visit visit);

  static Handle kind_of(uint64_t name) { return static_cast<Handle>(name >> kKindShift); }

 private:
  static constexpr int kSlotShift = 4, kGenerationShift = 28, kKindShift = 52;
  static constexpr uint32_t kChunk = 4096, kChunks = 4096;
  static constexpr uint32_t kGenerationMask = (1u << (kKindShift - kGenerationShift)) - 1;

  Slot* slot(uint32_t index);
  Slot* slot_of(uint64_t name) { return slot((name >> kSlotShift) & (kChunk * kChunks - 1)); }
  Slot* live(uint64_t name);
  bool grow(uint32_t chunk);
  void drop_locked(Slot* slot, uint64_t name);
  void drop_owned_locked(uint64_t owner);

  std::mutex mutex_;
  std::atomic<Slot*> chunks_[kChunks] = {};
  std::atomic<uint32_t> used_{1};  // slot 0 is never given out
  uint32_t free_ = 0;
};

Handles& handles();

template <typename T>
uint64_t to_name(T handle) {
  return (uint64_t)handle;
}

template <typename Visit>
void Handles::each(Handle kind, Visit visit) {
  const uint32_t used = used_.load(std::memory_order_acquire);
  for (uint32_t index = 1; index < used; ++index) {
    Slot* at = slot(index);
    const uint64_t name = at->name.load(std::memory_order_acquire);
    if (name && kind_of(name) == kind) visit(name, *at);
  }
}

}  // namespace bitfusion::interposer

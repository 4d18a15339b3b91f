#include "interposer/handles.h"

#include <cstdlib>
#include <new>

namespace bitfusion::interposer {

Handles& handles() {
  // Never destroyed: programs call the library from their exit handlers.
  alignas(Handles) static std::byte storage[sizeof(Handles)];
  static Handles* const instance = new (storage) Handles;
  return *instance;
}

uint64_t Handles::mint(Handle kind, uint64_t owner, uint64_t info, void* object) {
  std::lock_guard lock(mutex_);
  uint32_t index = free_;
  if (index) {
    free_ = slot(index)->next_free;
  } else {
    index = used_.load(std::memory_order_relaxed);
    if (index == kChunk * kChunks || !grow(index / kChunk)) return 0;
    used_.store(index + 1, std::memory_order_release);
  }
  Slot* made = slot(index);
  made->owner = owner;
  made->info = info;
  made->object = object;
  made->generation = (made->generation + 1) & kGenerationMask;
  const uint64_t name = (static_cast<uint64_t>(kind) << kKindShift) | (static_cast<uint64_t>(made->generation) << kGenerationShift) |
                        (static_cast<uint64_t>(index) << kSlotShift);
  made->name.store(name, std::memory_order_release);
  return name;
}

Slot* Handles::find(uint64_t name, Handle kind) {
  if (name >> kKindShift != static_cast<uint64_t>(kind)) return nullptr;
  Slot* at = slot_of(name);
  return at && at->name.load(std::memory_order_acquire) == name ? at : nullptr;
}

void Handles::drop(uint64_t name) {
  std::lock_guard lock(mutex_);
  Slot* at = slot_of(name);
  if (at && at->name.load(std::memory_order_relaxed) == name) drop_locked(at, (name >> kSlotShift) & (kChunk * kChunks - 1));
}

void Handles::drop_owned(uint64_t owner) {
  std::lock_guard lock(mutex_);
  const uint32_t used = used_.load(std::memory_order_relaxed);
  for (uint32_t index = 1; index < used; ++index) {
    Slot* at = slot(index);
    if (at->owner == owner && at->name.load(std::memory_order_relaxed)) drop_locked(at, index);
  }
}

Slot* Handles::slot(uint32_t index) {
  Slot* chunk = chunks_[index / kChunk].load(std::memory_order_acquire);
  return chunk ? chunk + index % kChunk : nullptr;
}

bool Handles::grow(uint32_t chunk) {
  if (chunks_[chunk].load(std::memory_order_relaxed)) return true;
  Slot* fresh = new (std::nothrow) Slot[kChunk];
  chunks_[chunk].store(fresh, std::memory_order_release);
  return fresh != nullptr;
}

void Handles::drop_locked(Slot* slot, uint32_t index) {
  slot->name.store(0, std::memory_order_release);
  slot->owner = 0;
  slot->next_free = free_;
  free_ = index;
}

}  // namespace bitfusion::interposer

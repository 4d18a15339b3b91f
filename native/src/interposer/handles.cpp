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
  if (Slot* above = live(owner)) ++above->owned;
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

Slot* Handles::live(uint64_t name) {
  Slot* at = name ? slot_of(name) : nullptr;
  return at && at->name.load(std::memory_order_relaxed) == name ? at : nullptr;
}

void Handles::give(uint64_t name, uint64_t owner) {
  std::lock_guard lock(mutex_);
  Slot* at = live(name);
  if (!at || at->owner) return;
  at->owner = owner;
  if (Slot* above = live(owner)) ++above->owned;
}

void Handles::drop(uint64_t name) {
  std::lock_guard lock(mutex_);
  if (Slot* at = live(name)) drop_locked(at, name);
}

void Handles::drop_owned(uint64_t owner) {
  std::lock_guard lock(mutex_);
  drop_owned_locked(owner);
}

void Handles::drop_owned_locked(uint64_t owner) {
  const uint32_t used = used_.load(std::memory_order_relaxed);
  for (uint32_t index = 1; index < used; ++index) {
    Slot* at = slot(index);
    const uint64_t name = at->name.load(std::memory_order_relaxed);
    if (name && at->owner == owner) drop_locked(at, name);
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

void Handles::drop_locked(Slot* slot, uint64_t name) {
  if (Slot* owner = live(slot->owner)) --owner->owned;
  slot->name.store(0, std::memory_order_release);
  slot->owner = 0;
  if (slot->owned) drop_owned_locked(name);
  slot->owned = 0;
  slot->next_free = free_;
  free_ = (name >> kSlotShift) & (kChunk * kChunks - 1);
}

}  // namespace bitfusion::interposer

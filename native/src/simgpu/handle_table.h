// Handles given to the application: pointers that can be checked without following them.
//
// Every object of a kind lives in one reserved range, so a handle is valid if it lies in the range, on a slot boundary, in a slot in use.
// Slots are reused last of all, so a handle kept after its destruction is refused rather than mistaken for another object.
#pragma once

#include <sys/mman.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace simgpu {

template <typename T>
class HandleTable {
 public:
  explicit HandleTable(size_t capacity) : capacity_(capacity) {
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void* memory = mmap(nullptr, capacity * sizeof(Slot), PROT_READ | PROT_WRITE, flags, -1, 0);
    if (memory == MAP_FAILED) abort();
    slots_ = static_cast<Slot*>(memory);
  }

  // nullptr when the table is full.
  template <typename... Arguments>
  T* make(Arguments&&... arguments) {
    Slot* slot = take();
    if (slot == nullptr) return nullptr;
    T* object = new (slot->storage) T{std::forward<Arguments>(arguments)...};
    slot->live.store(true, std::memory_order_release);
    return object;
  }

  // The object behind a handle, or nullptr if it is none (any more).
  T* get(const void* handle) const {
    const uintptr_t offset = reinterpret_cast<uintptr_t>(handle) - reinterpret_cast<uintptr_t>(slots_);
    if (offset >= capacity_ * sizeof(Slot) || offset % sizeof(Slot) != 0) return nullptr;
    Slot* slot = &slots_[offset / sizeof(Slot)];
    return slot->live.load(std::memory_order_acquire) ? object_of(slot) : nullptr;
  }

  void destroy(T* object) {
    Slot* slot = reinterpret_cast<Slot*>(object);
    slot->live.store(false, std::memory_order_release);
    object->~T();
    std::lock_guard<std::mutex> guard(lock_);
    free_.push_back(slot);
  }

  std::vector<T*> all() const {
    std::lock_guard<std::mutex> guard(lock_);
    std::vector<T*> found;
    for (size_t i = 0; i < used_; i++) {
      if (slots_[i].live.load(std::memory_order_acquire)) found.push_back(object_of(&slots_[i]));
    }
    return found;
  }

 private:
  struct Slot {
    alignas(64) unsigned char storage[sizeof(T)];  // first, so that the object's address is the slot's
    std::atomic<bool> live;
  };
  static constexpr size_t kKeptFree = 64;

  static T* object_of(Slot* slot) { return std::launder(reinterpret_cast<T*>(slot->storage)); }

  Slot* take() {
    std::lock_guard<std::mutex> guard(lock_);
    if (free_.size() > kKeptFree || (used_ == capacity_ && !free_.empty())) {
      Slot* slot = free_.front();
      free_.pop_front();
      return slot;
    }
    return used_ < capacity_ ? &slots_[used_++] : nullptr;
  }

  const size_t capacity_;
  Slot* slots_;
  mutable std::mutex lock_;
  size_t used_ = 0;
  std::deque<Slot*> free_;
};

}  // namespace simgpu

#include "simgpu/user_object.h"

#include <mutex>

#include "simgpu/thread_state.h"

namespace simgpu {

namespace {

std::mutex g_lock;

// The destructor may not call the driver, like a host function.
void run_destructor(const UserObject& object) {
  bool& in_callback = thread_state().in_callback;
  const bool before = in_callback;
  in_callback = true;
  object.destroy(object.pointer);
  in_callback = before;
}

}  // namespace

HandleTable<UserObject>& user_objects() {
  static auto* table = new HandleTable<UserObject>(1u << 20);
  return *table;
}

void retain_object(UserObject* object, uint64_t count) {
  std::lock_guard<std::mutex> guard(g_lock);
  object->references += count;
}

bool release_object(UserObject* object, uint64_t count) {
  UserObject gone;
  {
    std::lock_guard<std::mutex> guard(g_lock);
    if (object->references < count) return false;
    object->references -= count;
    if (object->references != 0) return true;
    gone = *object;
    user_objects().destroy(object);
  }
  run_destructor(gone);
  return true;
}

OwnedObjects::OwnedObjects(const OwnedObjects& other) : counts_(other.counts_) {
  for (const auto& [object, count] : counts_) retain_object(object, count);
}

OwnedObjects& OwnedObjects::operator=(const OwnedObjects& other) {
  if (this == &other) return *this;
  for (const auto& [object, count] : other.counts_) retain_object(object, count);
  drop_all();
  counts_ = other.counts_;
  return *this;
}

OwnedObjects::~OwnedObjects() { drop_all(); }

void OwnedObjects::drop_all() {
  for (const auto& [object, count] : counts_) release_object(object, count);
  counts_.clear();
}

bool OwnedObjects::give_up(UserObject* object, uint64_t count) {
  const auto found = counts_.find(object);
  if (found == counts_.end() || found->second < count) return false;
  found->second -= count;
  if (found->second == 0) counts_.erase(found);
  return release_object(object, count);
}

}  // namespace simgpu

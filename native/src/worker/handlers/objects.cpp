#include "worker/handlers/objects.h"

#include "worker/executor.h"

namespace bitfusion::worker {
namespace {

constexpr size_t kMaxObjects = 4u << 20;  // a client that makes more is not a program that works

}  // namespace

bool Objects::find_raw(uint64_t name, Handle kind, uint64_t* object) const {
  if (kind_of(name) != kind) return false;
  std::shared_lock lock(mutex_);
  auto at = by_name_.find(name);
  if (at == by_name_.end()) return false;
  *object = at->second;
  return true;
}

void Objects::add_raw(uint64_t name, uint64_t object) {
  std::lock_guard lock(mutex_);
  if (by_name_.size() >= kMaxObjects) throw BadFrame{"too many objects"};
  by_name_[name] = object;
}

void Objects::remove(uint64_t name, Handle kind) {
  if (kind_of(name) != kind) return;
  std::lock_guard lock(mutex_);
  by_name_.erase(name);
}

std::vector<uint64_t> Objects::all(Handle kind) const {
  std::shared_lock lock(mutex_);
  std::vector<uint64_t> found;
  for (const auto& [name, object] : by_name_) {
    if (kind_of(name) == kind) found.push_back(object);
  }
  return found;
}

}  // namespace bitfusion::worker

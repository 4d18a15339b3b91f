#include "worker/handlers/objects.h"

#include <tuple>

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
  *object = at->second.raw;
  return true;
}

uint64_t Objects::raw_name_of(Handle kind, uint64_t raw) const {
  std::shared_lock lock(mutex_);
  auto at = names_.find({kind, raw});
  return at == names_.end() ? 0 : at->second;
}

uint64_t Objects::owner_of(uint64_t name) const {
  std::shared_lock lock(mutex_);
  auto at = by_name_.find(name);
  return at == by_name_.end() ? 0 : at->second.owner;
}

void Objects::add_raw(uint64_t name, uint64_t object, uint64_t owner) {
  std::lock_guard lock(mutex_);
  if (by_name_.size() >= kMaxObjects) throw BadFrame{"too many objects"};
  remove_locked(name);  // a client that gives a name twice has lost the first object
  by_name_[name] = {object, owner};
  names_[{kind_of(name), object}] = name;
  if (owner) by_owner_.emplace(owner, name);
}

void Objects::remove(uint64_t name, Handle kind) {
  if (kind_of(name) != kind) return;
  std::lock_guard lock(mutex_);
  remove_locked(name);
}

void Objects::remove_locked(uint64_t name) {
  std::vector<uint64_t> ending{name};
  while (!ending.empty()) {
    const uint64_t next = ending.back();
    ending.pop_back();
    auto at = by_name_.find(next);
    if (at == by_name_.end()) continue;
    auto known = names_.find({kind_of(next), at->second.raw});
    if (known != names_.end() && known->second == next) names_.erase(known);
    auto [first, last] = by_owner_.equal_range(at->second.owner);
    for (auto entry = first; entry != last; ++entry) {
      if (entry->second != next) continue;
      by_owner_.erase(entry);
      break;
    }
    by_name_.erase(at);
    std::tie(first, last) = by_owner_.equal_range(next);
    for (auto entry = first; entry != last; ++entry) ending.push_back(entry->second);
    by_owner_.erase(first, last);
  }
}

bool Objects::find_raw_owned(uint64_t owner, Handle kind, uint64_t* object) const {
  std::shared_lock lock(mutex_);
  const auto [first, last] = by_owner_.equal_range(owner);
  const auto found = std::find_if(first, last, [kind](const auto& entry) { return kind_of(entry.second) == kind; });
  if (found == last) return false;
  *object = by_name_.at(found->second).raw;
  return true;
}

std::vector<uint64_t> Objects::all(Handle kind) const {
  std::shared_lock lock(mutex_);
  std::vector<uint64_t> found;
  for (const auto& [name, object] : by_name_) {
    if (kind_of(name) == kind) found.push_back(object.raw);
  }
  return found;
}

}  // namespace bitfusion::worker

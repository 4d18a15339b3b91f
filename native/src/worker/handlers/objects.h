// The driver's objects by the names that the client minted. A name says its kind, so an object can only be found as what it is.
#pragma once

#include <cstdint>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "calls/rows.h"

namespace bitfusion::worker {

class Objects {
 public:
  template <typename T>
  bool find(uint64_t name, Handle kind, T* object) const {
    uint64_t raw;
    if (!find_raw(name, kind, &raw)) return false;
    *object = (T)raw;
    return true;
  }
  template <typename T>
  void add(uint64_t name, Handle kind, T object) {
    if (kind_of(name) == kind) add_raw(name, (uint64_t)object);
  }
  void remove(uint64_t name, Handle kind);
  // All objects of a kind, for the end of the session.
  std::vector<uint64_t> all(Handle kind) const;

 private:
  static Handle kind_of(uint64_t name) { return static_cast<Handle>(name >> 52); }
  bool find_raw(uint64_t name, Handle kind, uint64_t* object) const;
  void add_raw(uint64_t name, uint64_t object);

  mutable std::shared_mutex mutex_;
  std::unordered_map<uint64_t, uint64_t> by_name_;
};

}  // namespace bitfusion::worker

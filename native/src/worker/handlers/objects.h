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
  // An object of that kind that ends with the owner.
  template <typename T>
  bool find_owned(uint64_t owner, Handle kind, T* object) const {
    uint64_t raw;
    if (!find_raw_owned(owner, kind, &raw)) return false;
    *object = (T)raw;
    return true;
  }
  // With an owner (another object's name), the object ends with that one.
  template <typename T>
  void add(uint64_t name, Handle kind, T object, uint64_t owner = 0) {
    if (kind_of(name) == kind) add_raw(name, (uint64_t)object, owner);
  }
  // The name of an object that the driver has named: the one it has, else `offered`, which is its name from now on. 0: there is none.
  template <typename T>
  uint64_t adopt(uint64_t offered, Handle kind, T object, uint64_t owner = 0) {
    if (!object) return 0;
    const uint64_t known = name_of(kind, object);
    if (!known) add(offered, kind, object, owner);
    return known ? known : offered;
  }
  // 0 for an object that has no name.
  template <typename T>
  uint64_t name_of(Handle kind, T object) const {
    return raw_name_of(kind, (uint64_t)object);
  }
  // What it ends with; 0: nothing.
  uint64_t owner_of(uint64_t name) const;
  // Forgets an object and all that end with it.
  void remove(uint64_t name, Handle kind);
  // All objects of a kind, for the end of the session.
  std::vector<uint64_t> all(Handle kind) const;

 private:
  struct Object {
    uint64_t raw;
    uint64_t owner;
  };
  struct Identity {
    Handle kind;
    uint64_t raw;
    bool operator==(const Identity&) const = default;
  };
  struct Hash {
    size_t operator()(const Identity& key) const { return std::hash<uint64_t>()(key.raw ^ static_cast<uint64_t>(key.kind) << 56); }
  };

  static Handle kind_of(uint64_t name) { return static_cast<Handle>(name >> 52); }
  bool find_raw(uint64_t name, Handle kind, uint64_t* object) const;
  bool find_raw_owned(uint64_t owner, Handle kind, uint64_t* object) const;
  uint64_t raw_name_of(Handle kind, uint64_t raw) const;
  void add_raw(uint64_t name, uint64_t object, uint64_t owner);
  void remove_locked(uint64_t name);

  mutable std::shared_mutex mutex_;
  std::unordered_map<uint64_t, Object> by_name_;
  std::unordered_map<Identity, uint64_t, Hash> names_;    // the newest, where an object has several
  std::unordered_multimap<uint64_t, uint64_t> by_owner_;  // names by their owner's name
};

}  // namespace bitfusion::worker

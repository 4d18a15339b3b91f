// User objects: counted references to something of the application's, held by graphs as long as they need it.
#pragma once

#include <map>

#include "simgpu/api.h"
#include "simgpu/handle_table.h"

namespace simgpu {

struct UserObject {
  void* pointer = nullptr;
  CUhostFn destroy = nullptr;
  uint64_t references = 0;
};

HandleTable<UserObject>& user_objects();

void retain_object(UserObject* object, uint64_t count);
// Calls the destructor with the last reference. False: there are not that many.
bool release_object(UserObject* object, uint64_t count);

// The references that a graph or an executable graph owns; copies own as many of their own.
class OwnedObjects {
 public:
  OwnedObjects() = default;
  OwnedObjects(const OwnedObjects& other);
  OwnedObjects& operator=(const OwnedObjects& other);
  ~OwnedObjects();
  void adopt(UserObject* object, uint64_t count) { counts_[object] += count; }
  bool give_up(UserObject* object, uint64_t count);

 private:
  void drop_all();
  std::map<UserObject*, uint64_t> counts_;
};

}  // namespace simgpu

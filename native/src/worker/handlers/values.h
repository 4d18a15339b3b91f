// Objects that the client knows by the driver's own value, because kernels take them so: a value is used only if the driver made it.
#pragma once

#include <cstdint>
#include <mutex>
#include <unordered_set>

namespace bitfusion::worker {

class Values {
 public:
  void add(uint64_t value) {
    std::lock_guard lock(mutex_);
    values_.insert(value);
  }
  // False: there is none.
  bool remove(uint64_t value) {
    std::lock_guard lock(mutex_);
    return values_.erase(value) != 0;
  }

 private:
  std::mutex mutex_;
  std::unordered_set<uint64_t> values_;
};

}  // namespace bitfusion::worker

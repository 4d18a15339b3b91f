// Links under way, by the driver's handle.
#pragma once

#include <cuda.h>

#include <memory>
#include <mutex>
#include <unordered_map>

namespace bitfusion::worker {

struct Linking;  // linker_calls.cpp

class Links {
 public:
  void add(CUlinkState state, std::shared_ptr<Linking> link) {
    std::lock_guard lock(mutex_);
    links_[state] = std::move(link);
  }
  Linking* find(CUlinkState state) {
    std::lock_guard lock(mutex_);
    auto at = links_.find(state);
    return at == links_.end() ? nullptr : at->second.get();
  }
  void remove(CUlinkState state) {
    std::lock_guard lock(mutex_);
    links_.erase(state);
  }

 private:
  std::mutex mutex_;
  std::unordered_map<CUlinkState, std::shared_ptr<Linking>> links_;
};

}  // namespace bitfusion::worker

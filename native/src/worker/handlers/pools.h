// What memory pools cost the partition: all that the driver keeps reserved for them, in use or not.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "calls/cuda_driver.h"
#include "worker/budget.h"

namespace bitfusion::worker {

class Pools {
 public:
  using Allocate = std::function<CUresult(CUdeviceptr*)>;
  using Free = std::function<void(CUdeviceptr)>;

  // `cuda` may be filled later than this is made.
  Pools(const CudaDriver& cuda, Budget& budget) : cuda_(cuda), budget_(budget) {}

  // The pool's memory is this device's.
  void open(CUmemoryPool pool, uint32_t device);
  // Allocates within the partition. Memory that the pools keep without need makes way, also what streams are about to give back: with
  // `wait` it waits for that, else the answer is nothing when it would have to.
  std::optional<CUresult> allocate(CUmemoryPool pool, uint32_t device, CUdeviceptr* address, uint64_t size, bool wait, const Allocate& make,
                                   const Free& undo);
  // The application has freed it; false: it is no pool's.
  bool remove(CUdeviceptr address);
  // No more is allocated from it; it costs what is still in use.
  void close(CUmemoryPool pool);
  // Charges all pools what they hold now.
  void settle();
  // Makes way for `size` bytes from outside the pools and takes them from the partition; false: there are not so many. May wait.
  bool make_room(uint32_t device, uint64_t size);
  // A stream is to free memory, of a pool or not; it has.
  void free_begins();
  void free_ended();

 private:
  struct Pool {
    uint32_t device = 0;
    uint64_t charged = 0;
    uint64_t live = 0;  // allocated and not freed by the application
    bool closed = false;
    uint64_t kept() const { return charged - (live < charged ? live : charged); }
  };
  struct Range {
    CUmemoryPool pool;
    uint64_t size;
  };

  CUresult try_allocate(CUmemoryPool handle, CUdeviceptr* address, uint64_t size, const Allocate& make, const Free& undo);
  bool settle(CUmemoryPool handle, Pool& pool);
  uint64_t reserved(CUmemoryPool handle, const Pool& pool) const;
  enum class Room { kThere, kNot, kMayCome };
  Room find_room(uint32_t device, uint64_t size);
  Room wait_for_room(std::unique_lock<std::mutex>& lock, uint32_t device, uint64_t size);
  void trim(uint32_t device);

  const CudaDriver& cuda_;
  Budget& budget_;
  std::mutex mutex_;
  std::condition_variable freed_;
  size_t freeing_ = 0;
  std::unordered_map<CUmemoryPool, Pool> pools_;
  std::unordered_map<CUdeviceptr, Range> ranges_;
  uintptr_t closed_ = 0;  // names of pools that are closed; no driver hands out such addresses
};

}  // namespace bitfusion::worker

// All memory the driver hands out: one range of addresses, reserved once, divided into a part per GPU and a host part.
//
// An address in it is valid in kernels and in the process alike. Each part is several times as large as the memory it stands for, so
// fragmentation of addresses never turns into a lack of memory: memory itself is counted in SharedState.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <utility>
#include <vector>

#include "simgpu/exec/exec.h"

namespace simgpu {

constexpr uint64_t kGranule = 1ull << exec::kGranuleShift;
constexpr int kHostPart = -1;

enum class MemoryKind { kDevice, kPinned, kManaged, kRegistered, kPool, kMapped, kReserved, kArray, kGlobal, kGraph };

// One live piece of memory, or of client memory made known to the driver.
struct Allocation {
  uint64_t address = 0;
  uint64_t size = 0;     // as asked for
  uint64_t charged = 0;  // bytes counted on the GPU
  MemoryKind kind = MemoryKind::kDevice;
  int gpu = kHostPart;  // index of the machine's GPU
  void* context = nullptr;
  unsigned flags = 0;
  uint64_t id = 0;
  bool sync_memops = false;
  void* owner = nullptr;  // pool or physical allocation, by kind
  bool device_visible() const { return kind != MemoryKind::kReserved; }
  bool is_host() const { return kind == MemoryKind::kPinned || kind == MemoryKind::kRegistered; }
};

// Free addresses of one part; best fit.
class AddressSpace {
 public:
  void add(uint64_t address, uint64_t size);
  std::optional<uint64_t> take(uint64_t size, uint64_t alignment);
  bool take_at(uint64_t address, uint64_t size);

 private:
  void insert(uint64_t address, uint64_t size);
  void erase(std::map<uint64_t, uint64_t>::iterator place);
  void carve(std::map<uint64_t, uint64_t>::iterator place, uint64_t address, uint64_t size);
  std::map<uint64_t, uint64_t> by_address_;
  std::set<std::pair<uint64_t, uint64_t>> by_size_;
};

class Arena {
 public:
  static Arena& get();

  const exec::MemoryMap& memory_map() const { return map_; }
  uint64_t base() const { return map_.base; }
  uint64_t size() const { return map_.size; }

  // Takes addresses and makes them readable and writable for kernels; nullopt: no memory. Charges the GPU unless `charge` is false.
  std::optional<uint64_t> allocate(Allocation wanted, bool charge = true);
  // Addresses only: a VMM reservation. `at` is a wish.
  std::optional<uint64_t> reserve(int part, uint64_t size, uint64_t alignment, uint64_t at);

  // Ends an allocation that begins exactly at `address` and gives its pages back.
  bool release(uint64_t address);
  // Ends a VMM reservation; memory mapped into it must be gone.
  bool unreserve(uint64_t address, uint64_t size);

  bool add_registered(Allocation range);
  bool remove_registered(uint64_t address);

  // A mapping of physical memory inside a reservation, and the rights kernels have on it.
  bool add_mapped(Allocation range);
  bool remove_mapped(uint64_t address, uint64_t size);
  void set_rights(uint64_t address, uint64_t size, uint8_t rights);
  uint8_t rights(uint64_t address) const;
  // Forgets what pages hold; whole granules.
  void discard(uint64_t address, uint64_t size);

  // What lies at an address; a reservation is found only if nothing is mapped there.
  std::optional<Allocation> find(uint64_t address) const;
  std::optional<Allocation> find_reservation(uint64_t address) const;
  bool set_sync_memops(uint64_t address, bool value);

  // True if the whole range is live memory of the driver (several adjacent mappings count as one).
  bool covers(uint64_t address, uint64_t size) const;

  // Every allocation of a context, for its destruction.
  std::vector<Allocation> of_context(const void* context) const;

 private:
  Arena();
  AddressSpace& part(int index) { return parts_[static_cast<size_t>(index + 1)]; }
  std::optional<uint64_t> take_addresses(int index, uint64_t size, uint64_t alignment);
  const Allocation* lookup(uint64_t address) const;
  void* resolve(uint64_t address, size_t bytes);

  exec::MemoryMap map_;
  uint8_t* granules_ = nullptr;
  mutable std::shared_mutex lock_;
  std::vector<AddressSpace> parts_;
  std::map<uint64_t, Allocation> live_;
  std::map<uint64_t, Allocation> reservations_;
  uint64_t next_id_ = 1;
};

inline uint64_t round_up(uint64_t value, uint64_t step) { return (value + step - 1) / step * step; }

}  // namespace simgpu

// Device memory that the session holds: what each allocation costs the partition, and which addresses it may touch.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "worker/budget.h"

namespace bitfusion::worker {

class Accounts {
 public:
  // What a range costs.
  struct Charge {
    uint32_t device;
    uint64_t size;
  };

  explicit Accounts(Budget& budget) : budget_(budget) {}

  // Takes memory from the partition before it is allocated; false: the partition has not that much left.
  bool reserve(uint32_t device, uint64_t size) { return budget_.reserve(device, size); }
  void give_back(uint32_t device, uint64_t size) { budget_.release(device, size); }
  void give_back(const Charge& charge) { give_back(charge.device, charge.size); }

  // A range of a context (State::account_of) that has been allocated from what was reserved.
  void add(uint64_t address, uint64_t size, uint32_t device, uint64_t context);
  // Whether one range of those holds all of it.
  bool contains(uint64_t address, uint64_t size) const;
  // Forgets the range that begins there; what it costs is to be given back when the driver has freed it. Nothing: none begins there.
  std::optional<Charge> take(uint64_t address);
  // The same, and gives its memory back; false: none does.
  bool remove(uint64_t address);
  // The context has gone, and its ranges with it.
  void forget(uint64_t context);

  // Memory that has a name instead of an address (cuMemCreate). It is given back when it has been released and is mapped nowhere.
  // With a context (State::account_of) it ends with that.
  void add_named(uint64_t name, uint64_t size, uint32_t device, uint64_t context = 0);
  bool release_named(uint64_t name);  // false: there is none
  // `name` is another name of the memory that is mapped there.
  void retain_named(uint64_t name, uint64_t address);
  void map(uint64_t address, uint64_t name);
  void unmap(uint64_t address, uint64_t size);

 private:
  struct Holding {
    uint64_t size;
    uint32_t device;
    uint64_t context = 0;
    uint32_t maps = 0;
    uint32_t names = 1;
  };

  uint64_t first_name(uint64_t name) const;
  void settle_named(uint64_t name);

  Budget& budget_;
  mutable std::mutex mutex_;
  std::map<uint64_t, Holding> ranges_;
  std::unordered_map<uint64_t, Holding> named_;
  std::unordered_map<uint64_t, uint64_t> aliases_;  // first name by later ones
  std::map<uint64_t, uint64_t> maps_;               // first name by address
};

}  // namespace bitfusion::worker

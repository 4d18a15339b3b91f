#include "interposer/ranges.h"

#include <sys/mman.h>

#include <cstddef>
#include <mutex>
#include <new>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

namespace bitfusion::interposer {
namespace {

bool take(uint64_t base, uint64_t size) {
  void* const wanted = reinterpret_cast<void*>(base);
  void* const got = mmap(wanted, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  if (got == wanted) return true;
  if (got != MAP_FAILED) munmap(got, size);  // a kernel that does not know the flag took it for a hint
  return false;
}

}  // namespace

Ranges& ranges() {
  alignas(Ranges) static std::byte storage[sizeof(Ranges)];
  static Ranges* const instance = new (storage) Ranges;
  return *instance;
}

bool Ranges::reserve(uint64_t base, uint64_t size) {
  if (size == 0) return true;
  std::lock_guard lock(mutex_);
  const uint64_t first = base / kBlock, last = (base + size - 1) / kBlock;
  for (uint64_t block = first; block <= last;) {
    if (blocks_.contains(block)) {
      ++block;
      continue;
    }
    uint64_t end = block + 1;
    while (end <= last && !blocks_.contains(end)) ++end;
    if (!take(block * kBlock, (end - block) * kBlock)) return false;
    for (; block < end; ++block) blocks_.insert(block);
  }
  return true;
}

void Ranges::add(Range range) {
  std::lock_guard lock(mutex_);
  range.id = next_id_++;
  ranges_[range.base] = range;
}

bool Ranges::remove(uint64_t base, bool on_device, Range* removed) {
  std::lock_guard lock(mutex_);
  auto at = ranges_.find(base);
  if (at == ranges_.end() || at->second.on_device() != on_device) return false;
  if (removed) *removed = at->second;
  ranges_.erase(at);
  return true;
}

bool Ranges::find(uint64_t address, Range* range) const {
  std::shared_lock lock(mutex_);
  auto after = ranges_.upper_bound(address);
  if (after == ranges_.begin()) return false;
  const Range& candidate = std::prev(after)->second;
  if (address - candidate.base >= candidate.size) return false;
  *range = candidate;
  return true;
}

bool Ranges::on_device(uint64_t address) const {
  Range range;
  return find(address, &range) && range.on_device();
}

void Ranges::forget_context(uint64_t context) {
  std::lock_guard lock(mutex_);
  std::erase_if(ranges_, [context](const auto& entry) { return entry.second.context == context && entry.second.on_device(); });
}

}  // namespace bitfusion::interposer

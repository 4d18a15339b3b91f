#include "simgpu/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "simgpu/state.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

namespace simgpu {

namespace {

constexpr uint64_t kFirstPlace = 0x200000000000;
constexpr uint64_t kPlaceStep = 0x040000000000;
constexpr uint64_t kLastPlace = 0x500000000000;
constexpr uint64_t kHugePage = 2ull << 20;
constexpr uint64_t kHostPartSize = 1ull << 40;
constexpr uint64_t kSpread = 4;  // addresses per byte of a GPU's memory

void* reserve_range(uint64_t size) {
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  for (uint64_t place = kFirstPlace; place <= kLastPlace; place += kPlaceStep) {
    void* wanted = reinterpret_cast<void*>(place);
    void* got = mmap(wanted, size, PROT_READ | PROT_WRITE, flags | MAP_FIXED_NOREPLACE, -1, 0);
    if (got == wanted) return got;
    if (got != MAP_FAILED) munmap(got, size);  // a kernel older than 4.17 takes the place as a hint
  }
  return mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, -1, 0);
}

uint64_t gpu_part_size(const DeviceInfo& device) { return round_up(device.memory_bytes * kSpread, 1ull << 30); }

bool overlaps(const std::map<uint64_t, Allocation>& ranges, uint64_t address, uint64_t size) {
  auto next = ranges.lower_bound(address);
  if (next != ranges.end() && next->first < address + size) return true;
  return next != ranges.begin() && (--next)->first + next->second.size > address;
}

const Allocation* range_of(const std::map<uint64_t, Allocation>& ranges, uint64_t address) {
  auto next = ranges.upper_bound(address);
  if (next == ranges.begin()) return nullptr;
  const Allocation& range = (--next)->second;
  return address - range.address < std::max<uint64_t>(range.size, 1) ? &range : nullptr;
}

}  // namespace

// --- AddressSpace -----------------------------------------------------------------------------------------------------------------------

void AddressSpace::insert(uint64_t address, uint64_t size) {
  by_address_[address] = size;
  by_size_.insert({size, address});
}

void AddressSpace::erase(std::map<uint64_t, uint64_t>::iterator place) {
  by_size_.erase({place->second, place->first});
  by_address_.erase(place);
}

void AddressSpace::add(uint64_t address, uint64_t size) {
  auto next = by_address_.lower_bound(address);
  if (next != by_address_.end() && next->first == address + size) {
    size += next->second;
    auto after = std::next(next);
    erase(next);
    next = after;
  }
  if (next != by_address_.begin()) {
    auto before = std::prev(next);
    if (before->first + before->second == address) {
      address = before->first;
      size += before->second;
      erase(before);
    }
  }
  insert(address, size);
}

void AddressSpace::carve(std::map<uint64_t, uint64_t>::iterator place, uint64_t address, uint64_t size) {
  const uint64_t begin = place->first;
  const uint64_t end = begin + place->second;
  erase(place);
  if (address > begin) insert(begin, address - begin);
  if (address + size < end) insert(address + size, end - address - size);
}

std::optional<uint64_t> AddressSpace::take(uint64_t size, uint64_t alignment) {
  for (auto candidate = by_size_.lower_bound({size, 0}); candidate != by_size_.end(); ++candidate) {
    const auto [length, begin] = *candidate;
    const uint64_t address = round_up(begin, alignment);
    if (address - begin + size > length) continue;
    carve(by_address_.find(begin), address, size);
    return address;
  }
  return std::nullopt;
}

bool AddressSpace::take_at(uint64_t address, uint64_t size) {
  auto place = by_address_.upper_bound(address);
  if (place == by_address_.begin()) return false;
  --place;
  if (address + size > place->first + place->second) return false;
  carve(place, address, size);
  return true;
}

// --- Arena ------------------------------------------------------------------------------------------------------------------------------

Arena& Arena::get() {
  static auto* arena = new Arena;
  return *arena;
}

Arena::Arena() {
  const auto& devices = machine_devices();
  uint64_t size = kHostPartSize;
  for (const DeviceInfo& device : devices) size += gpu_part_size(device);
  void* memory = reserve_range(size);
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* granules = mmap(nullptr, size >> exec::kGranuleShift, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (memory == MAP_FAILED || granules == MAP_FAILED) {
    fprintf(stderr, "simgpu: cannot reserve %llu bytes of addresses for the simulated GPUs\n", static_cast<unsigned long long>(size));
    abort();
  }
  granules_ = static_cast<uint8_t*>(granules);
  map_.base = reinterpret_cast<uint64_t>(memory);
  map_.size = size;
  map_.granules = granules_;
  map_.resolve = [this](uint64_t address, size_t bytes, bool) { return resolve(address, bytes); };
  parts_.resize(devices.size() + 1);
  uint64_t place = map_.base;
  for (const DeviceInfo& device : devices) {
    part(device.index).add(place, gpu_part_size(device));
    place += gpu_part_size(device);
  }
  part(kHostPart).add(place, kHostPartSize);
}

// Only memory outside the arena gets here with a chance: inside, the granules have the last word.
void* Arena::resolve(uint64_t address, size_t bytes) {
  if (address - map_.base < map_.size) return nullptr;
  std::shared_lock<std::shared_mutex> guard(lock_);
  const Allocation* range = range_of(live_, address);
  if (range == nullptr || range->kind != MemoryKind::kRegistered) return nullptr;
  return address + bytes <= range->address + range->size ? reinterpret_cast<void*>(address) : nullptr;
}

std::optional<uint64_t> Arena::take_addresses(int index, uint64_t size, uint64_t alignment) {
  // One granule stays free behind every piece, so that running over its end is noticed.
  return part(index).take(size + kGranule, alignment);
}

std::optional<uint64_t> Arena::allocate(Allocation wanted, bool charge) {
  const uint64_t size = round_up(std::max<uint64_t>(wanted.size, 1), kGranule);
  if (size < wanted.size) return std::nullopt;
  wanted.charged = charge && wanted.gpu >= 0 ? size : 0;
  if (wanted.charged != 0 && !SharedState::get().charge(wanted.gpu, size)) return std::nullopt;
  const bool huge = size >= kHugePage;
  std::lock_guard<std::shared_mutex> guard(lock_);
  const int place = wanted.kind == MemoryKind::kManaged ? kHostPart : wanted.gpu;
  const auto address = take_addresses(place, size, huge ? kHugePage : kGranule);
  if (!address) {
    if (wanted.charged != 0) SharedState::get().refund(wanted.gpu, wanted.charged);
    return std::nullopt;
  }
  if (huge) madvise(reinterpret_cast<void*>(*address), size, MADV_HUGEPAGE);
  memset(granules_ + ((*address - map_.base) >> exec::kGranuleShift), exec::kReadable | exec::kWritable, size >> exec::kGranuleShift);
  wanted.address = *address;
  wanted.id = next_id_++;
  live_[*address] = wanted;
  return address;
}

bool Arena::release(uint64_t address) {
  std::lock_guard<std::shared_mutex> guard(lock_);
  auto place = live_.find(address);
  if (place == live_.end() || place->second.kind == MemoryKind::kRegistered || place->second.kind == MemoryKind::kMapped) return false;
  const Allocation gone = place->second;
  const uint64_t size = round_up(std::max<uint64_t>(gone.size, 1), kGranule);
  live_.erase(place);
  memset(granules_ + ((address - map_.base) >> exec::kGranuleShift), 0, size >> exec::kGranuleShift);
  madvise(reinterpret_cast<void*>(address), size, MADV_DONTNEED);
  part(gone.kind == MemoryKind::kManaged ? kHostPart : gone.gpu).add(address, size + kGranule);
  if (gone.charged != 0) SharedState::get().refund(gone.gpu, gone.charged);
  return true;
}

std::optional<uint64_t> Arena::reserve(int index, uint64_t size, uint64_t alignment, uint64_t at) {
  std::lock_guard<std::shared_mutex> guard(lock_);
  std::optional<uint64_t> address;
  if (at != 0 && at % alignment == 0 && part(index).take_at(at, size)) address = at;
  if (!address) address = part(index).take(size, alignment);
  if (!address) return std::nullopt;
  Allocation range;
  range.address = *address;
  range.size = size;
  range.kind = MemoryKind::kReserved;
  range.gpu = index;
  range.id = next_id_++;
  reservations_[*address] = range;
  return address;
}

bool Arena::unreserve(uint64_t address, uint64_t size) {
  std::lock_guard<std::shared_mutex> guard(lock_);
  auto place = reservations_.find(address);
  if (place == reservations_.end() || place->second.size != size || overlaps(live_, address, size)) return false;
  part(place->second.gpu).add(address, size);
  reservations_.erase(place);
  return true;
}

bool Arena::add_registered(Allocation range) {
  std::lock_guard<std::shared_mutex> guard(lock_);
  if (overlaps(live_, range.address, range.size)) return false;
  range.kind = MemoryKind::kRegistered;
  range.id = next_id_++;
  live_[range.address] = range;
  return true;
}

bool Arena::remove_registered(uint64_t address) {
  std::lock_guard<std::shared_mutex> guard(lock_);
  auto place = live_.find(address);
  if (place == live_.end() || place->second.kind != MemoryKind::kRegistered) return false;
  live_.erase(place);
  return true;
}

bool Arena::add_mapped(Allocation range) {
  std::lock_guard<std::shared_mutex> guard(lock_);
  const Allocation* inside = range_of(reservations_, range.address);
  if (inside == nullptr || range.address + range.size > inside->address + inside->size) return false;
  if (overlaps(live_, range.address, range.size)) return false;
  range.kind = MemoryKind::kMapped;
  range.id = next_id_++;
  live_[range.address] = range;
  return true;
}

bool Arena::remove_mapped(uint64_t address, uint64_t size) {
  std::lock_guard<std::shared_mutex> guard(lock_);
  auto place = live_.find(address);
  if (place == live_.end() || place->second.kind != MemoryKind::kMapped || place->second.size != size) return false;
  live_.erase(place);
  memset(granules_ + ((address - map_.base) >> exec::kGranuleShift), 0, size >> exec::kGranuleShift);
  return true;
}

void Arena::set_rights(uint64_t address, uint64_t size, uint8_t rights) {
  memset(granules_ + ((address - map_.base) >> exec::kGranuleShift), rights, round_up(size, kGranule) >> exec::kGranuleShift);
}

uint8_t Arena::rights(uint64_t address) const {
  return address - map_.base < map_.size ? granules_[(address - map_.base) >> exec::kGranuleShift] : uint8_t{0};
}

void Arena::discard(uint64_t address, uint64_t size) { madvise(reinterpret_cast<void*>(address), size, MADV_DONTNEED); }

const Allocation* Arena::lookup(uint64_t address) const { return range_of(live_, address); }

std::optional<Allocation> Arena::find(uint64_t address) const {
  std::shared_lock<std::shared_mutex> guard(lock_);
  const Allocation* range = lookup(address);
  return range != nullptr ? std::optional<Allocation>(*range) : std::nullopt;
}

std::optional<Allocation> Arena::find_reservation(uint64_t address) const {
  std::shared_lock<std::shared_mutex> guard(lock_);
  const Allocation* range = range_of(reservations_, address);
  return range != nullptr ? std::optional<Allocation>(*range) : std::nullopt;
}

bool Arena::set_sync_memops(uint64_t address, bool value) {
  std::lock_guard<std::shared_mutex> guard(lock_);
  auto* range = const_cast<Allocation*>(lookup(address));
  if (range != nullptr) range->sync_memops = value;
  return range != nullptr;
}

bool Arena::covers(uint64_t address, uint64_t size) const {
  std::shared_lock<std::shared_mutex> guard(lock_);
  const uint64_t end = address + size;
  if (end < address) return false;
  while (true) {
    const Allocation* range = lookup(address);
    if (range == nullptr) return false;
    if (range->address + range->size >= end) return true;
    address = range->address + range->size;
  }
}

std::vector<Allocation> Arena::of_context(const void* context) const {
  std::shared_lock<std::shared_mutex> guard(lock_);
  std::vector<Allocation> found;
  for (const auto& [address, range] : live_) {
    if (range.context == context) found.push_back(range);
  }
  return found;
}

}  // namespace simgpu

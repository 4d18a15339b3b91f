#include "worker/handlers/accounts.h"

#include <iterator>

namespace bitfusion::worker {

void Accounts::add(uint64_t address, uint64_t size, uint32_t device, uint64_t context) {
  std::lock_guard lock(mutex_);
  ranges_[address] = {size, device, context};
}

bool Accounts::contains(uint64_t address, uint64_t size) const {
  std::lock_guard lock(mutex_);
  auto after = ranges_.upper_bound(address);
  if (after == ranges_.begin()) return false;
  const auto& [start, range] = *std::prev(after);
  return address - start <= range.size && size <= range.size - (address - start);
}

std::optional<Accounts::Charge> Accounts::take(uint64_t address) {
  std::lock_guard lock(mutex_);
  auto range = ranges_.extract(address);
  if (!range) return std::nullopt;
  return Charge{range.mapped().device, range.mapped().size};
}

bool Accounts::remove(uint64_t address) {
  const std::optional<Charge> charge = take(address);
  if (charge) give_back(*charge);
  return charge.has_value();
}

void Accounts::forget(uint64_t context) {
  std::lock_guard lock(mutex_);
  const auto gone = [&](const auto& entry) {
    if (entry.second.context != context) return false;
    budget_.release(entry.second.device, entry.second.size);
    return true;
  };
  std::erase_if(ranges_, gone);
  std::erase_if(named_, [&](const auto& entry) { return context && gone(entry); });
}

void Accounts::add_named(uint64_t name, uint64_t size, uint32_t device, uint64_t context) {
  std::lock_guard lock(mutex_);
  named_[name] = {size, device, context};
}

bool Accounts::release_named(uint64_t name) {
  std::lock_guard lock(mutex_);
  const uint64_t first = first_name(name);
  auto at = named_.find(first);
  if (at == named_.end()) return false;
  aliases_.erase(name);
  --at->second.names;
  settle_named(first);
  return true;
}

void Accounts::retain_named(uint64_t name, uint64_t address) {
  std::lock_guard lock(mutex_);
  auto mapped = maps_.upper_bound(address);
  if (mapped == maps_.begin()) return;
  const uint64_t first = std::prev(mapped)->second;
  ++named_.at(first).names;
  aliases_[name] = first;
}

uint64_t Accounts::first_name(uint64_t name) const {
  auto at = aliases_.find(name);
  return at == aliases_.end() ? name : at->second;
}

void Accounts::map(uint64_t address, uint64_t name) {
  std::lock_guard lock(mutex_);
  auto at = named_.find(first_name(name));
  if (at == named_.end()) return;
  ++at->second.maps;
  maps_[address] = at->first;
}

void Accounts::unmap(uint64_t address, uint64_t size) {
  std::lock_guard lock(mutex_);
  auto at = maps_.lower_bound(address);
  while (at != maps_.end() && at->first - address < size) {
    const uint64_t name = at->second;
    at = maps_.erase(at);
    --named_.at(name).maps;
    settle_named(name);
  }
}

void Accounts::settle_named(uint64_t name) {
  auto at = named_.find(name);
  if (at->second.names || at->second.maps) return;
  budget_.release(at->second.device, at->second.size);
  named_.erase(at);
}

}  // namespace bitfusion::worker

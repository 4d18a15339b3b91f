#include "simgpu/managed.h"

#include <map>
#include <mutex>

#include "simgpu/arena.h"

namespace simgpu {

namespace {

std::mutex g_lock;

// Advice holds from its key up to the next one; what begins before the first key has none.
std::map<uint64_t, Advice>& table() {
  static auto* made = new std::map<uint64_t, Advice>{{0, {}}};
  return *made;
}

// Makes a piece begin at the address.
std::map<uint64_t, Advice>::iterator split(uint64_t address) {
  const auto next = table().upper_bound(address);
  const auto holds = std::prev(next);
  return holds->first == address ? holds : table().emplace_hint(next, address, holds->second);
}

struct Pages {
  uint64_t first, end;
};
Pages pages_of(uint64_t address, uint64_t size) { return {address / kGranule * kGranule, round_up(address + size, kGranule)}; }

}  // namespace

void change_advice(uint64_t address, uint64_t size, const std::function<void(Advice*)>& change) {
  const Pages pages = pages_of(address, size);
  std::lock_guard<std::mutex> guard(g_lock);
  const auto end = split(pages.end);
  for (auto piece = split(pages.first); piece != end; ++piece) change(&piece->second);
}

std::vector<Advice> advice_for(uint64_t address, uint64_t size) {
  const Pages pages = pages_of(address, size);
  std::lock_guard<std::mutex> guard(g_lock);
  std::vector<Advice> found;
  for (auto piece = std::prev(table().upper_bound(pages.first)); piece != table().end() && piece->first < pages.end; ++piece) {
    found.push_back(piece->second);
  }
  return found;
}

void forget_advice(uint64_t address, uint64_t size) {
  const Pages pages = pages_of(address, size);
  std::lock_guard<std::mutex> guard(g_lock);
  const auto end = split(pages.end);
  const auto first = split(pages.first);
  first->second = {};
  table().erase(std::next(first), end);
}

}  // namespace simgpu

#include "interposer/coherent.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "bitfusion/zero_pages.h"
#include "calls/remote.h"
#include "interposer/check.h"
#include "transport/pace.h"

namespace bitfusion::interposer {
namespace {

constexpr size_t kPage = 4096;  // what is compared as a whole

std::mutex mutex;
std::set<uint64_t> busy;  // streams that got work since they were last waited for

uint64_t page_down(uint64_t address) { return address & ~uint64_t{kPage - 1}; }
uint64_t page_up(uint64_t address) { return page_down(address + kPage - 1); }

}  // namespace

struct Coherent::Range {
  uint64_t base, size, server;
  ZeroPages shadow;           // what the server has
  std::set<uint64_t> unsent;  // pages that it has not got although the shadow has: their copy failed

  std::byte* memory() const { return reinterpret_cast<std::byte*>(base); }
  bool differs(uint64_t offset) const {
    return unsent.contains(offset) || std::memcmp(memory() + offset, shadow.data() + offset, std::min<uint64_t>(kPage, size - offset)) != 0;
  }
};

namespace {

std::map<uint64_t, std::unique_ptr<Coherent::Range>>& all() {
  static auto* const ranges = new std::map<uint64_t, std::unique_ptr<Coherent::Range>>;
  return *ranges;
}

// The application may write while this sends, so what is sent is what the shadow has taken.
CUresult send_run(const Caller& at, uint64_t stream, Coherent::Range& range, uint64_t begin, uint64_t end) {
  std::byte* const bytes = range.shadow.data() + begin;
  std::memcpy(bytes, range.memory() + begin, end - begin);
  const uint32_t status = at.link->copy_in(at.context, stream, range.server + begin, bytes, end - begin, transport::CopyMode::kPageable);
  if (status == CUDA_SUCCESS) {
    range.unsent.erase(range.unsent.lower_bound(begin), range.unsent.lower_bound(end));
  } else {
    for (uint64_t page = begin; page < end; page += kPage) range.unsent.insert(page);
  }
  return static_cast<CUresult>(status);
}

// Sends runs of pages that differ from what the server has.
CUresult send(const Caller& at, uint64_t stream, Coherent::Range& range) {
  for (uint64_t begin = 0; begin < range.size;) {
    if (!range.differs(begin)) {
      begin += kPage;
      continue;
    }
    uint64_t end = begin + kPage;
    while (end < range.size && range.differs(end)) end += kPage;
    end = std::min(end, range.size);
    if (CUresult error = send_run(at, stream, range, begin, end)) return error;
    begin = end;
  }
  return CUDA_SUCCESS;
}

}  // namespace

Coherent& coherent() {
  static Coherent instance;
  return instance;
}

CUresult Coherent::add(uint64_t base, uint64_t size, uint64_t server) {
  auto range = std::make_unique<Range>();
  *range = {base, size, server, ZeroPages(size), {}};
  if (!range->shadow.data()) return CUDA_ERROR_OUT_OF_MEMORY;
  std::lock_guard lock(mutex);
  all()[base] = std::move(range);
  any_.store(true, std::memory_order_release);
  return CUDA_SUCCESS;
}

void Coherent::remove(uint64_t base) {
  std::lock_guard lock(mutex);
  all().erase(base);
  any_.store(!all().empty(), std::memory_order_release);
}

CUresult Coherent::send_all(const Caller& at, uint64_t stream) {
  std::lock_guard lock(mutex);
  const transport::Pace::Hold no_mark;  // a thread that is far ahead stops alone, not with the lock
  for (auto& [base, range] : all()) {
    if (CUresult error = send(at, stream, *range)) return error;
  }
  busy.insert(stream);
  return CUDA_SUCCESS;
}

CUresult Coherent::after_wait(const Caller& at, uint64_t stream) {
  std::lock_guard lock(mutex);
  if (busy.empty()) return CUDA_SUCCESS;
  for (auto& [base, range] : all()) {
    if (CUresult error = fetch(at, *range)) return error;
  }
  if (stream == kEveryStream)
    busy.clear();
  else
    busy.erase(stream);
  return CUDA_SUCCESS;
}

// What the server's copy has that it did not have when it was last asked. The application's own changes since then stay: it must not
// write to what kernels write.
CUresult Coherent::fetch(const Caller& at, Range& range) {
  for (uint64_t next = 0; next < range.size;) {
    transport::Reply reply;
    if (CUresult error = remote::MemoryChanged(at, range.server, range.size, next, reply)) return error;
    wire::Reader in = reply.in();
    next = in.get<uint64_t>();
    while (in.left() >= sizeof(uint64_t)) {
      const auto offset = in.get<uint64_t>();
      const auto bytes = in.blob();
      if (!in.ok() || offset > range.size || bytes.size() > range.size - offset) return CUDA_ERROR_DEVICE_UNAVAILABLE;
      std::memcpy(range.memory() + offset, bytes.data(), bytes.size());
      std::memcpy(range.shadow.data() + offset, bytes.data(), bytes.size());
    }
  }
  return CUDA_SUCCESS;
}

bool open_memory(uint64_t base, uint64_t size) {
  const uint64_t first = page_down(base), last = page_up(base + size);
  return mprotect(reinterpret_cast<void*>(first), last - first, PROT_READ | PROT_WRITE) == 0;
}

// Pages at the ends may be shared with a neighbour.
void close_memory(uint64_t base, uint64_t size) {
  const uint64_t first = page_up(base), last = page_down(base + size);
  if (first >= last) return;
  madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
  mprotect(reinterpret_cast<void*>(first), last - first, PROT_NONE);
}

}  // namespace bitfusion::interposer

// Which copies may fill the incoming staging. The client may send some chunks of any copy ahead; the rest of the staging is a reserve for
// copies that nothing stands before on their streams, so that copies which wait (for an event, for a host function) never keep out the
// bytes of those they wait for.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "worker/staging.h"

namespace bitfusion::worker {

class Credit {
 public:
  static constexpr uint32_t kReserve = Staging::kChunks - wire::kFirstCredit;

  // Where the room of a chunk comes from, and goes back to.
  enum class Source : uint8_t { kNone, kAny, kReserve };

  // A chunk of the transfer has come; kNone: the client was not allowed to send it.
  Source spend(uint32_t transfer) {
    if (auto granted = granted_.find(transfer); granted != granted_.end()) {
      if (--granted->second == 0) granted_.erase(granted);
      return Source::kReserve;
    }
    if (any_ == 0) return Source::kNone;
    --any_;
    return Source::kAny;
  }

  // The chunk's room is free again. True: the client is to be told that it may send another chunk of any copy.
  bool give_back(Source source) {
    if (source == Source::kReserve) ++reserve_;
    if (source == Source::kAny) ++any_;
    return source == Source::kAny;
  }

  // The client has sent all that it may send of any copy.
  bool is_spent() const { return any_ == 0; }
  bool has_reserve() const { return reserve_ > 0; }

  // Takes room for chunks of one transfer, of which `left` are still to come, from the reserve; the client is to be told of so many.
  uint32_t grant(uint32_t transfer, uint64_t left) {
    uint64_t wanted = left < kShare ? left : kShare;
    auto granted = granted_.find(transfer);
    uint64_t has = granted == granted_.end() ? 0 : granted->second;
    if (has >= wanted || reserve_ == 0) return 0;
    auto more = static_cast<uint32_t>(wanted - has < reserve_ ? wanted - has : reserve_);
    granted_[transfer] += more;
    reserve_ -= more;
    return more;
  }

 private:
  static constexpr uint64_t kShare = kReserve / 2;  // others may be at the heads of their streams too

  uint32_t any_ = wire::kFirstCredit;
  uint32_t reserve_ = kReserve;
  std::unordered_map<uint32_t, uint32_t> granted_;  // chunks by transfer
};

}  // namespace bitfusion::worker

// Cuts the byte stream of a client into frames and refuses what is not one. Everything it reads may be hostile.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "wire/frame.h"
#include "worker/executor.h"

namespace bitfusion::worker {

struct FrameView {
  wire::FrameHeader header;
  std::span<const std::byte> payload;
};

class FrameSplitter {
 public:
  // Where the next bytes go; filled() says how many came. Views from next() end with the next room().
  std::span<std::byte> room();
  void filled(size_t size) { end_ += size; }

  // The next whole frame; false when there is none yet. Throws BadFrame.
  bool next(FrameView* frame);

 private:
  void check(const wire::FrameHeader& header) const;

  static constexpr size_t kCapacity = 2 * size_t{wire::kMaxFrame};
  static constexpr size_t kRead = 256 * 1024;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(kCapacity);
  size_t begin_ = 0;
  size_t end_ = 0;
  uint64_t last_sequence_ = 0;
};

}  // namespace bitfusion::worker

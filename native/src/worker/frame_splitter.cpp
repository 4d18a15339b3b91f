#include "worker/frame_splitter.h"

#include <algorithm>
#include <cstring>

namespace bitfusion::worker {

std::span<std::byte> FrameSplitter::room() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  return {buffer_.data() + end_, std::min(kRead, kCapacity - end_)};
}

bool FrameSplitter::next(FrameView* frame) {
  if (end_ - begin_ < sizeof(wire::FrameHeader)) return false;
  std::memcpy(&frame->header, buffer_.data() + begin_, sizeof(wire::FrameHeader));
  check(frame->header);
  if (end_ - begin_ < frame->header.size) return false;
  frame->payload = {buffer_.data() + begin_ + sizeof(wire::FrameHeader), frame->header.size - sizeof(wire::FrameHeader)};
  begin_ += frame->header.size;
  last_sequence_ = frame->header.sequence;
  return true;
}

void FrameSplitter::check(const wire::FrameHeader& header) const {
  if (header.size < sizeof(header) || header.size > wire::kMaxFrame || header.size % wire::kFrameAlignment)
    throw BadFrame{"a frame of " + std::to_string(header.size) + " bytes"};
  if (header.sequence != last_sequence_ + 1)
    throw BadFrame{"frame " + std::to_string(header.sequence) + " after frame " + std::to_string(last_sequence_)};
  if (header.thread == 0) throw BadFrame{"a frame of no thread"};
  bool has_bulk = header.flags & wire::kHasBulk;
  if ((header.flags & ~(wire::kWantsReply | wire::kHasBulk)) || has_bulk != (header.bulk != 0))
    throw BadFrame{"frame flags " + std::to_string(header.flags) + " with transfer " + std::to_string(header.bulk)};
}

}  // namespace bitfusion::worker

// What the worker's first reader does with bytes that are not frames: every mutation of a good stream is either the same frames or a
// BadFrame, never anything else. Built with the undefined-behaviour checks trapping.
#include <cstring>
#include <random>
#include <vector>

#include "check.h"
#include "worker/frame_splitter.h"

namespace {

using bitfusion::wire::FrameHeader;
using bitfusion::worker::BadFrame;
using bitfusion::worker::FrameSplitter;
using bitfusion::worker::FrameView;
using Bytes = std::vector<std::byte>;

constexpr uint32_t kMaxFrame = bitfusion::wire::kMaxFrame;

void append(Bytes& stream, FrameHeader header) {
  size_t at = stream.size();
  stream.resize(at + header.size);
  std::memcpy(stream.data() + at, &header, sizeof(header));
}

Bytes good_stream(std::mt19937& random, int frames) {
  Bytes stream;
  for (int i = 1; i <= frames; ++i) {
    uint32_t size = static_cast<uint32_t>(sizeof(FrameHeader) + random() % 64 * 8);
    append(stream, {size, static_cast<uint16_t>(random() % 700), 0, static_cast<uint64_t>(i), 1, 1, 0});
  }
  return stream;
}

// Feeds the stream in pieces; the number of frames it made.
int split(const Bytes& stream, std::mt19937& random) {
  FrameSplitter splitter;
  FrameView frame;
  int frames = 0;
  size_t at = 0;
  while (at < stream.size()) {
    auto room = splitter.room();
    CHECK(!room.empty());
    size_t piece = std::min<size_t>({room.size(), stream.size() - at, 1 + random() % 500});
    std::memcpy(room.data(), stream.data() + at, piece);
    splitter.filled(piece);
    at += piece;
    while (splitter.next(&frame)) {
      CHECK(frame.payload.size() == frame.header.size - sizeof(FrameHeader));
      ++frames;
    }
  }
  return frames;
}

bool is_refused(const Bytes& stream) {
  std::mt19937 random(1);
  try {
    split(stream, random);
    return false;
  } catch (const BadFrame& bad) {
    CHECK(!bad.reason.empty());
    return true;
  }
}

void pieces_of_any_size_make_the_same_frames() {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    Bytes stream = good_stream(random, 100);
    CHECK(split(stream, random) == 100);
  }
}

void mutated_streams_are_refused_or_understood() {
  std::mt19937 random(11);
  for (int round = 0; round < 20'000; ++round) {
    Bytes stream = good_stream(random, 8);
    for (uint32_t i = 0; i <= random() % 4; ++i) stream[random() % stream.size()] = static_cast<std::byte>(random());
    if (random() % 4 == 0) stream.resize(random() % stream.size());
    is_refused(stream);
  }
}

Bytes one(FrameHeader header) {
  Bytes stream(sizeof(header));
  std::memcpy(stream.data(), &header, sizeof(header));
  return stream;
}

void each_rule_of_the_header_is_held() {
  CHECK(!is_refused(one({32, 1, 0, 1, 0, 1, 0})));
  CHECK(is_refused(one({31, 1, 0, 1, 0, 1, 0})));
  CHECK(is_refused(one({0, 1, 0, 1, 0, 1, 0})));
  CHECK(is_refused(one({36, 1, 0, 1, 0, 1, 0})));
  CHECK(is_refused(one({kMaxFrame + 8, 1, 0, 1, 0, 1, 0})));
  CHECK(is_refused(one({32, 1, 0, 2, 0, 1, 0})));
  CHECK(is_refused(one({32, 1, 0, 1, 0, 0, 0})));
  CHECK(is_refused(one({32, 1, 4, 1, 0, 1, 0})));
  CHECK(is_refused(one({32, 1, 2, 1, 0, 1, 0})));
  CHECK(is_refused(one({32, 1, 0, 1, 0, 1, 9})));
}

void a_reader_never_leaves_its_bytes() {
  std::byte bytes[16] = {};
  bitfusion::wire::Reader reader(bytes, sizeof(bytes));
  reader.get<uint64_t>();
  CHECK(reader.ok() && reader.left() == 8);
  CHECK(reader.bytes(9).empty() && !reader.ok());
  CHECK(reader.get<uint32_t>() == 0 && reader.bytes(0).empty());
  std::memset(bytes, 0xFF, 4);
  bitfusion::wire::Reader huge(bytes, sizeof(bytes));
  CHECK(huge.blob().empty() && !huge.ok());
}

const TestCase kCases[] = {
    {"pieces of any size make the same frames", pieces_of_any_size_make_the_same_frames},
    {"mutated streams are refused or understood", mutated_streams_are_refused_or_understood},
    {"each rule of the header is held", each_rule_of_the_header_is_held},
    {"a reader never leaves its bytes", a_reader_never_leaves_its_bytes},
};

}  // namespace

int main() { return run_tests(kCases); }

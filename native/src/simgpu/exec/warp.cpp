#include "simgpu/exec/warp.h"

#include <bit>
#include <cmath>

#include "simgpu/exec/block.h"
#include "simgpu/exec/matrix.h"

namespace simgpu::exec {
namespace {

constexpr uint64_t kTrue = uint64_t{1} << 32;  // the predicate result lies above the value

// Modes of shfl as native/ptx/ops_warp.py numbers them.
enum Shuffle : uint32_t { kUp, kDown, kButterfly, kIndex };

void shuffle(Fiber* lanes, uint32_t members) {
  for (uint32_t left = members; left; left &= left - 1) {
    const unsigned lane = std::countr_zero(left);
    Fiber& fiber = lanes[lane];
    const uint32_t by = fiber.operands[0] & 31, clamp = fiber.operands[1] & 31, segment = fiber.operands[1] >> 8 & 31;
    const uint32_t last = (lane & segment) | (clamp & ~segment), first = lane & segment;
    uint32_t source = lane;
    bool inside = true;
    switch (fiber.mode) {
      case kUp:
        inside = static_cast<int32_t>(lane - by) >= static_cast<int32_t>(last), source = lane - by;
        break;
      case kDown:
        source = lane + by, inside = source <= last;
        break;
      case kButterfly:
        source = lane ^ by, inside = source <= last;
        break;
      default:
        source = first | (by & ~segment), inside = source <= last;
        break;
    }
    if (!inside) source = lane;
    const bool present = members >> source & 1;
    fiber.result = (lanes[present ? source : lane].value & 0xFFFFFFFF) | (inside ? kTrue : 0);
  }
}

enum Vote : uint32_t { kAll, kAny, kUniform, kBallot };

void vote(Fiber* lanes, uint32_t members) {
  uint32_t ballot = 0;
  for (uint32_t left = members; left; left &= left - 1) {
    const unsigned lane = std::countr_zero(left);
    if (lanes[lane].value) ballot |= 1u << lane;
  }
  for (uint32_t left = members; left; left &= left - 1) {
    Fiber& fiber = lanes[std::countr_zero(left)];
    switch (fiber.mode) {
      case kAll:
        fiber.result = ballot == members;
        break;
      case kAny:
        fiber.result = ballot != 0;
        break;
      case kUniform:
        fiber.result = ballot == members || ballot == 0;
        break;
      default:
        fiber.result = ballot;
        break;
    }
  }
}

void match(Fiber* lanes, uint32_t members) {
  for (uint32_t left = members; left; left &= left - 1) {
    Fiber& fiber = lanes[std::countr_zero(left)];
    uint32_t same = 0;
    for (uint32_t others = members; others; others &= others - 1) {
      const unsigned other = std::countr_zero(others);
      if (lanes[other].value == fiber.value) same |= 1u << other;
    }
    const bool all = same == members;
    fiber.result = fiber.mode == 0 ? same : (all ? members | kTrue : 0);
  }
}

float as_float(uint64_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits)); }

// Codes from 8 up: bit 0 max, bit 1 absolute value, bit 2 NaN wins.
uint32_t reduce_floats(uint32_t code, uint32_t a, uint32_t b) {
  const bool max = code & 1, absolute = code & 2, nan_wins = code & 4;
  const float x = absolute ? std::fabs(as_float(a)) : as_float(a), y = absolute ? std::fabs(as_float(b)) : as_float(b);
  if (std::isnan(x) || std::isnan(y)) {
    if (nan_wins || (std::isnan(x) && std::isnan(y))) return 0x7FFFFFFF;
    return std::bit_cast<uint32_t>(std::isnan(x) ? y : x);
  }
  return std::bit_cast<uint32_t>(max == (x < y) ? y : x);
}

uint32_t reduce_two(uint32_t code, uint32_t a, uint32_t b) {
  const auto sa = static_cast<int32_t>(a), sb = static_cast<int32_t>(b);
  switch (code) {
    case 0:
      return a + b;
    case 1:
      return a < b ? a : b;
    case 2:
      return sa < sb ? a : b;
    case 3:
      return a > b ? a : b;
    case 4:
      return sa > sb ? a : b;
    case 5:
      return a & b;
    case 6:
      return a | b;
    case 7:
      return a ^ b;
    default:
      return reduce_floats(code, a, b);
  }
}

void reduce(Fiber* lanes, uint32_t members) {
  const Fiber& first = lanes[std::countr_zero(members)];
  auto total = static_cast<uint32_t>(first.value);
  if (first.mode >= 8) total = reduce_floats(first.mode, total, total);
  for (uint32_t left = members & (members - 1); left; left &= left - 1) {
    total = reduce_two(first.mode, total, static_cast<uint32_t>(lanes[std::countr_zero(left)].value));
  }
  for (uint32_t left = members; left; left &= left - 1) lanes[std::countr_zero(left)].result = total;
}

void elect(Fiber* lanes, uint32_t members) {
  const auto leader = static_cast<uint32_t>(std::countr_zero(members));
  for (uint32_t left = members; left; left &= left - 1) {
    const auto lane = static_cast<uint32_t>(std::countr_zero(left));
    lanes[lane].result = leader | (lane == leader ? kTrue : 0);
  }
}

// Every lane gets what all have; the buffer's address came in two halves.
void gather(Fiber* lanes, uint32_t members) {
  for (uint32_t left = members; left; left &= left - 1) {
    const Fiber& fiber = lanes[std::countr_zero(left)];
    auto* all = reinterpret_cast<uint64_t*>(fiber.operands[0] | uint64_t{fiber.operands[1]} << 32);
    for (unsigned lane = 0; lane < kWarpSize; ++lane) all[lane] = members >> lane & 1 ? lanes[lane].value : 0;
  }
}

void multiply(Fiber* lanes, uint32_t members) {
  uint8_t* fragments[kWarpSize] = {};
  for (uint32_t left = members; left; left &= left - 1) {
    const unsigned lane = std::countr_zero(left);
    fragments[lane] = reinterpret_cast<uint8_t*>(lanes[lane].value);
  }
  multiply_matrices(fragments);
}

}  // namespace

void exchange_values(Fiber* lanes, uint32_t members) {
  switch (lanes[std::countr_zero(members)].exchange) {
    case Exchange::kShuffle:
      return shuffle(lanes, members);
    case Exchange::kVote:
      return vote(lanes, members);
    case Exchange::kMatch:
      return match(lanes, members);
    case Exchange::kReduce:
      return reduce(lanes, members);
    case Exchange::kElect:
      return elect(lanes, members);
    case Exchange::kGather:
      return gather(lanes, members);
    case Exchange::kMatrix:
      return multiply(lanes, members);
    default:
      return;  // a plain warp barrier has no values
  }
}

}  // namespace simgpu::exec

// Helpers of matrix instructions: fragments in memory, and the exchange between lanes.
#include <cstring>

#include "simgpu/exec/helpers.h"
#include "simgpu/exec/matrix.h"
#include "simgpu/exec/thread.h"

using namespace simgpu::exec;

namespace {

constexpr uint32_t kWholeWarp = ~0u;

uint32_t lane_of(const ThreadContext* thread) { return thread->linear_tid % kWarpSize; }

// The addresses of rows in a buffer of simgpu_gather; row r of matrix m is lane 8m + r's.
uint64_t element_address(const uint64_t* rows, uint32_t matrix, uint32_t row, uint32_t column) {
  return rows[8 * matrix + row] + 2 * column;
}

}  // namespace

extern "C" {

uint32_t simgpu_lane(ThreadContext* thread) { return lane_of(thread); }

void simgpu_gather(ThreadContext* thread, uint64_t value, uint64_t* all) {
  const auto buffer = reinterpret_cast<uint64_t>(all);
  fiber_of(thread)->block->exchange(fiber_of(thread), Exchange::kGather, 0, kWholeWarp, value, static_cast<uint32_t>(buffer),
                                    static_cast<uint32_t>(buffer >> 32));
}

void simgpu_matrix(ThreadContext* thread, uint8_t* fragments) {
  fiber_of(thread)->block->exchange(fiber_of(thread), Exchange::kMatrix, 0, kWholeWarp, reinterpret_cast<uint64_t>(fragments), 0, 0);
}

// Bits of `shape`: rows 0-7, columns 8-15, element bytes 16-19, elements of the lane 20-29, by column 30.
void simgpu_fragment(ThreadContext* thread, uint64_t address, uint32_t stride, uint32_t shape, uint8_t* registers, uint32_t store) {
  const FragmentShape fragment{shape & 255, shape >> 8 & 255, stride, shape >> 16 & 15, shape >> 20 & 1023, (shape >> 30 & 1) != 0};
  const uint32_t bytes = fragment.element_bytes;
  for (uint32_t e = 0; e < fragment.count; ++e) {
    uint8_t* place = require(thread, address + fragment_offset(fragment, lane_of(thread), e), bytes, store != 0);
    if (store) {
      std::memcpy(place, registers + e * bytes, bytes);
    } else {
      std::memcpy(registers + e * bytes, place, bytes);
    }
  }
}

// Bits of `mode`: load 0, transposed 1, number of matrices 2-4.
void simgpu_matrix_rows(ThreadContext* thread, const uint64_t* rows, uint8_t* registers, uint32_t mode) {
  const uint32_t lane = lane_of(thread), count = mode >> 2;
  const bool load = mode & 1, transposed = mode >> 1 & 1;
  for (uint32_t i = 0; i < 2 * count; ++i) {
    const uint32_t row = lane / 4, column = lane % 4 * 2 + i % 2;
    const uint64_t address = transposed ? element_address(rows, i / 2, column, row) : element_address(rows, i / 2, row, column);
    uint8_t* place = require(thread, address, 2, !load);
    if (load) {
      std::memcpy(registers + 2 * i, place, 2);
    } else {
      std::memcpy(place, registers + 2 * i, 2);
    }
  }
}

uint32_t simgpu_transposed(ThreadContext* thread, const uint64_t* values) {
  const uint32_t lane = lane_of(thread);
  uint32_t result = 0;
  for (uint32_t i = 0; i < 2; ++i) {
    const uint32_t row = lane % 4 * 2 + i, column = lane / 4;
    const uint64_t element = values[row * 4 + column / 2] >> (column % 2 * 16) & 0xFFFF;
    result |= static_cast<uint32_t>(element) << 16 * i;
  }
  return result;
}

}  // extern "C"

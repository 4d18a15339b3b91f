// Device memory that has just been allocated on the server, put into the client's books.
#pragma once

#include <cstdint>

#include "interposer/caller.h"
#include "interposer/ranges.h"

namespace bitfusion::interposer {

// Calls `allocate(uint64_t* address)` until the server names a range that is free in this process too, and keeps the range free.
// Ranges that were not are given back with `release(address)`.
template <typename Allocate, typename Release>
CUresult allocate_visible(uint64_t size, Allocate allocate, Release release, uint64_t* address) {
  constexpr int kTries = 16;
  uint64_t taken[kTries];
  int tries = 0;
  CUresult status = CUDA_ERROR_OUT_OF_MEMORY;
  while (tries < kTries) {
    status = allocate(address);
    if (status != CUDA_SUCCESS || ranges().reserve(*address, size)) break;
    taken[tries++] = *address;
    status = CUDA_ERROR_OUT_OF_MEMORY;
  }
  while (tries > 0) release(taken[--tries]);
  return status;
}

}  // namespace bitfusion::interposer

// Matrix products of a warp (mma.sync and wmma.mma): the fragments of all lanes come together here.
#pragma once

#include <cstdint>

namespace simgpu::exec {

// As native/ptx/ops_matrix.py numbers them.
enum class Element : uint8_t { kF16, kBf16, kTf32, kF32, kF64, kS8, kU8, kS4, kU4, kB1, kS32, kE4m3, kE5m2 };
enum class Product : uint8_t { kMultiply, kXor, kAnd };

inline constexpr uint8_t kLinear = 1;    // fragments as wmma.load lays them out; else as the PTX ISA does for mma.sync
inline constexpr uint8_t kSaturate = 2;  // integer sums

// What compiled code lays before a lane's registers; those of A, B and C follow, then comes room for those of D.
struct MatrixHeader {
  uint16_t m, n, k;
  Element a, b, c, d;
  uint8_t words_a, words_b, words_c, words_d;  // 32-bit registers of a lane
  uint8_t flags;
  Product product;
};
static_assert(sizeof(MatrixHeader) == 16);

inline constexpr unsigned kLanes = 32;

// Computes D in every lane's buffer; a lane that is not there has a null pointer and counts as zeros.
void multiply_matrices(uint8_t* const (&lanes)[kLanes]);

// Part of a matrix in memory that a lane's fragment holds: element e of the lane is number (lane * count + e) of the matrix, row by row.
struct FragmentShape {
  uint32_t rows, columns;
  uint32_t stride;  // elements between rows, or columns
  uint32_t element_bytes;
  uint32_t count;  // elements of a lane
  bool by_column;
};
uint64_t fragment_offset(const FragmentShape& shape, uint32_t lane, uint32_t element);

}  // namespace simgpu::exec

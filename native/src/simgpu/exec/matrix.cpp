#include "simgpu/exec/matrix.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "simgpu/exec/half.h"

extern "C" uint16_t simgpu_from_f8(uint8_t bits, uint32_t format);
extern "C" uint16_t simgpu_round_f16(double value, uint32_t mode);
extern "C" uint16_t simgpu_round_bf16(double value, uint32_t mode);

namespace simgpu::exec {
namespace {

unsigned bits_of(Element type) {
  constexpr unsigned kBits[] = {16, 16, 32, 32, 64, 8, 8, 4, 4, 1, 32, 8, 8};
  return kBits[static_cast<int>(type)];
}

template <typename T>
T load(const uint8_t* place) {
  T value;
  std::memcpy(&value, place, sizeof(value));
  return value;
}

// Element number `index` of packed registers.
double element_value(Element type, const uint8_t* registers, unsigned index) {
  switch (type) {
    case Element::kF16:
      return half_value(load<uint16_t>(registers + 2 * index));
    case Element::kBf16:
      return std::bit_cast<float>(uint32_t{load<uint16_t>(registers + 2 * index)} << 16);
    case Element::kTf32:
      return std::bit_cast<float>(load<uint32_t>(registers + 4 * index) & 0xFFFFE000u);  // the hardware looks at 19 bits
    case Element::kF32:
      return load<float>(registers + 4 * index);
    case Element::kF64:
      return load<double>(registers + 8 * index);
    case Element::kS8:
      return static_cast<int8_t>(registers[index]);
    case Element::kU8:
      return registers[index];
    case Element::kS4:
      return static_cast<int8_t>(registers[index / 2] << (index % 2 ? 0 : 4)) >> 4;
    case Element::kU4:
      return registers[index / 2] >> (index % 2 * 4) & 15;
    case Element::kB1:
      return registers[index / 8] >> index % 8 & 1;
    case Element::kS32:
      return load<int32_t>(registers + 4 * index);
    case Element::kE4m3:
      return half_value(simgpu_from_f8(registers[index], 0));
    case Element::kE5m2:
      return half_value(simgpu_from_f8(registers[index], 1));
  }
  return 0;
}

template <typename T>
void put(uint8_t* place, T value) {
  std::memcpy(place, &value, sizeof(value));
}

// Integers wrap, unless they saturate.
uint32_t integer_bits(double value, bool saturate) {
  if (saturate) value = std::clamp(value, -2147483648.0, 2147483647.0);
  return static_cast<uint32_t>(static_cast<int64_t>(value));
}

// Only accumulators are written.
void store_value(Element type, uint8_t* registers, unsigned index, double value, bool saturate) {
  switch (type) {
    case Element::kF16:
      return put(registers + 2 * index, simgpu_round_f16(value, 0));
    case Element::kBf16:
      return put(registers + 2 * index, simgpu_round_bf16(value, 0));
    case Element::kF64:
      return put(registers + 8 * index, value);
    case Element::kS32:
      return put(registers + 4 * index, integer_bits(value, saturate));
    default:
      return put(registers + 4 * index, static_cast<float>(value));
  }
}

struct Position {
  unsigned row, column;
};

enum class Role { kA, kB, kAccumulator };

// Where element e of a lane's fragment stands in its matrix (PTX ISA, "Matrix Fragments for mma"; one formula fits all dense shapes: a lane
// holds `per` neighbouring elements per register, registers follow by rows of eight and then by groups of four lanes).
Position tensor_position(Role role, unsigned rows, unsigned bits, unsigned lane, unsigned e) {
  const unsigned group = lane / 4, within = lane % 4;
  if (role == Role::kAccumulator) return {group + (rows == 16 ? 8 * (e / 2) : 0), within * 2 + e % 2};
  const unsigned per = bits >= 32 ? 1 : 32 / bits, word = e / per, i = e % per;
  if (role == Role::kB) return {within * per + i + 4 * per * word, group};
  if (rows == 16) return {group + 8 * (word % 2), within * per + i + 4 * per * (word / 2)};
  return {group, within * per + i + 4 * per * word};
}

class Warp {
 public:
  explicit Warp(uint8_t* const (&lanes)[kLanes]) : lanes_(lanes) {
    for (uint8_t* lane : lanes) {
      if (lane) std::memcpy(&header_, lane, sizeof(header_));
    }
  }

  void run() {
    const std::vector<double> a = collect(Role::kA), b = collect(Role::kB);
    std::vector<double> sums = collect(Role::kAccumulator);
    for (unsigned row = 0; row < header_.m; ++row) {
      for (unsigned column = 0; column < header_.n; ++column) {
        double* sum = &sums[row * header_.n + column];
        for (unsigned k = 0; k < header_.k; ++k) *sum = add_product(*sum, a[row * header_.k + k], b[k * header_.n + column]);
      }
    }
    spread(sums);
  }

 private:
  struct Part {
    Element type;
    unsigned rows, columns, words;
    size_t offset;  // in a lane's buffer
  };

  Part part(Role role, bool result) const {
    const size_t a = sizeof(MatrixHeader), b = a + 4u * header_.words_a, c = b + 4u * header_.words_b, d = c + 4u * header_.words_c;
    if (role == Role::kA) return {header_.a, header_.m, header_.k, header_.words_a, a};
    if (role == Role::kB) return {header_.b, header_.k, header_.n, header_.words_b, b};
    return result ? Part{header_.d, header_.m, header_.n, header_.words_d, d} : Part{header_.c, header_.m, header_.n, header_.words_c, c};
  }

  // The element's number in its matrix, row by row.
  unsigned place(Role role, const Part& part, unsigned lane, unsigned e, unsigned count) const {
    if ((header_.flags & kLinear) != 0) return (lane * count + e) % (part.rows * part.columns);
    const Position at = tensor_position(role, header_.m, bits_of(part.type), lane, e);
    return at.row * part.columns + at.column;
  }

  std::vector<double> collect(Role role) const {
    const Part from = part(role, false);
    const unsigned count = from.words * 32 / bits_of(from.type);
    std::vector<double> matrix(from.rows * from.columns);
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      if (!lanes_[lane]) continue;
      for (unsigned e = 0; e < count; ++e) {
        matrix[place(role, from, lane, e, count)] = element_value(from.type, lanes_[lane] + from.offset, e);
      }
    }
    return matrix;
  }

  void spread(const std::vector<double>& sums) const {
    const Part to = part(Role::kAccumulator, true);
    const unsigned count = to.words * 32 / bits_of(to.type);
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      if (!lanes_[lane]) continue;
      for (unsigned e = 0; e < count; ++e) {
        store_value(to.type, lanes_[lane] + to.offset, e, sums[place(Role::kAccumulator, to, lane, e, count)],
                    (header_.flags & kSaturate) != 0);
      }
    }
  }

  double add_product(double sum, double a, double b) const {
    switch (header_.product) {
      case Product::kXor:
        return sum + (a != b);
      case Product::kAnd:
        return sum + (a != 0 && b != 0);
      case Product::kMultiply:
        break;
    }
    return header_.a == Element::kF64 ? std::fma(a, b, sum) : sum + a * b;
  }

  uint8_t* const (&lanes_)[kLanes];
  MatrixHeader header_{};
};

}  // namespace

void multiply_matrices(uint8_t* const (&lanes)[kLanes]) { Warp(lanes).run(); }

uint64_t fragment_offset(const FragmentShape& shape, uint32_t lane, uint32_t element) {
  const uint32_t number = (lane * shape.count + element) % (shape.rows * shape.columns);
  const uint64_t row = number / shape.columns, column = number % shape.columns;
  const uint64_t at = shape.by_column ? column * shape.stride + row : row * shape.stride + column;
  return at * shape.element_bytes;
}

}  // namespace simgpu::exec

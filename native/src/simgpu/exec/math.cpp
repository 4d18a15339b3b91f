// Arithmetic that the host's instructions do not offer directly: directed rounding, half and bfloat16 with one rounding, 8-bit floats;
// and the table of everything compiled kernels may call.
#include <immintrin.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <string_view>

#include "simgpu/exec/helpers.h"
#include "simgpu/exec/object.h"

namespace {

// Runs one operation in a rounding mode of the SSE control word. `volatile` keeps the operation between the two switches.
enum Mode : unsigned { kDown = 0x2000, kUp = 0x4000, kZero = 0x6000 };

class RoundingMode {
 public:
  explicit RoundingMode(Mode mode) : saved_(_mm_getcsr()) { _mm_setcsr((saved_ & ~0x6000u) | mode); }
  ~RoundingMode() { _mm_setcsr(saved_); }

 private:
  unsigned saved_;
};

template <typename To, typename From>
[[gnu::noinline]] To convert_as(Mode mode, From value) {
  volatile From in = value;
  const RoundingMode rounding(mode);
  volatile To out = static_cast<To>(in);
  return out;
}

// Unsigned 64-bit integers have no conversion instruction of their own: halve with a sticky bit, convert, double.
template <typename To>
To convert_unsigned(Mode mode, uint64_t value) {
  if (!(value >> 63)) return convert_as<To>(mode, static_cast<int64_t>(value));
  return 2 * convert_as<To>(mode, static_cast<int64_t>(value >> 1 | (value & 1)));
}

template <typename T>
[[gnu::noinline]] T fma_as(Mode mode, T a, T b, T c) {
  volatile T x = a, y = b, z = c;
  const RoundingMode rounding(mode);
  volatile T out = std::fma(x, y, z);
  return out;
}

#define ROUNDED(name, type, suffix, mode)                                          \
  extern "C" [[gnu::noinline]] type simgpu_add_##name##_##suffix(type a, type b) { \
    volatile type x = a, y = b;                                                    \
    const RoundingMode rounding(mode);                                             \
    volatile type out = x + y;                                                     \
    return out;                                                                    \
  }                                                                                \
  extern "C" [[gnu::noinline]] type simgpu_mul_##name##_##suffix(type a, type b) { \
    volatile type x = a, y = b;                                                    \
    const RoundingMode rounding(mode);                                             \
    volatile type out = x * y;                                                     \
    return out;                                                                    \
  }                                                                                \
  extern "C" [[gnu::noinline]] type simgpu_div_##name##_##suffix(type a, type b) { \
    volatile type x = a, y = b;                                                    \
    const RoundingMode rounding(mode);                                             \
    volatile type out = x / y;                                                     \
    return out;                                                                    \
  }                                                                                \
  extern "C" [[gnu::noinline]] type simgpu_sqrt_##name##_##suffix(type a) {        \
    volatile type x = a;                                                           \
    const RoundingMode rounding(mode);                                             \
    volatile type out = std::sqrt(x);                                              \
    return out;                                                                    \
  }                                                                                \
  extern "C" type simgpu_fma_##name##_##suffix(type a, type b, type c) { return fma_as<type>(mode, a, b, c); }

#define CONVERTED(suffix, mode)                                                                         \
  extern "C" float simgpu_cvt_f32_f64_##suffix(double a) { return convert_as<float>(mode, a); }         \
  extern "C" float simgpu_cvt_f32_s64_##suffix(int64_t a) { return convert_as<float>(mode, a); }        \
  extern "C" float simgpu_cvt_f32_u64_##suffix(uint64_t a) { return convert_unsigned<float>(mode, a); } \
  extern "C" double simgpu_cvt_f64_s64_##suffix(int64_t a) { return convert_as<double>(mode, a); }      \
  extern "C" double simgpu_cvt_f64_u64_##suffix(uint64_t a) { return convert_unsigned<double>(mode, a); }

ROUNDED(f32, float, rz, kZero)
ROUNDED(f32, float, rm, kDown)
ROUNDED(f32, float, rp, kUp)
ROUNDED(f64, double, rz, kZero)
ROUNDED(f64, double, rm, kDown)
ROUNDED(f64, double, rp, kUp)
CONVERTED(rz, kZero)
CONVERTED(rm, kDown)
CONVERTED(rp, kUp)

// A small binary floating-point format.
struct Format {
  int mantissa;  // stored bits
  int bias;
  uint32_t infinity;  // encoding of +infinity; 0: the format has none
  uint32_t largest;   // largest finite encoding
  uint32_t nan;
};

constexpr Format kHalf{10, 15, 0x7C00, 0x7BFF, 0x7FFF};
constexpr Format kBfloat{7, 127, 0x7F80, 0x7F7F, 0x7FFF};
constexpr Format kE4m3{3, 7, 0, 0x7E, 0x7F};
constexpr Format kE5m2{2, 15, 0, 0x7B, 0x7F};  // conversions saturate, so infinity never comes out

// Rounding modes as native/ptx/ops_convert.py numbers them: nearest even, zero, down, up, nearest with ties away.
bool rounds_up(uint32_t mode, bool negative, bool odd, uint64_t rest, uint64_t half) {
  switch (mode) {
    case 0:
      return rest > half || (rest == half && odd);
    case 1:
      return false;
    case 2:
      return negative && rest;
    case 3:
      return !negative && rest;
    default:
      return rest >= half;
  }
}

// Rounds a double into a small format, once.
uint32_t encode(const Format& format, double value, uint32_t mode, bool saturate) {
  const auto bits = std::bit_cast<uint64_t>(value);
  const bool negative = bits >> 63;
  const int total = format.nan > 0xFF ? 15 : 7;
  const uint32_t sign = negative ? 1u << total : 0;
  if (std::isnan(value)) return format.nan;
  if (std::isinf(value)) return sign | (saturate || !format.infinity ? format.largest : format.infinity);
  if (value == 0) return sign;
  int exponent;
  const double fraction = std::frexp(std::fabs(value), &exponent);  // in [0.5, 1)
  const auto significand = static_cast<uint64_t>(std::ldexp(fraction, 53));
  const int biased = exponent - 1 + format.bias;
  int drop = 53 - 1 - format.mantissa;
  if (biased < 1) drop += 1 - biased;
  if (drop > 60) drop = 60;
  uint64_t kept = significand >> drop;
  const uint64_t rest = significand & ((uint64_t{1} << drop) - 1), half = uint64_t{1} << (drop - 1);
  if (rounds_up(mode, negative, kept & 1, rest, half)) ++kept;
  const uint64_t encoded = biased < 1 ? kept : kept + (static_cast<uint64_t>(biased - 1) << format.mantissa);
  if (encoded <= format.largest) return sign | static_cast<uint32_t>(encoded);
  const bool stays_finite = saturate || mode == 1 || (mode == 2 && !negative) || (mode == 3 && negative);
  return sign | (stays_finite || !format.infinity ? format.largest : format.infinity);
}

double decode(const Format& format, uint32_t bits, int width) {
  const bool negative = bits >> (width - 1) & 1;
  const uint32_t magnitude = bits & ((1u << (width - 1)) - 1);
  const int exponent = static_cast<int>(magnitude >> format.mantissa);
  const uint32_t mantissa = magnitude & ((1u << format.mantissa) - 1);
  const double value = exponent ? std::ldexp(mantissa + (1u << format.mantissa), exponent - format.bias - format.mantissa)
                                : std::ldexp(mantissa, 1 - format.bias - format.mantissa);
  return negative ? -value : value;
}

double from_half(uint16_t bits) {
  if ((bits & 0x7C00) == 0x7C00) return bits & 0x3FF ? std::nan("") : (bits & 0x8000 ? -HUGE_VAL : HUGE_VAL);
  return decode(kHalf, bits, 16);
}

double from_bfloat(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

// a*b is exact in double; if adding c is not, the last bit is made odd, so that a second rounding cannot go wrong.
double fma_to_odd(double a, double b, double c) {
  const double product = a * b, sum = product + c;
  if (!std::isfinite(sum)) return sum;
  const double back = sum - product, error = (product - (sum - back)) + (c - back);
  auto bits = std::bit_cast<uint64_t>(sum);
  if (error == 0 || (bits & 1)) return sum;
  bits += (error > 0) == (sum > 0) ? 1 : ~uint64_t{0};
  return std::bit_cast<double>(bits);
}

}  // namespace

extern "C" {

uint16_t simgpu_round_f16(double value, uint32_t mode) { return static_cast<uint16_t>(encode(kHalf, value, mode, false)); }
uint16_t simgpu_round_bf16(double value, uint32_t mode) { return static_cast<uint16_t>(encode(kBfloat, value, mode, false)); }

uint16_t simgpu_fma_f16(uint16_t a, uint16_t b, uint16_t c) {
  return simgpu_round_f16(fma_to_odd(from_half(a), from_half(b), from_half(c)), 0);
}
uint16_t simgpu_fma_bf16(uint16_t a, uint16_t b, uint16_t c) {
  return simgpu_round_bf16(fma_to_odd(from_bfloat(a), from_bfloat(b), from_bfloat(c)), 0);
}

// Ten mantissa bits, ties away from zero; the register keeps the float layout.
uint32_t simgpu_round_tf32(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return 0x7FFFFFFF;
  return std::isinf(value) ? bits : (bits + 0x1000) & ~0x1FFFu;
}

uint8_t simgpu_to_f8(float value, uint32_t format) { return static_cast<uint8_t>(encode(format == 0 ? kE4m3 : kE5m2, value, 0, true)); }

uint16_t simgpu_from_f8(uint8_t bits, uint32_t format) {
  const uint8_t magnitude = bits & 0x7F;
  const auto sign = static_cast<uint16_t>((bits & 0x80) << 8);
  if (format == 0) return magnitude == 0x7F ? 0x7FFF : simgpu_round_f16(decode(kE4m3, bits, 8), 0);
  if (magnitude > 0x7C) return 0x7FFF;
  return magnitude == 0x7C ? sign | 0x7C00 : simgpu_round_f16(decode(kE5m2, bits, 8), 0);
}
}

namespace {

// What the code generator calls where the processor has no half-precision instructions; halves travel in vector registers.
__m128 half_register(uint16_t bits) { return std::bit_cast<__m128>(_mm_cvtsi32_si128(bits)); }
__m128 truncate_double_to_half(double value) { return half_register(simgpu_round_f16(value, 0)); }
__m128 truncate_float_to_half(float value) { return half_register(simgpu_round_f16(value, 0)); }
float extend_half_to_float(__m128 half) {
  return static_cast<float>(from_half(static_cast<uint16_t>(_mm_cvtsi128_si32(std::bit_cast<__m128i>(half)))));
}

struct Helper {
  const char* name;
  void* address;
};

#define OWN(function) {#function, reinterpret_cast<void*>(&function)}
#define LIBM(function, type) {#function, reinterpret_cast<void*>(static_cast<type>(&std::function))}
#define LIBM1(function) \
  LIBM(function, double (*)(double)), { #function "f", reinterpret_cast<void*>(static_cast<float (*)(float)>(&std::function)) }
#define ROUNDED_ROWS(name, suffix)                                                                         \
  OWN(simgpu_add_##name##_##suffix), OWN(simgpu_mul_##name##_##suffix), OWN(simgpu_div_##name##_##suffix), \
      OWN(simgpu_sqrt_##name##_##suffix), OWN(simgpu_fma_##name##_##suffix)
#define CONVERTED_ROWS(suffix)                                                                                                            \
  OWN(simgpu_cvt_f32_f64_##suffix), OWN(simgpu_cvt_f32_s64_##suffix), OWN(simgpu_cvt_f32_u64_##suffix), OWN(simgpu_cvt_f64_s64_##suffix), \
      OWN(simgpu_cvt_f64_u64_##suffix)

const Helper kHelpers[] = {
    OWN(simgpu_resolve),
    OWN(simgpu_resolve_span),
    OWN(simgpu_resolve_shared),
    OWN(simgpu_resolve_local),
    OWN(simgpu_is_space),
    OWN(simgpu_trap),
    OWN(simgpu_exit),
    OWN(simgpu_overflow),
    OWN(simgpu_bad_call),
    OWN(simgpu_yield),
    OWN(simgpu_bar),
    OWN(simgpu_bar_red),
    OWN(simgpu_warp_sync),
    OWN(simgpu_shfl),
    OWN(simgpu_vote),
    OWN(simgpu_match),
    OWN(simgpu_redux),
    OWN(simgpu_activemask),
    OWN(simgpu_elect),
    OWN(simgpu_time),
    OWN(simgpu_vprintf),
    OWN(simgpu_malloc),
    OWN(simgpu_free),
    OWN(simgpu_set_condition),
    OWN(simgpu_texture),
    OWN(simgpu_surface_load),
    OWN(simgpu_surface_store),
    OWN(simgpu_texture_query),
    OWN(simgpu_assert),
    OWN(simgpu_lane),
    OWN(simgpu_gather),
    OWN(simgpu_matrix),
    OWN(simgpu_fragment),
    OWN(simgpu_matrix_rows),
    OWN(simgpu_transposed),
    OWN(simgpu_cluster_address),
    OWN(simgpu_cluster_window),
    OWN(simgpu_map_rank),
    OWN(simgpu_cluster_rank),
    OWN(simgpu_cluster_arrive),
    OWN(simgpu_cluster_wait),
    OWN(simgpu_mbarrier_init),
    OWN(simgpu_mbarrier_inval),
    OWN(simgpu_mbarrier_expect),
    OWN(simgpu_mbarrier_complete),
    OWN(simgpu_mbarrier_arrive),
    OWN(simgpu_mbarrier_test),
    OWN(simgpu_copy_bulk),
    OWN(simgpu_fns),
    OWN(simgpu_fma_f16),
    OWN(simgpu_fma_bf16),
    OWN(simgpu_round_f16),
    OWN(simgpu_round_bf16),
    OWN(simgpu_round_tf32),
    OWN(simgpu_to_f8),
    OWN(simgpu_from_f8),
    ROUNDED_ROWS(f32, rz),
    ROUNDED_ROWS(f32, rm),
    ROUNDED_ROWS(f32, rp),
    ROUNDED_ROWS(f64, rz),
    ROUNDED_ROWS(f64, rm),
    ROUNDED_ROWS(f64, rp),
    CONVERTED_ROWS(rz),
    CONVERTED_ROWS(rm),
    CONVERTED_ROWS(rp),
    LIBM1(sin),
    LIBM1(cos),
    LIBM1(log2),
    LIBM1(exp2),
    LIBM1(tanh),
    LIBM1(floor),
    LIBM1(ceil),
    LIBM1(trunc),
    LIBM1(sqrt),
    LIBM(fma, double (*)(double, double, double)),
    {"fmaf", reinterpret_cast<void*>(static_cast<float (*)(float, float, float)>(&std::fma))},
    {"roundeven", reinterpret_cast<void*>(static_cast<double (*)(double)>(&std::nearbyint))},
    {"roundevenf", reinterpret_cast<void*>(static_cast<float (*)(float)>(&std::nearbyint))},
    {"memcpy", reinterpret_cast<void*>(static_cast<void* (*)(void*, const void*, size_t)>(&std::memcpy))},
    {"memmove", reinterpret_cast<void*>(static_cast<void* (*)(void*, const void*, size_t)>(&std::memmove))},
    {"memset", reinterpret_cast<void*>(static_cast<void* (*)(void*, int, size_t)>(&std::memset))},
    {"__truncdfhf2", reinterpret_cast<void*>(&truncate_double_to_half)},
    {"__truncsfhf2", reinterpret_cast<void*>(&truncate_float_to_half)},
    {"__extendhfsf2", reinterpret_cast<void*>(&extend_half_to_float)},
};

}  // namespace

namespace simgpu::exec {

void* find_helper(const char* name) {
  for (const Helper& helper : kHelpers) {
    if (std::string_view(name) == helper.name) return helper.address;
  }
  return nullptr;
}

}  // namespace simgpu::exec

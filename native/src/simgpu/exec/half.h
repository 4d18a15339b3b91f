// Half precision as numbers.
#pragma once

#include <cmath>
#include <cstdint>

namespace simgpu::exec {

inline double half_value(uint16_t bits) {
  const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  const double sign = bits >> 15 ? -1.0 : 1.0;
  if (exponent == 31) return mantissa ? NAN : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(mantissa | 1024, exponent - 25);
}

}  // namespace simgpu::exec

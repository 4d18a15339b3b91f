// The LZ4 block format, decoding only (lz4_Block_format: tokens of literals and matches).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace simgpu {

namespace lz4_detail {

// Adds the bytes that continue a length of 15; false at the end of the input.
inline bool extend_length(const uint8_t** in, const uint8_t* end, size_t* length) {
  if (*length != 15) return true;
  uint8_t byte;
  do {
    if (*in == end) return false;
    byte = *(*in)++;
    *length += byte;
  } while (byte == 255);
  return true;
}

}  // namespace lz4_detail

// True if the block decodes to exactly `out_size` bytes.
inline bool lz4_decompress(const void* input, size_t in_size, void* output, size_t out_size) {
  const auto* in = static_cast<const uint8_t*>(input);
  const uint8_t* in_end = in + in_size;
  auto* const begin = static_cast<uint8_t*>(output);
  uint8_t* out = begin;
  uint8_t* const out_end = out + out_size;
  while (in < in_end) {
    const uint8_t token = *in++;
    size_t literals = token >> 4;
    if (!lz4_detail::extend_length(&in, in_end, &literals)) return false;
    if (literals > static_cast<size_t>(in_end - in) || literals > static_cast<size_t>(out_end - out)) return false;
    memcpy(out, in, literals);
    in += literals;
    out += literals;
    if (in == in_end) return out == out_end;  // the last sequence has no match
    if (in_end - in < 2) return false;
    const size_t distance = static_cast<size_t>(in[0]) | static_cast<size_t>(in[1]) << 8;
    in += 2;
    size_t length = token & 15;
    if (!lz4_detail::extend_length(&in, in_end, &length)) return false;
    length += 4;
    if (distance == 0 || distance > static_cast<size_t>(out - begin) || length > static_cast<size_t>(out_end - out)) return false;
    for (size_t i = 0; i < length; i++, out++) *out = *(out - distance);  // source and destination may overlap
  }
  return false;
}

}  // namespace simgpu

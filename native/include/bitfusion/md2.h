// MD2 (RFC 1319) and HMAC over it (RFC 2104, block of 16 bytes). Broken as cryptography; CUDA's integrity check is defined with it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace bitfusion {

// The RFC's substitution table: a permutation of the byte values.
inline constexpr uint8_t kMd2Table[256] = {
    41,  46,  67,  201, 162, 216, 124, 1,   61,  54,  84,  161, 236, 240, 6,   19,  98,  167, 5,   243, 192, 199, 115, 140, 152, 147,
    43,  217, 188, 76,  130, 202, 30,  155, 87,  60,  253, 212, 224, 22,  103, 66,  111, 24,  138, 23,  229, 18,  190, 78,  196, 214,
    218, 158, 222, 73,  160, 251, 245, 142, 187, 47,  238, 122, 169, 104, 121, 145, 21,  178, 7,   63,  148, 194, 16,  137, 11,  34,
    95,  33,  128, 127, 93,  154, 90,  144, 50,  39,  53,  62,  204, 231, 191, 247, 151, 3,   255, 25,  48,  179, 72,  165, 181, 209,
    215, 94,  146, 42,  172, 86,  170, 198, 79,  184, 56,  210, 150, 164, 125, 182, 118, 252, 107, 226, 156, 116, 4,   241, 69,  157,
    112, 89,  100, 113, 135, 32,  134, 91,  207, 101, 230, 45,  168, 2,   27,  96,  37,  173, 174, 176, 185, 246, 28,  70,  97,  105,
    52,  64,  126, 15,  85,  71,  163, 35,  221, 81,  175, 58,  195, 92,  249, 206, 186, 197, 234, 38,  44,  83,  13,  110, 133, 40,
    132, 9,   211, 223, 205, 244, 65,  129, 77,  82,  106, 220, 55,  200, 108, 193, 171, 250, 36,  225, 123, 8,   12,  189, 177, 74,
    120, 136, 149, 139, 227, 99,  232, 109, 233, 203, 213, 254, 59,  0,   29,  57,  242, 239, 183, 14,  102, 88,  208, 228, 166, 119,
    114, 248, 235, 117, 75,  10,  49,  68,  80,  180, 143, 237, 31,  26,  219, 153, 141, 51,  159, 17,  131, 20};

using Md2Digest = std::array<uint8_t, 16>;

class Md2 {
 public:
  void update(const void* data, size_t size) {
    const auto* bytes = static_cast<const uint8_t*>(data);
    for (size_t i = 0; i < size; i++) {
      block_[used_++] = bytes[i];
      if (used_ == 16) take_block();
    }
  }

  Md2Digest finish() {
    const auto padding = static_cast<uint8_t>(16 - used_);
    const uint8_t filler[16] = {padding, padding, padding, padding, padding, padding, padding, padding,
                                padding, padding, padding, padding, padding, padding, padding, padding};
    update(filler, padding);
    const std::array<uint8_t, 16> checksum = checksum_;
    memcpy(block_.data(), checksum.data(), 16);
    compress();
    Md2Digest digest;
    memcpy(digest.data(), state_, 16);
    return digest;
  }

 private:
  void take_block() {
    uint8_t last = checksum_[15];
    for (int i = 0; i < 16; i++) {
      checksum_[static_cast<size_t>(i)] ^= kMd2Table[block_[static_cast<size_t>(i)] ^ last];
      last = checksum_[static_cast<size_t>(i)];
    }
    compress();
    used_ = 0;
  }

  void compress() {
    for (size_t i = 0; i < 16; i++) {
      state_[16 + i] = block_[i];
      state_[32 + i] = static_cast<uint8_t>(state_[16 + i] ^ state_[i]);
    }
    uint8_t carry = 0;
    for (int round = 0; round < 18; round++) {
      for (uint8_t& byte : state_) carry = byte ^= kMd2Table[carry];
      carry = static_cast<uint8_t>(carry + round);
    }
  }

  uint8_t state_[48] = {};
  std::array<uint8_t, 16> checksum_{};
  std::array<uint8_t, 16> block_{};
  size_t used_ = 0;
};

// HMAC-MD2 with a key of one block.
inline Md2Digest hmac_md2(const std::array<uint8_t, 16>& key, const void* data, size_t size) {
  uint8_t inner_pad[16], outer_pad[16];
  for (size_t i = 0; i < 16; i++) {
    inner_pad[i] = key[i] ^ 0x36;
    outer_pad[i] = key[i] ^ 0x5c;
  }
  Md2 inner;
  inner.update(inner_pad, 16);
  inner.update(data, size);
  const Md2Digest digest = inner.finish();
  Md2 outer;
  outer.update(outer_pad, 16);
  outer.update(digest.data(), digest.size());
  return outer.finish();
}

}  // namespace bitfusion

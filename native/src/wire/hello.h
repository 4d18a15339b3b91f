// The clear-text admission of a connection: nonce, hello, answer. The same layouts in Python: core/bitfusion_core/hello.py; a shared file
// of test vectors holds the two together.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bitfusion::wire {

constexpr uint16_t kProtocolMajor = 1;
constexpr uint16_t kProtocolMinor = 0;

constexpr char kNonceMagic[9] = "BFNONCE1";
constexpr char kHelloMagic[9] = "BFHELLO1";
constexpr char kAnswerMagic[9] = "BFREPLY1";

enum class ConnectionKind : uint16_t { kCommand = 0, kBulk = 1 };

enum HelloFlags : uint16_t { kTlsFollows = 1 << 0 };

struct Nonce {
  char magic[8];
  uint8_t random[32];
};
static_assert(sizeof(Nonce) == 40);

struct Hello {
  char magic[8];
  uint16_t protocol_major;
  uint16_t protocol_minor;
  uint16_t kind;   // ConnectionKind
  uint16_t flags;  // HelloFlags
  uint8_t spec_hash[32];
  uint8_t session[16];
  uint8_t process[16];  // random, one per client process
  uint32_t pid;
  uint32_t reserved;
  uint8_t zero[40];
  uint8_t hmac[32];  // HMAC-SHA256(session key, Nonce::random || the 128 bytes before)
};
static_assert(sizeof(Hello) == 160 && offsetof(Hello, hmac) == 128);

struct Answer {
  char magic[8];
  uint32_t code;  // 0: admitted
  uint32_t reserved;
  char reason[240];  // UTF-8, zero padded
};
static_assert(sizeof(Answer) == 256);

}  // namespace bitfusion::wire

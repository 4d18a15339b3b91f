// The layouts of wire/hello.h against the vectors that the Python side is held to as well (argument: the file).
#include <cstdio>
#include <cstring>
#include <string>

#include "check.h"
#include "transport/tls.h"
#include "wire/hello.h"

namespace {

using bitfusion::wire::Hello;

std::string hex(const void* data, size_t size) {
  std::string text;
  for (size_t i = 0; i < size; ++i) {
    char digits[3];
    std::snprintf(digits, sizeof(digits), "%02x", static_cast<const uint8_t*>(data)[i]);
    text += digits;
  }
  return text;
}

// The value of a `"name": "value"` line.
std::string vector_named(const char* path, const std::string& name) {
  FILE* file = std::fopen(path, "r");
  CHECK(file);
  char line[1024];
  std::string value;
  while (std::fgets(line, sizeof(line), file)) {
    std::string text = line;
    size_t at = text.find("\"" + name + "\": \"");
    if (at == std::string::npos) continue;
    at += name.size() + 5;
    value = text.substr(at, text.find('"', at) - at);
  }
  std::fclose(file);
  return value;
}

Hello example() {
  Hello hello{};
  std::memcpy(hello.magic, bitfusion::wire::kHelloMagic, 8);
  hello.protocol_major = 1;
  hello.protocol_minor = 0;
  hello.kind = static_cast<uint16_t>(bitfusion::wire::ConnectionKind::kBulk);
  hello.flags = bitfusion::wire::kTlsFollows;
  std::memset(hello.spec_hash, 0x33, sizeof(hello.spec_hash));
  std::memset(hello.session, 0x44, sizeof(hello.session));
  std::memset(hello.process, 0x55, sizeof(hello.process));
  hello.pid = 0x01020304;
  return hello;
}

}  // namespace

int main(int, char** arguments) {
  Hello hello = example();
  uint8_t key[32], random[32];
  std::memset(key, 0x11, sizeof(key));
  std::memset(random, 0x22, sizeof(random));
  const iovec parts[] = {{random, sizeof(random)}, {&hello, offsetof(Hello, hmac)}};
  bitfusion::transport::tls::hmac_sha256(key, parts, 2, hello.hmac);
  CHECK(hex(&hello, sizeof(hello)) == vector_named(arguments[1], "hello"));

  bitfusion::wire::Answer answer{};
  std::memcpy(answer.magic, bitfusion::wire::kAnswerMagic, 8);
  answer.code = 3;
  std::strcpy(answer.reason, "no such session");
  CHECK(hex(&answer, sizeof(answer)) == vector_named(arguments[1], "answer"));
  std::puts("passed");
}

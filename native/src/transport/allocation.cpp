#include "transport/allocation.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace bitfusion::transport {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Exactly `size` bytes of hex digits, `-` skipped (UUIDs).
bool read_hex(const char* text, uint8_t* bytes, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    while (*text == '-') ++text;
    int high = hex_digit(text[0]);
    int low = high < 0 ? -1 : hex_digit(text[1]);
    if (low < 0) return false;
    bytes[i] = static_cast<uint8_t>(high << 4 | low);
    text += 2;
  }
  return *text == '\0';
}

template <size_t kSize>
bool copy_text(char (&to)[kSize], const char* from) {
  size_t length = std::strlen(from);
  if (length >= kSize) return false;
  std::memcpy(to, from, length + 1);
  return true;
}

bool read_session(Allocation* a, const char* value) { return copy_text(a->session, value) && read_hex(value, a->session_id.data(), 16); }

bool read_address(Allocation* a, const char* value) {
  return a->address_count < Allocation::kMaxAddresses && copy_text(a->addresses[a->address_count++], value);
}

bool read_tls(Allocation* a, const char* value) {
  a->tls = std::strcmp(value, "off") != 0;
  return !a->tls || std::strcmp(value, "on") == 0;
}

bool read_server(Allocation* a, char* value) {
  char* blank = std::strchr(value, ' ');
  if (blank) *blank = '\0';
  return copy_text(a->server, value) && (!blank || copy_text(a->version, blank + 1));
}

// One line; unknown keys are ignored.
bool read_field(Allocation* a, const char* key, char* value) {
  if (!std::strcmp(key, "version")) return !std::strcmp(value, "1");
  if (!std::strcmp(key, "session")) return read_session(a, value);
  if (!std::strcmp(key, "key")) return read_hex(value, a->key.data(), a->key.size());
  if (!std::strcmp(key, "address")) return read_address(a, value);
  if (!std::strcmp(key, "tls")) return read_tls(a, value);
  if (!std::strcmp(key, "server")) return read_server(a, value);
  if (!std::strcmp(key, "gpus")) a->gpus = static_cast<uint32_t>(std::strtoul(value, nullptr, 10));
  if (!std::strcmp(key, "memory_mib")) a->memory_mib = std::strtoull(value, nullptr, 10);
  return true;
}

bool read_lines(FILE* file, Allocation* a, char* error, size_t error_size) {
  char line[512];
  for (int number = 1; std::fgets(line, sizeof(line), file); ++number) {
    line[std::strcspn(line, "\r\n")] = '\0';
    char* value = std::strchr(line, ' ');
    if (!value) continue;
    *value++ = '\0';
    if (read_field(a, line, value)) continue;
    std::snprintf(error, error_size, "line %d: bad value of '%s'", number, line);
    return false;
  }
  if (a->session[0] && a->address_count) return true;
  std::snprintf(error, error_size, "it names no %s", a->session[0] ? "address" : "session");
  return false;
}

}  // namespace

bool read_allocation(const char* path, Allocation* allocation, char* error, size_t error_size) {
  FILE* file = std::fopen(path, "re");
  if (!file) {
    std::snprintf(error, error_size, "cannot open %s: %s", path, std::strerror(errno));
    return false;
  }
  char why[128];
  bool ok = read_lines(file, allocation, why, sizeof(why));
  std::fclose(file);
  if (!ok) std::snprintf(error, error_size, "allocation file %s cannot be used: %s", path, why);
  return ok;
}

}  // namespace bitfusion::transport

// Opens one connection to the worker of this client process: nonce, hello, answer, TLS.
#pragma once

#include "transport/allocation.h"
#include "transport/channel.h"
#include "wire/hello.h"

namespace bitfusion::transport {

// What every connection of one client process says of itself.
struct Identity {
  const Allocation* allocation;
  uint8_t process[16];
  uint8_t spec_hash[32];
};

// Tries the addresses in order. On failure returns false and says in `error` what failed and why.
bool open_connection(const Identity& identity, wire::ConnectionKind kind, Channel* channel, char* error, size_t error_size);

}  // namespace bitfusion::transport

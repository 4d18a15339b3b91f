// The TLS library behind a Channel: s2n-tls on AWS-LC, private to each of our libraries (docs/adr/0001-tls-library.md).
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

#include "transport/channel.h"

namespace bitfusion::transport::tls {

// TLS 1.3 handshake with an external PSK (psk_dhe_ke) before `deadline` (now_ns). Null on failure, with a reason in `error`.
s2n_connection* connect(int fd, TlsRole role, const char* identity, const uint8_t key[32], int64_t deadline, char* error,
                        size_t error_size);
void free(s2n_connection* connection);
ssize_t read(s2n_connection* connection, void* data, size_t size);
ssize_t write(s2n_connection* connection, const iovec* parts, int count, size_t offset);

void hmac_sha256(const uint8_t key[32], const iovec* parts, int count, uint8_t mac[32]);
bool random_bytes(void* data, size_t size);

}  // namespace bitfusion::transport::tls

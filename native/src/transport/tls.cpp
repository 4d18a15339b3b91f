#include "transport/tls.h"

#include <errno.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <poll.h>
#include <pthread.h>
#include <s2n.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace bitfusion::transport::tls {
namespace {

// TLS 1.3 suites with AES-GCM; what was negotiated is checked after the handshake.
constexpr char kSecurityPolicy[] = "20240503";
// Records are collected into system calls of this size.
constexpr uint32_t kSendBuffer = 1u << 17;

// s2n's own allocator locks its pages in memory, which exhausts RLIMIT_MEMLOCK of the application we live in.
int memory_ok() { return S2N_SUCCESS; }

int allocate(void** memory, uint32_t requested, uint32_t* allocated) {
  *memory = std::malloc(requested);
  *allocated = requested;
  return *memory ? S2N_SUCCESS : S2N_FAILURE;
}

int release(void* memory, uint32_t) {
  std::free(memory);
  return S2N_SUCCESS;
}

s2n_config* new_config() {
  if (s2n_disable_atexit() || s2n_mem_set_callbacks(memory_ok, memory_ok, allocate, release) || s2n_init()) return nullptr;
  s2n_config* config = s2n_config_new_minimal();
  if (!config) return nullptr;
  bool ok = s2n_config_set_cipher_preferences(config, kSecurityPolicy) == S2N_SUCCESS &&
            s2n_config_set_psk_mode(config, S2N_PSK_MODE_EXTERNAL) == S2N_SUCCESS &&
            s2n_config_set_send_buffer_size(config, kSendBuffer) == S2N_SUCCESS &&
            s2n_config_set_recv_multi_record(config, true) == S2N_SUCCESS;
  if (ok) return config;
  s2n_config_free(config);
  return nullptr;
}

pthread_once_t config_once = PTHREAD_ONCE_INIT;
s2n_config* shared_config;

s2n_config* config() {
  pthread_once(&config_once, [] { shared_config = new_config(); });
  return shared_config;
}

// s2n hands these the pointer set as context: the descriptor itself.
int descriptor(void* context) { return static_cast<int>(reinterpret_cast<intptr_t>(context)); }

int receive(void* context, uint8_t* data, uint32_t size) { return static_cast<int>(recv(descriptor(context), data, size, MSG_DONTWAIT)); }

int transmit(void* context, const uint8_t* data, uint32_t size) {
  return static_cast<int>(send(descriptor(context), data, size, MSG_DONTWAIT | MSG_NOSIGNAL));
}

bool add_psk(s2n_connection* connection, const char* identity, const uint8_t key[32]) {
  s2n_psk* psk = s2n_external_psk_new();
  if (!psk) return false;
  bool ok =
      s2n_psk_set_identity(psk, reinterpret_cast<const uint8_t*>(identity), static_cast<uint16_t>(std::strlen(identity))) == S2N_SUCCESS &&
      s2n_psk_set_secret(psk, key, 32) == S2N_SUCCESS && s2n_psk_set_hmac(psk, S2N_PSK_HMAC_SHA256) == S2N_SUCCESS &&
      s2n_connection_append_psk(connection, psk) == S2N_SUCCESS;
  s2n_psk_free(&psk);
  return ok;
}

bool prepare(s2n_connection* connection, int fd, const char* identity, const uint8_t key[32]) {
  void* context = reinterpret_cast<void*>(static_cast<intptr_t>(fd));
  return s2n_connection_set_config(connection, config()) == S2N_SUCCESS && add_psk(connection, identity, key) &&
         s2n_connection_set_recv_cb(connection, receive) == S2N_SUCCESS &&
         s2n_connection_set_recv_ctx(connection, context) == S2N_SUCCESS &&
         s2n_connection_set_send_cb(connection, transmit) == S2N_SUCCESS &&
         s2n_connection_set_send_ctx(connection, context) == S2N_SUCCESS &&
         s2n_connection_set_recv_buffering(connection, true) == S2N_SUCCESS &&
         s2n_connection_set_blinding(connection, S2N_SELF_SERVICE_BLINDING) == S2N_SUCCESS &&
         s2n_connection_prefer_throughput(connection) == S2N_SUCCESS;
}

bool is_blocked() { return s2n_error_get_type(s2n_errno) == S2N_ERR_T_BLOCKED; }

bool negotiate(s2n_connection* connection, int fd, int64_t deadline) {
  s2n_blocked_status blocked = S2N_NOT_BLOCKED;
  while (s2n_negotiate(connection, &blocked) != S2N_SUCCESS) {
    int64_t left = deadline - now_ns();
    if (!is_blocked() || left <= 0) return false;
    wait_for(fd, blocked == S2N_BLOCKED_ON_WRITE ? POLLOUT : POLLIN, static_cast<int>(left / 1'000'000) + 1);
  }
  uint16_t identity_size = 0;
  return s2n_connection_get_actual_protocol_version(connection) == S2N_TLS13 &&
         s2n_connection_get_negotiated_psk_identity_length(connection, &identity_size) == S2N_SUCCESS && identity_size > 0;
}

}  // namespace

s2n_connection* connect(int fd, TlsRole role, const char* identity, const uint8_t key[32], int64_t deadline, char* error,
                        size_t error_size) {
  if (!config()) {
    std::snprintf(error, error_size, "the TLS library cannot start: %s", s2n_strerror(s2n_errno, "EN"));
    return nullptr;
  }
  s2n_connection* connection = s2n_connection_new(role == TlsRole::kClient ? S2N_CLIENT : S2N_SERVER);
  if (connection && prepare(connection, fd, identity, key) && negotiate(connection, fd, deadline)) return connection;
  std::snprintf(error, error_size, "TLS handshake failed: %s", s2n_strerror(s2n_errno, "EN"));
  if (connection) s2n_connection_free(connection);
  return nullptr;
}

void free(s2n_connection* connection) { s2n_connection_free(connection); }

ssize_t read(s2n_connection* connection, void* data, size_t size) {
  s2n_blocked_status blocked;
  ssize_t got = s2n_recv(connection, data, static_cast<ssize_t>(size), &blocked);
  if (got > 0) return got;
  return got < 0 && is_blocked() ? 0 : Channel::kBroken;
}

ssize_t write(s2n_connection* connection, const iovec* parts, int count, size_t offset) {
  s2n_blocked_status blocked;
  ssize_t sent = s2n_sendv_with_offset(connection, parts, count, static_cast<ssize_t>(offset), &blocked);
  if (sent >= 0) return sent;
  return is_blocked() ? 0 : Channel::kBroken;
}

void hmac_sha256(const uint8_t key[32], const iovec* parts, int count, uint8_t mac[32]) {
  HMAC_CTX context;
  HMAC_CTX_init(&context);
  HMAC_Init_ex(&context, key, 32, EVP_sha256(), nullptr);
  for (int i = 0; i < count; ++i) HMAC_Update(&context, static_cast<const uint8_t*>(parts[i].iov_base), parts[i].iov_len);
  unsigned size = 32;
  HMAC_Final(&context, mac, &size);
  HMAC_CTX_cleanup(&context);
}

bool random_bytes(void* data, size_t size) { return RAND_bytes(static_cast<uint8_t*>(data), size) == 1; }

}  // namespace bitfusion::transport::tls

/* The worker's interface to the Python process that hosts it (cffi reads the declarations below as they are). */
#ifndef BITFUSION_WORKER_H
#define BITFUSION_WORKER_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
/* begin cffi */
typedef struct bitfusion_worker bitfusion_worker;

typedef struct {
  const char* session; /* lease id, UUID as text */
  const uint8_t* key;  /* 32 bytes */
  const char* cuda_library;
  const char* cache;       /* directory */
  const char* budget;      /* file shared by the workers of the session; empty: none */
  uint64_t memory_bytes;   /* partition of each GPU; 0: all of it */
  const char* const* gpus; /* UUIDs */
  uint32_t gpu_count;
  int tls;
} bitfusion_worker_config;

typedef struct {
  uint64_t bytes_in;
  uint64_t bytes_out;
  uint64_t calls;
  uint64_t memory_bytes[32]; /* of each GPU, held by this worker */
} bitfusion_worker_stats;

/* Null on failure, with a reason in `error`. */
bitfusion_worker* bitfusion_worker_create(const bitfusion_worker_config* config, char* error, size_t error_size);
/* Takes the descriptor over. TLS handshake, then frames. Nonzero on failure, with a reason in `error`. */
int bitfusion_worker_attach(bitfusion_worker* worker, int fd, int bulk, char* error, size_t error_size);
/* Serves until the end; the reason of the end is in `reason`. */
void bitfusion_worker_run(bitfusion_worker* worker, char* reason, size_t reason_size);
void bitfusion_worker_stop(bitfusion_worker* worker, const char* reason);
void bitfusion_worker_get_stats(bitfusion_worker* worker, bitfusion_worker_stats* stats);
void bitfusion_worker_destroy(bitfusion_worker* worker);
/* Of the spec the library was generated from, 32 bytes. */
void bitfusion_worker_get_spec_hash(uint8_t* hash);
/* end cffi */
#ifdef __cplusplus
}
#endif
#endif

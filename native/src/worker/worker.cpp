#include "worker/worker.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>

#include "transport/channel.h"
#include "worker/output.h"
#include "worker/session.h"

#define BITFUSION_EXPORT extern "C" __attribute__((visibility("default")))

using bitfusion::transport::Channel;
using bitfusion::transport::TlsRole;
using bitfusion::worker::Output;
using bitfusion::worker::Session;
using bitfusion::worker::SessionConfig;

namespace {
constexpr int kHandshakeDeadlineMs = 5'000;
}

struct bitfusion_worker {
  SessionConfig config;
  std::array<uint8_t, 32> key;
  bool tls;
  std::unique_ptr<Output> output;
  std::unique_ptr<Session> session;
};

BITFUSION_EXPORT bitfusion_worker* bitfusion_worker_create(const bitfusion_worker_config* config, char* error, size_t error_size) try {
  auto worker = std::make_unique<bitfusion_worker>();
  worker->config = {
      config->session, config->cuda_library, config->cache, {config->gpus, config->gpus + config->gpu_count}, config->memory_bytes};
  std::memcpy(worker->key.data(), config->key, worker->key.size());
  worker->tls = config->tls != 0;
  worker->output = std::make_unique<Output>();  // before the driver is loaded
  worker->session = std::make_unique<Session>(worker->config, bitfusion::worker::cuda_handlers(), config->budget, worker->output.get());
  return worker.release();
} catch (const std::exception& failure) {
  std::snprintf(error, error_size, "%s", failure.what());
  return nullptr;
}

BITFUSION_EXPORT int bitfusion_worker_attach(bitfusion_worker* worker, int fd, int bulk, char* error, size_t error_size) {
  auto channel = std::make_unique<Channel>();
  channel->adopt(fd);
  if (worker->tls &&
      !channel->start_tls(TlsRole::kServer, worker->config.session.c_str(), worker->key.data(), kHandshakeDeadlineMs, error, error_size))
    return 1;
  worker->session->attach(std::move(channel), bulk != 0);
  return 0;
}

BITFUSION_EXPORT void bitfusion_worker_run(bitfusion_worker* worker, char* reason, size_t reason_size) {
  std::snprintf(reason, reason_size, "%s", worker->session->run().c_str());
}

BITFUSION_EXPORT void bitfusion_worker_stop(bitfusion_worker* worker, const char* reason) { worker->session->stop(reason); }

BITFUSION_EXPORT void bitfusion_worker_get_stats(bitfusion_worker* worker, bitfusion_worker_stats* stats) {
  auto counters = worker->session->counters();
  *stats = {counters.bytes_in, counters.bytes_out, counters.calls, {}};
  for (uint32_t gpu = 0; gpu < 32; ++gpu) stats->memory_bytes[gpu] = worker->session->budget().used_here(gpu);
}

BITFUSION_EXPORT void bitfusion_worker_destroy(bitfusion_worker* worker) { delete worker; }

BITFUSION_EXPORT void bitfusion_worker_get_spec_hash(uint8_t* hash) {
  std::ranges::copy(bitfusion::worker::cuda_handlers().spec_hash, hash);
}

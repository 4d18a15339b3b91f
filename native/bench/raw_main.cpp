// Prints one JSON object with what the machine can do without the product.
#include <cstdio>

#include "raw.h"

int main() {
  using namespace bitfusion::bench;
  PingPong trip = raw_ping_pong();
  std::printf("{\"ping_pong_us\": {\"p50\": %.2f, \"mean\": %.2f, \"p999\": %.2f}, ", trip.p50_us, trip.mean_us, trip.p999_us);
  std::printf("\"tcp_gb_s\": %.2f, \"aes_128_gcm_gb_s\": %.2f, \"aes_256_gcm_gb_s\": %.2f}\n", raw_bandwidth(), aes_gcm_rate(128),
              aes_gcm_rate(256));
}

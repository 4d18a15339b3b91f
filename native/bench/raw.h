// What the machine itself can do, measured in the same run as the product: the denominators of every ratio.
#pragma once

namespace bitfusion::bench {

struct PingPong {
  double p50_us, mean_us, p999_us;
};

// Round trips of 32 bytes over TCP on loopback, both ends spinning.
PingPong raw_ping_pong();
// One TCP stream on loopback, GB/s.
double raw_bandwidth();
// AES-256-GCM and AES-128-GCM sealing in 16 KiB records on one core, GB/s.
double aes_gcm_rate(int key_bits);

}  // namespace bitfusion::bench

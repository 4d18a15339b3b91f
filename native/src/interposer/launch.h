// Launch configurations as they travel.
#pragma once

#include <array>
#include <span>

#include "bitfusion/product.h"
#include "interposer/headers.h"

namespace bitfusion::interposer {

// A CUlaunchConfig without its addresses: the shape, and its attributes as plain structures.
struct PackedConfig {
  static constexpr size_t kMaxAttributes = 32;

  LaunchShape shape = {};
  std::array<CUlaunchAttribute, kMaxAttributes> attributes;
  size_t count = 0;

  wire::Bytes bytes() const { return std::as_bytes(std::span(attributes.data(), count)); }
};

struct Kernel;

// Whether a device can launch that shape.
CUresult check_shape(const LaunchShape& shape, int device);

// Kernel::parameter_bytes of parameters as the kernel lays them out, from one address each or from one buffer for all.
CUresult pack_parameters(const Kernel& kernel, void** parameters, void** extra, std::byte* out);

// Refuses attributes that hold handles or return them.
CUresult pack_config(const CUlaunchConfig* config, PackedConfig* out);

}  // namespace bitfusion::interposer

// Textures and surfaces: how kernels read and write images. The rules are those of the CUDA C++ Programming Guide, "Texture Fetching".
#pragma once

#include <cstdint>
#include <vector>

namespace simgpu::exec {

enum class Channel : uint8_t { kU8, kU16, kU32, kS8, kS16, kS32, kF16, kF32 };

constexpr unsigned channel_bytes(Channel channel) {
  constexpr unsigned kBytes[] = {1, 2, 4, 1, 2, 4, 2, 4};
  return kBytes[static_cast<int>(channel)];
}

enum class AddressMode : uint8_t { kWrap, kClamp, kMirror, kBorder };

// One mipmap level, in memory of this process.
struct Image {
  uint64_t address = 0;
  uint32_t width = 1, height = 1, depth = 1;  // depth: or layers, or faces
  uint64_t pitch = 0, slice = 0;              // bytes between rows, and between layers
};

struct Texture {
  std::vector<Image> levels;
  Channel channel = Channel::kF32;
  unsigned channels = 1;
  bool linear_memory = false;  // no array: what lies outside is zero
  AddressMode address[3] = {AddressMode::kClamp, AddressMode::kClamp, AddressMode::kClamp};
  bool linear_filter = false;
  bool normalized = false;  // coordinates
  bool as_integer = false;  // small integers are not turned into floats between -1 and 1
  bool srgb = false;
  float border[4] = {};
  bool linear_levels = false;  // between mipmap levels
  float bias = 0, lowest_level = 0, highest_level = 0;
  unsigned element_bytes() const { return channel_bytes(channel) * channels; }
};

// As native/ptx/ops_texture.py numbers them.
enum class Geometry : uint32_t { k1d, k2d, k3d, kArray1d, kArray2d, kCube, kCubeArray };
enum class Fetch : uint32_t { kBase, kLevel, kGradient, kGather };

struct Sample {
  Geometry geometry = Geometry::k1d;
  Fetch fetch = Fetch::kBase;
  bool integers = false;                  // coordinates
  unsigned component = 0;                 // to gather
  const uint32_t* coordinates = nullptr;  // bits; the layer first if there is one; then the level, or the two gradients
};

// Four 32-bit channels: floats, or integers, as the texture says.
void sample(const Texture& texture, const Sample& asked, uint32_t result[4]);

// How a surface access that is outside ends.
enum class Outside : uint32_t { kTrap, kClamp, kZero };

// The bytes behind surface coordinates (x in bytes); nullptr: outside.
uint8_t* surface_place(const Texture& surface, Geometry geometry, Outside outside, const uint32_t* coordinates, unsigned bytes);

// Answers of txq and suq.
enum class Query : uint32_t { kWidth, kHeight, kDepth, kLayers, kLevels, kNormalized, kChannels };
uint32_t query(const Texture& texture, Query what);

}  // namespace simgpu::exec

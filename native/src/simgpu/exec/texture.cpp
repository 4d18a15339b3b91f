#include "simgpu/exec/texture.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "simgpu/exec/half.h"

namespace simgpu::exec {
namespace {

// Four channels on the way to a result: floats, or integers as bits.
struct Texel {
  float value[4] = {0, 0, 0, 1};
  uint32_t bits[4] = {0, 0, 0, 1};
};

// Whether results are integers: always for 32-bit integers, else if asked for.
bool integral(const Texture& texture) {
  const bool floating = texture.channel == Channel::kF16 || texture.channel == Channel::kF32;
  return !floating && (texture.as_integer || channel_bytes(texture.channel) == 4);
}

float from_srgb(float value) { return value <= 0.04045f ? value / 12.92f : std::pow((value + 0.055f) / 1.055f, 2.4f); }

template <typename T>
T read(const uint8_t* place) {
  T value;
  std::memcpy(&value, place, sizeof(value));
  return value;
}

template <typename T>
void decode_integer(const uint8_t* place, float* value, uint32_t* bits) {
  const T number = read<T>(place);
  constexpr float kLargest = static_cast<float>(std::numeric_limits<T>::max());
  *bits = static_cast<uint32_t>(static_cast<int32_t>(number));
  *value = std::max(static_cast<float>(number) / kLargest, -1.0f);
}

void decode(Channel channel, const uint8_t* place, float* value, uint32_t* bits) {
  switch (channel) {
    case Channel::kU8:
      return decode_integer<uint8_t>(place, value, bits);
    case Channel::kU16:
      return decode_integer<uint16_t>(place, value, bits);
    case Channel::kS8:
      return decode_integer<int8_t>(place, value, bits);
    case Channel::kS16:
      return decode_integer<int16_t>(place, value, bits);
    case Channel::kF16:
      *value = static_cast<float>(half_value(read<uint16_t>(place)));
      return;
    case Channel::kU32:
    case Channel::kS32:
    case Channel::kF32:
      *bits = read<uint32_t>(place);
      *value = std::bit_cast<float>(*bits);
      return;
  }
}

// --- Addresses
// ------------------------------------------------------------------------------------------------------------------------------

constexpr int64_t kOutside = -1;

// The texel that index i of n means.
int64_t wrap_index(AddressMode mode, int64_t i, int64_t n) {
  if (i >= 0 && i < n) return i;
  switch (mode) {
    case AddressMode::kWrap:
      return ((i % n) + n) % n;
    case AddressMode::kMirror: {
      const int64_t turn = ((i % (2 * n)) + 2 * n) % (2 * n);
      return turn < n ? turn : 2 * n - 1 - turn;
    }
    case AddressMode::kClamp:
      return std::clamp<int64_t>(i, 0, n - 1);
    case AddressMode::kBorder:
      break;
  }
  return kOutside;
}

class Sampler {
 public:
  Sampler(const Texture& texture, const Image& image, const Sample& asked) : texture_(texture), image_(image) {
    find_layer(asked);
    sizes_[0] = image.width;
    sizes_[1] = image.height;
    sizes_[2] = image.depth;
    for (int axis = 0; axis < 3; ++axis) modes_[axis] = mode_of(axis, asked);
  }

  Texel run(const Sample& asked) const {
    if (asked.integers) return texel({integer(asked, 0), integer(asked, 1), integer(asked, 2)});
    const bool filter = texture_.linear_filter && !integral(texture_);
    double place[3];
    for (int axis = 0; axis < 3; ++axis) place[axis] = axis < dimensions_ ? scaled(axis) - (filter ? 0.5 : 0.0) : 0.0;
    if (filter) return blend(place);
    return texel({floor_of(place[0]), floor_of(place[1]), floor_of(place[2])});
  }

  // The component of the four texels that linear filtering would blend, counter-clockwise from the lower left.
  Texel gather(unsigned component) const {
    const int64_t x = floor_of(scaled(0) - 0.5), y = floor_of(scaled(1) - 0.5);
    const Texel corners[4] = {texel({x, y + 1, 0}), texel({x + 1, y + 1, 0}), texel({x + 1, y, 0}), texel({x, y, 0})};
    Texel result;
    for (int i = 0; i < 4; ++i) {
      result.value[i] = corners[i].value[component];
      result.bits[i] = corners[i].bits[component];
    }
    return result;
  }

 private:
  struct Index {
    int64_t axis[3];
  };

  static int64_t floor_of(double x) { return static_cast<int64_t>(std::floor(std::clamp(x, -2e9, 2e9))); }

  int64_t integer(const Sample& asked, int axis) const {
    return axis < dimensions_ ? static_cast<int32_t>(asked.coordinates[first_ + axis]) : 0;
  }

  // Wrapping and mirroring exist for normalized coordinates only; faces of a cube end at their edges.
  AddressMode mode_of(int axis, const Sample& asked) const {
    if (asked.geometry == Geometry::kCube || asked.geometry == Geometry::kCubeArray) return AddressMode::kClamp;
    if (texture_.linear_memory && asked.integers) return AddressMode::kBorder;
    const AddressMode mode = texture_.address[axis];
    const bool folds = mode == AddressMode::kWrap || mode == AddressMode::kMirror;
    return folds && !texture_.normalized ? AddressMode::kClamp : mode;
  }

  void find_layer(const Sample& asked) {
    const auto number = [&](int i) { return std::bit_cast<float>(asked.coordinates[i]); };
    int64_t layers = 0;
    switch (asked.geometry) {
      case Geometry::k1d:
      case Geometry::k2d:
      case Geometry::k3d:
        dimensions_ = static_cast<int>(asked.geometry) + 1;
        break;
      case Geometry::kArray1d:
      case Geometry::kArray2d:
        dimensions_ = asked.geometry == Geometry::kArray1d ? 1 : 2;
        first_ = 1;
        layers = image_.depth;
        break;
      case Geometry::kCube:
      case Geometry::kCubeArray:
        dimensions_ = 2;
        first_ = asked.geometry == Geometry::kCube ? 0 : 1;
        layers = image_.depth / 6;
        break;
    }
    if (first_ == 1) layer_ = std::clamp<int64_t>(static_cast<int32_t>(asked.coordinates[0]), 0, std::max<int64_t>(layers, 1) - 1);
    for (int axis = 0; axis < 3; ++axis) coordinates_[axis] = axis < dimensions_ ? number(first_ + axis) : 0.0f;
    if (asked.geometry >= Geometry::kCube) find_face(number(first_), number(first_ + 1), number(first_ + 2));
  }

  void find_face(float x, float y, float z) {
    const float ax = std::fabs(x), ay = std::fabs(y), az = std::fabs(z);
    float s, t, m;
    int face;
    if (ax >= ay && ax >= az) {
      face = x >= 0 ? 0 : 1, m = ax, s = x >= 0 ? -z : z, t = -y;
    } else if (ay >= az) {
      face = y >= 0 ? 2 : 3, m = ay, s = x, t = y >= 0 ? z : -z;
    } else {
      face = z >= 0 ? 4 : 5, m = az, s = z >= 0 ? x : -x, t = -y;
    }
    layer_ = layer_ * 6 + face;
    cube_ = true;
    coordinates_[0] = m != 0 ? (s / m + 1) / 2 : 0.5f;
    coordinates_[1] = m != 0 ? (t / m + 1) / 2 : 0.5f;
  }

  double scaled(int axis) const {
    const double x = coordinates_[axis];
    return texture_.normalized || cube_ ? x * static_cast<double>(sizes_[axis]) : x;
  }

  Texel texel(Index index) const {
    uint64_t offset = static_cast<uint64_t>(layer_) * image_.slice;
    const uint64_t steps[3] = {texture_.element_bytes(), image_.pitch, image_.slice};
    Texel found;
    for (int axis = 0; axis < dimensions_; ++axis) {
      const int64_t i = wrap_index(modes_[axis], index.axis[axis], static_cast<int64_t>(sizes_[axis]));
      if (i == kOutside) return border();
      offset += static_cast<uint64_t>(i) * steps[axis];
    }
    const auto* place = reinterpret_cast<const uint8_t*>(image_.address + offset);
    for (unsigned c = 0; c < texture_.channels; ++c) {
      decode(texture_.channel, place + c * channel_bytes(texture_.channel), &found.value[c], &found.bits[c]);
      if (texture_.srgb && c < 3 && texture_.channel == Channel::kU8) found.value[c] = from_srgb(found.value[c]);
    }
    return found;
  }

  Texel border() const {
    Texel found;
    for (int c = 0; c < 4; ++c) {
      found.value[c] = texture_.linear_memory ? 0 : texture_.border[c];
      found.bits[c] = texture_.linear_memory ? 0 : static_cast<uint32_t>(static_cast<int32_t>(texture_.border[c]));
    }
    return found;
  }

  // The fraction has eight bits on a GPU.
  Texel blend(const double place[3]) const {
    int64_t low[3] = {};
    float weight[3] = {};
    for (int axis = 0; axis < dimensions_; ++axis) {
      low[axis] = floor_of(place[axis]);
      weight[axis] = static_cast<float>(std::nearbyint((place[axis] - std::floor(place[axis])) * 256) / 256);
    }
    Texel result;
    std::fill(result.value, result.value + 4, 0.0f);
    for (int corner = 0; corner < 1 << dimensions_; ++corner) {
      float share = 1;
      Index index{{low[0], low[1], low[2]}};
      for (int axis = 0; axis < dimensions_; ++axis) {
        const bool upper = corner >> axis & 1;
        index.axis[axis] += upper;
        share *= upper ? weight[axis] : 1 - weight[axis];
      }
      if (share == 0) continue;
      const Texel part = texel(index);
      for (int c = 0; c < 4; ++c) result.value[c] += share * part.value[c];
    }
    return result;
  }

  const Texture& texture_;
  const Image& image_;
  AddressMode modes_[3] = {};
  uint64_t sizes_[3] = {};
  float coordinates_[3] = {};
  int dimensions_ = 1;
  int first_ = 0;  // place of the first coordinate, after the layer
  int64_t layer_ = 0;
  bool cube_ = false;
};

// --- Mipmap levels
// --------------------------------------------------------------------------------------------------------------------------

int coordinate_count(Geometry geometry) {
  constexpr int kCounts[] = {1, 2, 3, 2, 3, 3, 4};
  return kCounts[static_cast<int>(geometry)];
}

// Longer of the two gradients, in texels of the first level, as a power of two.
float level_of_gradients(const Texture& texture, const Sample& asked) {
  const Image& image = texture.levels[0];
  const float sizes[3] = {static_cast<float>(image.width), static_cast<float>(image.height), static_cast<float>(image.depth)};
  const int axes = asked.geometry == Geometry::k3d ? 3 : asked.geometry == Geometry::k1d || asked.geometry == Geometry::kArray1d ? 1 : 2;
  const uint32_t* gradients = asked.coordinates + 4;
  float longest = 0;
  for (int g = 0; g < 2; ++g) {
    float sum = 0;
    for (int axis = 0; axis < axes; ++axis) {
      const float step = std::bit_cast<float>(gradients[g * 4 + axis]) * (texture.normalized ? sizes[axis] : 1);
      sum += step * step;
    }
    longest = std::max(longest, std::sqrt(sum));
  }
  return longest > 0 ? std::log2(longest) : 0;
}

float level_of(const Texture& texture, const Sample& asked) {
  float level = 0;
  if (asked.fetch == Fetch::kLevel) {
    level = asked.integers ? static_cast<float>(static_cast<int32_t>(asked.coordinates[4])) : std::bit_cast<float>(asked.coordinates[4]);
  }
  if (asked.fetch == Fetch::kGradient) level = level_of_gradients(texture, asked);
  const auto last = static_cast<float>(texture.levels.size() - 1);
  level = std::clamp(level + texture.bias, texture.lowest_level, std::max(texture.lowest_level, texture.highest_level));
  return std::clamp(level, 0.0f, last);
}

Texel at_level(const Texture& texture, const Sample& asked) {
  const float level = texture.levels.size() > 1 ? level_of(texture, asked) : 0;
  const auto sampled = [&](size_t i) { return Sampler(texture, texture.levels[i], asked).run(asked); };
  if (!texture.linear_levels || integral(texture)) return sampled(static_cast<size_t>(std::floor(level + 0.5f)));
  const auto lower = static_cast<size_t>(level);
  const float share = std::nearbyint((level - static_cast<float>(lower)) * 256) / 256;
  Texel result = sampled(lower);
  if (share == 0 || lower + 1 >= texture.levels.size()) return result;
  const Texel upper = sampled(lower + 1);
  for (int c = 0; c < 4; ++c) result.value[c] = result.value[c] * (1 - share) + upper.value[c] * share;
  return result;
}

}  // namespace

void sample(const Texture& texture, const Sample& asked, uint32_t result[4]) {
  Texel texel;
  if (asked.fetch == Fetch::kGather) {
    texel = Sampler(texture, texture.levels[0], asked).gather(asked.component);
  } else {
    texel = at_level(texture, asked);
  }
  for (int c = 0; c < 4; ++c) result[c] = integral(texture) ? texel.bits[c] : std::bit_cast<uint32_t>(texel.value[c]);
}

uint8_t* surface_place(const Texture& surface, Geometry geometry, Outside outside, const uint32_t* coordinates, unsigned bytes) {
  const Image& image = surface.levels[0];
  const bool layered = geometry >= Geometry::kArray1d;
  const int axes = coordinate_count(geometry) - (layered ? 1 : 0);
  const uint64_t limits[3] = {uint64_t{image.width} * surface.element_bytes(), image.height, image.depth};
  const uint64_t steps[3] = {1, image.pitch, image.slice};
  if (layered && coordinates[0] >= image.depth) return nullptr;
  uint64_t offset = layered ? coordinates[0] * image.slice : 0;
  for (int axis = 0; axis < axes; ++axis) {
    auto at = static_cast<int64_t>(static_cast<int32_t>(coordinates[axis + (layered ? 1 : 0)]));
    const auto last = static_cast<int64_t>(limits[axis] - (axis == 0 ? bytes : 1));
    if (outside == Outside::kClamp) at = std::clamp<int64_t>(at, 0, last);
    if (at < 0 || at > last) return nullptr;
    offset += static_cast<uint64_t>(at) * steps[axis];
  }
  return reinterpret_cast<uint8_t*>(image.address + offset);
}

uint32_t query(const Texture& texture, Query what) {
  const Image& image = texture.levels[0];
  switch (what) {
    case Query::kWidth:
      return image.width;
    case Query::kHeight:
      return image.height;
    case Query::kDepth:
    case Query::kLayers:
      return image.depth;
    case Query::kLevels:
      return static_cast<uint32_t>(texture.levels.size());
    case Query::kNormalized:
      return texture.normalized;
    case Query::kChannels:
      return texture.channels;
  }
  return 0;
}

}  // namespace simgpu::exec

// Device code by the hash of its bytes, on disk, shared by the workers of one server: a program's second start sends none of it. The
// dispatcher bounds it (server/bitfusion_server/dispatcher/cache.py).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace bitfusion::worker {

class ImageCache {
 public:
  // An empty path keeps nothing.
  explicit ImageCache(std::string folder) : folder_(std::move(folder)) {}

  // The image of that hash and size; false: not here.
  bool load(const uint8_t hash[32], uint64_t size, std::vector<std::byte>* image) const;
  // Keeps an image under the hash of its bytes, which is computed here. A full or read-only disk only costs speed.
  void store(std::span<const std::byte> image) const;

  static void hash_of(std::span<const std::byte> image, uint8_t hash[32]);

 private:
  std::string path_of(const uint8_t hash[32]) const;

  std::string folder_;
};

}  // namespace bitfusion::worker

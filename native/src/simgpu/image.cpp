#include "simgpu/image.h"

#include <zstd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>

#include "simgpu/lz4.h"
#include "simgpu/state.h"

namespace simgpu {

namespace {

constexpr uint32_t kWrapperMagic = 0x466243b1;
constexpr uint32_t kFatbinMagic = 0xba55ed50;
constexpr uint32_t kElfMagic = 0x464c457f;
constexpr uint16_t kKindPtx = 1;
constexpr uint64_t kFlagLz4 = 0x2000;
constexpr uint64_t kFlagZstd = 0x8000;
constexpr uint64_t kLargestText = 1ull << 31;

struct Wrapper {
  uint32_t magic;
  uint32_t version;
  const void* data;
  const void* file_name;
};

struct FatbinHeader {
  uint32_t magic;
  uint16_t version;
  uint16_t header_size;
  uint64_t size;  // of the entries that follow
};

struct Entry {
  uint16_t kind;
  uint16_t version;
  uint32_t header_size;
  uint64_t payload_size;
  uint32_t compressed_size;
  uint32_t unknown0;
  uint16_t minor, major;
  uint32_t architecture;
  uint32_t name_offset, name_size;
  uint64_t flags;
  uint64_t unknown1;
  uint64_t uncompressed_size;
};
static_assert(sizeof(Entry) == 64 && offsetof(Entry, architecture) == 28 && offsetof(Entry, flags) == 40);

ImageResult failure(CUresult error, std::string message) { return {error, std::move(message), {}}; }

std::string plain_text(const char* data, size_t size) { return std::string(data, strnlen(data, size)); }

// The text of one PTX entry; nullopt: damaged.
std::optional<std::string> entry_text(const Entry& entry, const char* payload) {
  if ((entry.flags & (kFlagLz4 | kFlagZstd)) == 0) return plain_text(payload, entry.payload_size);
  if (entry.uncompressed_size > kLargestText || entry.compressed_size > entry.payload_size) return std::nullopt;
  std::string text(entry.uncompressed_size, '\0');
  if ((entry.flags & kFlagZstd) != 0) {
    const size_t got = ZSTD_decompress(text.data(), text.size(), payload, entry.compressed_size);
    if (ZSTD_isError(got) || got != text.size()) return std::nullopt;
  } else if (!lz4_decompress(payload, entry.compressed_size, text.data(), text.size())) {
    return std::nullopt;
  }
  return plain_text(text.data(), text.size());
}

struct Found {
  const Entry* entry = nullptr;
  const char* payload = nullptr;
  bool others = false;  // entries of other kinds
};

// The PTX entry for the newest architecture that the simulated GPU can run.
Found best_entry(const FatbinHeader* header) {
  Found found;
  const char* place = reinterpret_cast<const char*>(header) + header->header_size;
  const char* end = place + header->size;
  while (place + sizeof(Entry) <= end) {
    const auto* entry = reinterpret_cast<const Entry*>(place);
    const char* payload = place + entry->header_size;
    if (entry->header_size < sizeof(Entry) || entry->payload_size > static_cast<uint64_t>(end - payload)) break;
    const bool usable = entry->kind == kKindPtx && entry->architecture <= kComputeMajor * 10 + kComputeMinor;
    if (!usable) {
      found.others = true;
    } else if (found.entry == nullptr || entry->architecture > found.entry->architecture) {
      found.entry = entry;
      found.payload = payload;
    }
    place = payload + entry->payload_size;
  }
  return found;
}

ImageResult read_fatbin(const FatbinHeader* header) {
  const Found found = best_entry(header);
  if (found.entry == nullptr) {
    return failure(CUDA_ERROR_NO_BINARY_FOR_GPU,
                   found.others ? "the fat binary has no PTX for compute capability 12.0 or lower, only machine code; compile with "
                                  "-arch=compute_XX"
                                : "the fat binary is empty");
  }
  auto text = entry_text(*found.entry, found.payload);
  if (!text) return failure(CUDA_ERROR_INVALID_IMAGE, "a compressed PTX entry of the fat binary is damaged");
  return {CUDA_SUCCESS, "", {std::move(*text)}};
}

std::vector<std::string> split_linked(const std::string& text) {
  std::vector<std::string> parts;
  size_t start = 0;
  for (size_t end; (end = text.find(kLinkSeparator, start)) != std::string::npos; start = end + sizeof kLinkSeparator - 1) {
    parts.push_back(text.substr(start, end - start));
  }
  parts.push_back(text.substr(start));
  return parts;
}

// The first four bytes, fewer if the text is shorter.
uint32_t magic_of(const void* image) {
  uint32_t magic = 0;
  memcpy(&magic, image, strnlen(static_cast<const char*>(image), sizeof magic));
  return magic;
}

}  // namespace

bool is_text(const void* image) {
  const uint32_t magic = magic_of(image);
  return magic != kWrapperMagic && magic != kFatbinMagic && magic != kElfMagic;
}

ImageResult read_image(const void* image) {
  if (image == nullptr) return failure(CUDA_ERROR_INVALID_VALUE, "no image");
  const uint32_t magic = magic_of(image);
  if (magic == kWrapperMagic) return read_image(static_cast<const Wrapper*>(image)->data);
  if (magic == kFatbinMagic) return read_fatbin(static_cast<const FatbinHeader*>(image));
  if (magic == kElfMagic) return failure(CUDA_ERROR_NO_BINARY_FOR_GPU, "the image is machine code (cubin); the simulated GPU runs PTX");
  const char* text = static_cast<const char*>(image);
  return {CUDA_SUCCESS, "", split_linked(text)};
}

ImageResult read_image_sized(const void* image, size_t size) {
  uint32_t magic = 0;
  if (image == nullptr || size == 0) return failure(CUDA_ERROR_INVALID_VALUE, "no image");
  memcpy(&magic, image, std::min(size, sizeof magic));
  if (magic == kFatbinMagic || magic == kWrapperMagic || magic == kElfMagic) return read_image(image);
  return {CUDA_SUCCESS, "", {plain_text(static_cast<const char*>(image), size)}};
}

}  // namespace simgpu

#include "interposer/image.h"

#include <elf.h>

#include <algorithm>
#include <cstring>

namespace bitfusion::interposer {
namespace {

constexpr uint32_t kWrapperMagic = 0x466243B1;
constexpr uint32_t kFatbinMagic = 0xBA55ED50;

struct Wrapper {
  uint32_t magic, version;
  const void* data;
  const void* file_or_prelinked;
};

struct FatbinHeader {
  uint32_t magic;
  uint16_t version, header_size;
  uint64_t size;  // of the entries behind the header
};

template <typename T>
T read(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

size_t elf_size(const void* image) {
  const auto header = read<Elf64_Ehdr>(image);
  size_t end = std::max<size_t>(header.e_shoff + size_t{header.e_shentsize} * header.e_shnum,
                                header.e_phoff + size_t{header.e_phentsize} * header.e_phnum);
  const auto* base = static_cast<const std::byte*>(image);
  for (unsigned i = 0; i < header.e_shnum; ++i) {
    const auto section = read<Elf64_Shdr>(base + header.e_shoff + size_t{i} * header.e_shentsize);
    if (section.sh_type != SHT_NOBITS) end = std::max<size_t>(end, section.sh_offset + section.sh_size);
  }
  return end;
}

// PTX is text: comments and blanks, then ".version".
bool is_text(const char* image) {
  for (int i = 0; i < 16 && image[i]; ++i) {
    const auto c = static_cast<unsigned char>(image[i]);
    if (c >= 0x80 || (c < 0x20 && c != '\n' && c != '\r' && c != '\t')) return false;
  }
  return image[0] != 0;
}

}  // namespace

std::span<const std::byte> find_image(const void* image) {
  uint32_t magic = read<uint32_t>(image);
  if (magic == kWrapperMagic) {
    image = read<Wrapper>(image).data;
    if (!image) return {};
    magic = read<uint32_t>(image);
  }
  const auto* bytes = static_cast<const std::byte*>(image);
  if (magic == kFatbinMagic) {
    const auto header = read<FatbinHeader>(image);
    return {bytes, header.header_size + header.size};
  }
  if (std::memcmp(image, ELFMAG, SELFMAG) == 0) return {bytes, elf_size(image)};
  const auto* text = static_cast<const char*>(image);
  return is_text(text) ? std::span(bytes, std::strlen(text) + 1) : std::span<const std::byte>();
}

}  // namespace bitfusion::interposer

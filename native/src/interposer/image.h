// Device code as programs hand it over: where an image begins and ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace bitfusion::interposer {

// The bytes of an image given by address alone: a fatbin (in its wrapper or bare), an ELF file or PTX text. Empty: none of these.
std::span<const std::byte> find_image(const void* image);

}  // namespace bitfusion::interposer

// What cuModuleLoad* and cuLibraryLoad* are given: PTX text, or a fat binary with PTX among its entries.
#pragma once

#include <string>
#include <vector>

#include "simgpu/api.h"

namespace simgpu {

struct ImageResult {
  CUresult error = CUDA_SUCCESS;
  std::string message;             // for the JIT error log
  std::vector<std::string> texts;  // PTX to be linked together
};

// True for PTX given as text rather than in a fat binary.
bool is_text(const void* image);

// Stands between the texts of a linked image; to PTX it is a comment.
inline constexpr char kLinkSeparator[] = "\n//simgpu: next module\n";

// `image` is whatever the application passed: text ending in NUL, a fat binary, or the runtime's wrapper around one.
ImageResult read_image(const void* image);

// The same with a known size (cuLinkAddData).
ImageResult read_image_sized(const void* image, size_t size);

}  // namespace simgpu

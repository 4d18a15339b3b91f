// SHA-256 (FIPS 180-4), for the names of cached code.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace simgpu::exec {

// The digest of the parts, each preceded by its length, as 64 hexadecimal digits.
std::string sha256_hex(const std::vector<std::string_view>& parts);

}  // namespace simgpu::exec

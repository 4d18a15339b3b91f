// Plain structures of the product's own rows (native/spec/product); both ends are built from them and they are part of the spec hash's
// meaning: change one together with the name of its row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace bitfusion {

namespace wire {
using Bytes = std::span<const std::byte>;
}

// Asks for an image by its hash; the bytes follow only when the server says that it lacks them.
struct LoadRequest {
  uint8_t hash[32];     // SHA-256 of the image
  uint64_t size;        // of the image
  uint32_t as_library;  // 1: cuLibraryLoadData, 0: cuModuleLoadDataEx in the frame's context
  uint32_t has_image;   // 1: the image came with the frame
  uint32_t info_log_size;
  uint32_t error_log_size;
};
static_assert(sizeof(LoadRequest) == 56);

// One JIT option: follows another in ModuleLoad's options.
struct LoadOption {
  uint32_t option;
  uint32_t reserved;
  uint64_t value;  // the option's word, as it stands in the void*
};
static_assert(sizeof(LoadOption) == 16);

// What a link wants of its logs.
struct LinkRequest {
  uint32_t info_log_size;
  uint32_t error_log_size;
};
static_assert(sizeof(LinkRequest) == 8);

// What ModuleLoad's reply begins with when the call succeeded.
enum class LoadOutcome : uint32_t { kLoaded = 0, kNeedImage = 1 };

// Kernels of a module as ModuleLoad and ModuleKernels answer them: `count` of them follow.
struct KernelPage {
  uint32_t complete;  // 1: all of this part of the driver's list are among them
  uint32_t next;      // ModuleKernels gives the rest from here on; 0: that was all
  uint32_t count;
};
static_assert(sizeof(KernelPage) == 12);

struct LaunchShape {
  uint32_t grid[3];
  uint32_t block[3];
  uint32_t shared_bytes;
  uint32_t cooperative;
};
static_assert(sizeof(LaunchShape) == 32);

// All attributes of a kernel on one device; -1 where the driver refuses the attribute.
struct FunctionTable {
  static constexpr size_t kCount = 16;
  int32_t attributes[kCount];
};
static_assert(sizeof(FunctionTable) == 64);

// A three-dimensional copy between device ranges; addresses already include the offsets.
struct CopyBox {
  uint64_t source, source_pitch, source_height;
  uint64_t destination, destination_pitch, destination_height;
  uint64_t width, height, depth;  // width in bytes
};
static_assert(sizeof(CopyBox) == 72);

// What an executable graph says to an update. Nodes by name; 0: none, or one that has no name.
struct GraphUpdateResult {
  uint32_t status;  // of the driver's call: its answer is worth having when it fails, too
  uint32_t result;  // CUgraphExecUpdateResult
  uint64_t error_node;
  uint64_t error_from_node;
};
static_assert(sizeof(GraphUpdateResult) == 24);

}  // namespace bitfusion

// Structures of the interface before CUDA 3.2, whose sizes are 32 bits wide, and their present forms.
#pragma once

#ifndef __CUDA_API_VERSION_INTERNAL
#define __CUDA_API_VERSION_INTERNAL
#endif
#include <cuda.h>

#include <cstdint>
#include <limits>

namespace bitfusion::v1 {

// What does not fit says so by being the largest number.
inline unsigned narrow(uint64_t value) {
  constexpr uint64_t kMost = std::numeric_limits<unsigned>::max();
  return static_cast<unsigned>(value < kMost ? value : kMost);
}

inline CUDA_ARRAY_DESCRIPTOR wide(const CUDA_ARRAY_DESCRIPTOR_v1& old) { return {old.Width, old.Height, old.Format, old.NumChannels}; }
inline CUDA_ARRAY3D_DESCRIPTOR wide(const CUDA_ARRAY3D_DESCRIPTOR_v1& old) {
  return {old.Width, old.Height, old.Depth, old.Format, old.NumChannels, old.Flags};
}
inline CUDA_ARRAY_DESCRIPTOR_v1 narrow(const CUDA_ARRAY_DESCRIPTOR& now) {
  return {narrow(now.Width), narrow(now.Height), now.Format, now.NumChannels};
}
inline CUDA_ARRAY3D_DESCRIPTOR_v1 narrow(const CUDA_ARRAY3D_DESCRIPTOR& now) {
  return {narrow(now.Width), narrow(now.Height), narrow(now.Depth), now.Format, now.NumChannels, now.Flags};
}

inline CUDA_MEMCPY2D wide(const CUDA_MEMCPY2D_v1& old) {
  return {old.srcXInBytes, old.srcY,        old.srcMemoryType, old.srcHost,       old.srcDevice, old.srcArray,
          old.srcPitch,    old.dstXInBytes, old.dstY,          old.dstMemoryType, old.dstHost,   old.dstDevice,
          old.dstArray,    old.dstPitch,    old.WidthInBytes,  old.Height};
}
inline CUDA_MEMCPY3D wide(const CUDA_MEMCPY3D_v1& old) {
  CUDA_MEMCPY3D now = {};
  now.srcXInBytes = old.srcXInBytes;
  now.srcY = old.srcY;
  now.srcZ = old.srcZ;
  now.srcLOD = old.srcLOD;
  now.srcMemoryType = old.srcMemoryType;
  now.srcHost = old.srcHost;
  now.srcDevice = old.srcDevice;
  now.srcArray = old.srcArray;
  now.srcPitch = old.srcPitch;
  now.srcHeight = old.srcHeight;
  now.dstXInBytes = old.dstXInBytes;
  now.dstY = old.dstY;
  now.dstZ = old.dstZ;
  now.dstLOD = old.dstLOD;
  now.dstMemoryType = old.dstMemoryType;
  now.dstHost = old.dstHost;
  now.dstDevice = old.dstDevice;
  now.dstArray = old.dstArray;
  now.dstPitch = old.dstPitch;
  now.dstHeight = old.dstHeight;
  now.WidthInBytes = old.WidthInBytes;
  now.Height = old.Height;
  now.Depth = old.Depth;
  return now;
}

}  // namespace bitfusion::v1

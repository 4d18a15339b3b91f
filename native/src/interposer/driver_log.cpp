// The driver's log is the server's; its lines come here on request.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>

#include "calls/api.h"
#include "calls/remote.h"
#include "interposer/check.h"

namespace bitfusion::interposer::api {
namespace {

constexpr size_t kMostLog = 25600;  // as the header has it

CUresult dump(CUlogIterator* iterator, size_t room, unsigned flags, std::string* text) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, true, &at)) return error;
  transport::Reply reply;
  const uint32_t from = iterator ? *iterator : 0;
  if (CUresult error = remote::LogsDump(at, from, std::min(room, kMostLog), flags, reply)) return error;
  wire::Reader in = reply.in();
  const auto next = in.get<uint32_t>();
  *text = in.text();
  if (!in.ok()) return CUDA_ERROR_DEVICE_UNAVAILABLE;
  if (iterator) *iterator = next;
  return CUDA_SUCCESS;
}

}  // namespace

CUresult cuLogsDumpToMemory(CUlogIterator* iterator, char* buffer, size_t* size, unsigned flags) {
  if (!buffer || !size || !*size) return process().ready() ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_NOT_INITIALIZED;
  std::string text;
  if (CUresult error = dump(iterator, *size, flags, &text)) return error;
  const size_t length = std::min(text.size(), *size - 1);
  std::memcpy(buffer, text.data(), length);
  buffer[length] = 0;
  *size = length;
  return CUDA_SUCCESS;
}

CUresult cuLogsDumpToFile(CUlogIterator* iterator, const char* path, unsigned flags) {
  if (!path) return process().ready() ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_NOT_INITIALIZED;
  std::string text;
  if (CUresult error = dump(iterator, kMostLog, flags, &text)) return error;
  std::FILE* file = std::fopen(path, "ae");
  if (!file) return CUDA_ERROR_OPERATING_SYSTEM;
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  return std::fclose(file) == 0 && written ? CUDA_SUCCESS : CUDA_ERROR_OPERATING_SYSTEM;
}

}  // namespace bitfusion::interposer::api

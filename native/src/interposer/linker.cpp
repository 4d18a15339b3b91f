// The JIT linker.
#include <cstring>

#include "calls/api.h"
#include "calls/remote.h"
#include "interposer/check.h"
#include "interposer/code.h"

namespace bitfusion::interposer::api {
namespace {

// Lives until cuLinkDestroy; the application looks at its image and its logs until then.
struct Link {
  Logs logs;
  std::vector<char> image;
  std::mutex mutex;
};

Link* find_link(CUlinkState state) {
  Slot* slot = handles().find(to_name(state), Handle::kLinkState);
  return slot ? static_cast<Link*>(slot->object) : nullptr;
}

CUresult start(CUlinkState state, Caller* at, Link** link) {
  if (CUresult error = enter(Scope::kContext, true, at)) return error;
  *link = find_link(state);
  return *link ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

// What the linker has written so far.
void read_logs(wire::Reader& in, Link* link) {
  read_log(in, &link->logs.info);
  read_log(in, &link->logs.error);
}

CUresult create(unsigned count, CUjit_option* options, void** values, CUlinkState* out) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, true, &at)) return error;
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  auto link = std::make_unique<Link>();
  std::vector<LoadOption> plain;
  if (CUresult error = read_options(count, options, values, &link->logs, &plain)) return error;
  const LinkRequest request = {link->logs.info.room, link->logs.error.room};
  const uint64_t name = handles().mint(Handle::kLinkState, at.context, 0, link.get());
  const CUresult status = remote::LinkCreate(at, name, request, std::as_bytes(std::span(plain)));
  if (status == CUDA_SUCCESS) link.release();
  keep_or_drop(status, name, out);
  return status;
}

CUresult add(CUlinkState state, CUjitInputType kind, wire::Bytes data, const char* name, unsigned count, CUjit_option* options,
             void** values) {
  Caller at;
  Link* link;
  if (CUresult error = start(state, &at, &link)) return error;
  if (data.empty()) return CUDA_ERROR_INVALID_VALUE;
  Logs ignored;
  std::vector<LoadOption> plain;
  if (CUresult error = read_options(count, options, values, &ignored, &plain)) return error;
  std::lock_guard lock(link->mutex);
  transport::Reply reply;
  const CUresult status =
      remote::LinkAdd(at, to_name(state), static_cast<uint32_t>(kind), name ? name : "", std::as_bytes(std::span(plain)), data, reply);
  wire::Reader in = reply.in();
  read_logs(in, link);
  return status;
}

CUresult add_data(CUlinkState state, CUjitInputType kind, void* data, size_t size, const char* name, unsigned count, CUjit_option* options,
                  void** values) {
  if (!data || !size) return process().ready() ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_NOT_INITIALIZED;
  return add(state, kind, {static_cast<const std::byte*>(data), size}, name, count, options, values);
}

// The server cannot see this machine's files.
CUresult add_file(CUlinkState state, CUjitInputType kind, const char* path, unsigned count, CUjit_option* options, void** values) {
  if (!process().ready()) return CUDA_ERROR_NOT_INITIALIZED;
  if (!path) return CUDA_ERROR_INVALID_VALUE;
  const std::vector<char> file = read_file(path);
  if (file.empty()) return CUDA_ERROR_FILE_NOT_FOUND;
  const size_t size = file.size() - (kind == CU_JIT_INPUT_PTX ? 0 : 1);  // only text ends with a zero
  return add(state, kind, std::as_bytes(std::span(file.data(), size)), path, count, options, values);
}

}  // namespace

CUresult cuLinkCreate(unsigned count, CUjit_option* options, void** values, CUlinkState* out) {
  return create(count, options, values, out);
}
CUresult cuLinkCreate_v2(unsigned count, CUjit_option* options, void** values, CUlinkState* out) {
  return create(count, options, values, out);
}
CUresult cuLinkAddData(CUlinkState state, CUjitInputType kind, void* data, size_t size, const char* name, unsigned count,
                       CUjit_option* options, void** values) {
  return add_data(state, kind, data, size, name, count, options, values);
}
CUresult cuLinkAddData_v2(CUlinkState state, CUjitInputType kind, void* data, size_t size, const char* name, unsigned count,
                          CUjit_option* options, void** values) {
  return add_data(state, kind, data, size, name, count, options, values);
}
CUresult cuLinkAddFile(CUlinkState state, CUjitInputType kind, const char* path, unsigned count, CUjit_option* options, void** values) {
  return add_file(state, kind, path, count, options, values);
}
CUresult cuLinkAddFile_v2(CUlinkState state, CUjitInputType kind, const char* path, unsigned count, CUjit_option* options, void** values) {
  return add_file(state, kind, path, count, options, values);
}

CUresult cuLinkComplete(CUlinkState state, void** out, size_t* size) {
  Caller at;
  Link* link;
  if (CUresult error = start(state, &at, &link)) return error;
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  std::lock_guard lock(link->mutex);
  link->image.clear();
  for (uint64_t total = 1; link->image.size() < total;) {
    transport::Reply reply;
    const CUresult status = remote::LinkComplete(at, to_name(state), link->image.size(), reply);
    wire::Reader in = reply.in();
    read_logs(in, link);
    if (status != CUDA_SUCCESS) return status;
    total = in.get<uint64_t>();
    const auto part = in.blob();
    if (!in.ok() || part.empty()) return CUDA_ERROR_DEVICE_UNAVAILABLE;
    const auto* bytes = reinterpret_cast<const char*>(part.data());
    link->image.insert(link->image.end(), bytes, bytes + part.size());
  }
  *out = link->image.data();
  if (size) *size = link->image.size();
  return CUDA_SUCCESS;
}

CUresult cuLinkDestroy(CUlinkState state) {
  Caller at;
  Link* link;
  if (CUresult error = enter(Scope::kContext, false, &at)) return error;
  link = find_link(state);
  if (!link) return CUDA_ERROR_INVALID_HANDLE;
  handles().drop(to_name(state));
  delete link;
  return remote::LinkDestroy(at, to_name(state));
}

}  // namespace bitfusion::interposer::api

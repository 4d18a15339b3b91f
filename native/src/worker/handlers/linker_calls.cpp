// The JIT linker.
#include <algorithm>

#include "calls/calls.h"
#include "worker/handlers/jit_options.h"

namespace bitfusion::worker {

// A link under way. The driver writes to its logs until it is destroyed.
struct Linking {
  Linking(wire::Bytes plain, const LinkRequest& request) : options(plain, request.info_log_size, request.error_log_size) {}
  JitOptions options;
  CUlinkState state = nullptr;
  std::string_view image;  // the driver's own, once it is complete
};

namespace calls {
namespace {

// Every answer begins with the logs.
void put_logs(Call& call, const Linking& link) {
  call.reply.text(link.options.info());
  call.reply.text(link.options.error());
}

Linking* find(Call& call, CUlinkState state) { return state_of(call).links.find(state); }

}  // namespace

CUresult LinkCreate(Call& call, uint64_t name, LinkRequest request, wire::Bytes plain) {
  State& state = state_of(call);
  if (!state.cuda.cuLinkCreate_v2) return CUDA_ERROR_NOT_SUPPORTED;
  auto link = std::make_shared<Linking>(plain, request);
  JitOptions& options = link->options;
  if (CUresult error = state.cuda.cuLinkCreate_v2(options.count(), options.keys(), options.values(), &link->state)) return error;
  state.objects.add(name, Handle::kLinkState, link->state);
  state.links.add(link->state, std::move(link));
  return CUDA_SUCCESS;
}

CUresult LinkAdd(Call& call, CUlinkState handle, uint32_t kind, const std::string& name, wire::Bytes plain, wire::Bytes data) {
  State& state = state_of(call);
  Linking* link = find(call, handle);
  if (!link) return CUDA_ERROR_INVALID_HANDLE;
  JitOptions options(plain, 0, 0);
  std::vector<std::byte> ended(data.begin(), data.end());
  ended.resize(ended.size() + 1);  // PTX is text; whatever it is, it must end
  const CUresult status = state.cuda.cuLinkAddData_v2(handle, static_cast<CUjitInputType>(kind), ended.data(), data.size(), name.c_str(),
                                                      options.count(), options.keys(), options.values());
  put_logs(call, *link);
  return status;
}

CUresult LinkComplete(Call& call, CUlinkState handle, uint64_t offset) {
  constexpr size_t kPart = 384u << 10;  // beside two logs
  State& state = state_of(call);
  Linking* link = find(call, handle);
  if (!link) return CUDA_ERROR_INVALID_HANDLE;
  void* image = nullptr;
  size_t size = 0;
  const CUresult status = link->image.empty() ? state.cuda.cuLinkComplete(handle, &image, &size) : CUDA_SUCCESS;
  if (image) link->image = {static_cast<const char*>(image), size};
  put_logs(call, *link);
  if (status != CUDA_SUCCESS) return status;
  call.reply.put<uint64_t>(link->image.size());
  call.reply.text(link->image.substr(std::min<size_t>(offset, link->image.size()), kPart));
  return CUDA_SUCCESS;
}

CUresult LinkDestroy(Call& call, uint64_t name) {
  State& state = state_of(call);
  CUlinkState handle;
  if (!state.objects.find(name, Handle::kLinkState, &handle)) return CUDA_ERROR_INVALID_HANDLE;
  state.objects.remove(name, Handle::kLinkState);
  const CUresult status = state.cuda.cuLinkDestroy(handle);
  state.links.remove(handle);
  return status;
}

}  // namespace calls
}  // namespace bitfusion::worker

// What NVML needs of the process's connection.
#pragma once

#include <cstdint>
#include <string_view>

#include "bitfusion/nvml_api.h"
#include "transport/link.h"

namespace bitfusion::interposer::nvml {

// Connects if the process has not yet. NVML_SUCCESS also when the lease has no GPU.
nvmlReturn_t connect();
// GPUs of the lease.
unsigned device_count();
// Frames this process has sent, answers to questions included.
uint64_t frames_sent();
// One round trip; `questions` as in bitfusion/nvml_wire.h.
nvmlReturn_t ask_server(std::string_view questions, transport::Reply* answers);

}  // namespace bitfusion::interposer::nvml

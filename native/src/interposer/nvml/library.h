// The library's own state: its reference count and the handles it gives out.
#pragma once

#include "bitfusion/nvml_api.h"

namespace bitfusion::interposer::nvml {

bool initialised();

// A handle names the device's place in the lease.
nvmlDevice_t handle_of(unsigned ordinal);
// The place, or why the handle cannot be used.
nvmlReturn_t ordinal_of(nvmlDevice_t device, unsigned* ordinal);

}  // namespace bitfusion::interposer::nvml

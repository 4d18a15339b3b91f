#pragma once

#include <vector>

#include "bitfusion/nvml_api.h"

namespace bitfusion::interposer::nvml {

// The session's processes on a device that this process may see.
nvmlReturn_t list_processes(nvmlDevice_t device, std::vector<nvmlProcessInfo_t>* processes);
// The program of a process of this machine.
nvmlReturn_t process_name(unsigned pid, char* name, unsigned length);

}  // namespace bitfusion::interposer::nvml

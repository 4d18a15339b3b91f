// nvml.h as an implementer needs it: every declaration exported, no macro that renames an old function to its newest version.
#pragma once

#ifndef NVML_NO_UNVERSIONED_FUNC_DEFS
#define NVML_NO_UNVERSIONED_FUNC_DEFS
#endif

#pragma GCC visibility push(default)
#include <nvml.h>
#pragma GCC visibility pop

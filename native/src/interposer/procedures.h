// The table behind cuGetProcAddress, generated.
#pragma once

#include <cstddef>

namespace bitfusion::interposer {

// One variant of an entry point. Entries are sorted by base name; of one name the newest comes first.
struct Procedure {
  const char* name;      // without version suffix
  int since;             // CUDA version of the variant
  int per_thread_since;  // of its per-thread form; 0: it has none
  void* function;
  void* per_thread;
};

extern const Procedure kProcedures[];
extern const size_t kProcedureCount;

}  // namespace bitfusion::interposer

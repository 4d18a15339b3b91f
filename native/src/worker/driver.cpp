#include "worker/driver.h"

#include <dlfcn.h>

#include <stdexcept>

namespace bitfusion::worker {

Driver Driver::load(const std::string& library) {
  Driver driver;
  driver.handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!driver.handle) throw std::runtime_error("cannot load the CUDA driver: " + std::string(dlerror()));
  auto look_up = [&](const char* symbol) {
    void* address = dlsym(driver.handle, symbol);
    if (!address) throw std::runtime_error("the CUDA driver " + library + " lacks " + symbol);
    return address;
  };
#define BITFUSION_LOOK_UP(member, symbol, declaration) driver.member = reinterpret_cast<decltype(driver.member)>(look_up(symbol));
  BITFUSION_EXECUTOR_DRIVER(BITFUSION_LOOK_UP)
#undef BITFUSION_LOOK_UP
  return driver;
}

}  // namespace bitfusion::worker

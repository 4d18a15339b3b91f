// The smallest test frame: named functions, CHECK with file and line, all in one table per executable.
#pragma once

#include <cstdio>
#include <cstdlib>

#define CHECK(condition)                                                                 \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: CHECK failed: %s\n", __FILE__, __LINE__, #condition); \
      std::_Exit(1);                                                                     \
    }                                                                                    \
  } while (false)

struct TestCase {
  const char* name;
  void (*run)();
};

template <size_t kCount>
int run_tests(const TestCase (&cases)[kCount]) {
  for (const TestCase& test : cases) {
    std::fprintf(stderr, "%s\n", test.name);
    test.run();
  }
  std::fprintf(stderr, "%zu passed\n", kCount);
  std::_Exit(0);  // sessions' detached threads are not waited for
}

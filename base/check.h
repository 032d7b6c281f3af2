// Broken invariants stop the process, in every build.
#pragma once

#include <string_view>

namespace gossamer {

// Prints the condition, place and message to stderr and aborts.
[[noreturn]] void fail_check(const char* condition, const char* file, int line, std::string_view message);

}  // namespace gossamer

#define GOSSAMER_CHECK(condition, message)                               \
  do {                                                                   \
    if (!(condition)) [[unlikely]]                                       \
      ::gossamer::fail_check(#condition, __FILE__, __LINE__, (message)); \
  } while (false)

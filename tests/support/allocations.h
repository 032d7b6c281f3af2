// Counts what this program allocates by operator new. UCX allocates with malloc, which is not counted.
#pragma once

#include <cstddef>

namespace gossamer::testing {

[[nodiscard]] std::size_t allocation_count();

}  // namespace gossamer::testing

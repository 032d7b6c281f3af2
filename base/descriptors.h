// File descriptors are few, and libraries that run out of them abort or lose connections.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.h"

namespace gossamer {

// out_of_resources, with the numbers and the remedy, where this process may open fewer than `needed` more descriptors
// for `purpose`. Reads /proc/self/fd; where that cannot be read for another reason than that, there is room.
[[nodiscard]] Status check_descriptor_room(std::string_view purpose, std::size_t needed);

// Raises this process's soft limit to `needed` where it is lower, as far as the hard limit allows. Children inherit it.
void raise_descriptor_limit(std::size_t needed);

}  // namespace gossamer

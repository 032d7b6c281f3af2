// What flags that take names may be, and the C interface's numbers of these names: asked of the catalogues.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/runtime.h"

namespace gossamer::tools {

// Of the fields algorithm, schedule, cells, values (of any algorithm) and each of runtime::all_options; null for
// others.
[[nodiscard]] const std::vector<runtime::Choice>* find_choices(std::string_view field);

// Of a field that has choices, as CLI::IsMember takes them.
[[nodiscard]] std::vector<std::string> choice_names(std::string_view field);
// "gs-sgd, shared-top-k, top-k or dense".
[[nodiscard]] std::string choice_words(std::string_view field);
// The name must be one of them.
[[nodiscard]] std::int32_t choice_number(std::string_view field, std::string_view name);

}  // namespace gossamer::tools

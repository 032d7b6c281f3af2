// Text of SVG documents.
#pragma once

#include <string>
#include <string_view>

namespace gossamer::tools {

// Text that stands between tags or in an attribute; control characters, which XML does not know, are left out.
[[nodiscard]] std::string svg_escape(std::string_view raw);

}  // namespace gossamer::tools

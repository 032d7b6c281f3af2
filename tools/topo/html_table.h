// Tables of HTML from text that nobody has looked at.
#pragma once

#include <string>
#include <vector>

namespace gossamer::tools {

// Columns that hold numbers stand to the right: a column's heading begins with '#' then, which is not shown. Cells are
// escaped.
[[nodiscard]] std::string html_table(const std::string& caption, const std::vector<std::string>& headings,
                                     const std::vector<std::vector<std::string>>& rows);

// Text between tags or in quotes.
[[nodiscard]] std::string html_escape(const std::string& raw);

}  // namespace gossamer::tools

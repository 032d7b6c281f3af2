#include "tools/topo/html_table.h"

#include "base/base.h"
#include "tools/command/svg.h"

namespace gossamer::tools {

std::string html_escape(const std::string& raw) { return svg_escape(raw); }

std::string html_table(const std::string& caption, const std::vector<std::string>& headings,
                       const std::vector<std::vector<std::string>>& rows) {
  if (rows.empty()) return text("<p class=\"lead\">", html_escape(caption), ": nothing to show.</p>\n");
  const auto attribute = [&](std::size_t column) { return headings[column].starts_with('#') ? " class=\"n\"" : ""; };
  std::string out = text("<div class=\"scroll\"><table><caption>", html_escape(caption), "</caption><thead><tr>");
  for (std::size_t i = 0; i < headings.size(); ++i) {
    const std::string shown = headings[i].starts_with('#') ? headings[i].substr(1) : headings[i];
    append(out, "<th scope=\"col\"", attribute(i), '>', html_escape(shown), "</th>");
  }
  out += "</tr></thead><tbody>\n";
  for (const std::vector<std::string>& row : rows) {
    out += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i) {
      const char* tag = i == 0 ? "th" : "td";
      append(out, '<', tag, i == 0 ? " scope=\"row\"" : "", attribute(i), '>', html_escape(row[i]), "</", tag, '>');
    }
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

}  // namespace gossamer::tools

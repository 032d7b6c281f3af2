// The files beside this one, as the build has put them into the program (cmake/EmbedText.cmake).
#pragma once

#include <string_view>

namespace gossamer::tools::page {

extern const std::string_view page_html;  // @name@ is a place to be filled
extern const std::string_view page_css;
extern const std::string_view data_js;  // scripts, in the order in which they run
extern const std::string_view heat_map_js;
extern const std::string_view chart_js;
extern const std::string_view tier_tree_js;
extern const std::string_view page_js;

}  // namespace gossamer::tools::page

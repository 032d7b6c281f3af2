// Where a command's results go: places are looked at before the work begins, files are written whole or not at all, and
// what cannot be written in the end is not lost.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "base/base.h"

namespace gossamer::tools {

// Whether `path` can be written, as far as that can be known before; "" and "-", which is stdout, can. Leaves nothing
// behind and an existing file as it is. Errors: unavailable.
[[nodiscard]] Status check_writable(const std::string& path);

// Writes the whole content, or says why not. A file appears with all its content or, as when the disk fills up, stays
// what it was; a folder in which nothing can be made, and what is no file (a pipe, a device), are written in place. "-"
// is stdout. Errors: unavailable.
[[nodiscard]] Status write_whole(const std::string& path, std::string_view content);

// Makes the folder, and its parents, where they are missing. Errors: unavailable, also where nothing may be written.
[[nodiscard]] Status make_output_folder(const std::string& folder);

// Indented, with a newline at its end. Never fails: bytes that are no UTF-8, as a path may have, become U+FFFD.
[[nodiscard]] std::string json_text(const nlohmann::json& document);

// Files that a person named for a command's results; empty: not wanted. JSON to "-" takes the place of the table.
struct ResultPaths {
  std::string json;
  std::string plot;
};
[[nodiscard]] Status check_writable(const ResultPaths& paths);

// Prints the table and writes both files. Each is tried, whatever became of the one before; what had no way out goes to
// stderr: the table where stdout took nothing, else the document. Errors: the first one's.
[[nodiscard]] Status publish(const ResultPaths& paths, const std::string& table, const nlohmann::json& document,
                             const std::function<std::string()>& svg = {});

}  // namespace gossamer::tools

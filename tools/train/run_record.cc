#include "tools/train/run_record.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace gossamer::tools {

RunRecord::RunRecord(std::string algorithm)
    : run_({{"algorithm", algorithm},
            {"rows", nlohmann::json::array()},
            {"summary", {{"algorithm", algorithm}, {"finished", false}}}}) {}

void RunRecord::take(const nlohmann::json& note) {
  if (note.contains("row")) run_["rows"].push_back(note.at("row"));
  if (note.contains("summary")) run_["summary"].update(note.at("summary"));
}

bool RunRecord::is_finished() const { return run_.at("summary").at("finished").get<bool>(); }

Status append_note(int descriptor, const nlohmann::json& note) {
  const std::string line = note.dump() + "\n";
  for (std::size_t at = 0; at < line.size();) {
    const ssize_t wrote = ::write(descriptor, line.data() + at, line.size() - at);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0)
      return Error{Code::unavailable, text("cannot hand the result to the parent: ", std::strerror(errno))};
    at += static_cast<std::size_t>(wrote);
  }
  return {};
}

RunRecord read_notes(int descriptor, const std::string& algorithm) {
  RunRecord out(algorithm);
  std::string line;
  char bytes[16 * 1024];
  for (off_t at = 0;;) {
    const ssize_t got = ::pread(descriptor, bytes, sizeof bytes, at);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return out;
    at += got;
    for (const char each : std::string_view(bytes, static_cast<std::size_t>(got))) {
      if (each != '\n') {
        line += each;
        continue;
      }
      const nlohmann::json note = nlohmann::json::parse(line, nullptr, false);
      if (note.is_object()) out.take(note);
      line.clear();
    }
  }
}

}  // namespace gossamer::tools

// What is known of a training run while it goes on, so that a run that fails late still has its finished epochs.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "base/base.h"

namespace gossamer::tools {

// Takes each note of a run: {"row": one epoch's, "summary": what that changes}; either may be missing. Errors are those
// of keeping it.
using TakeNote = std::function<Status(const nlohmann::json& note)>;

// A run as its notes make it: {"algorithm", "rows": [...], "summary": {...}}. The summary says "finished" once the run
// has ended well, and has fewer keys before that.
class RunRecord {
 public:
  explicit RunRecord(std::string algorithm);

  void take(const nlohmann::json& note);
  [[nodiscard]] bool is_finished() const;
  [[nodiscard]] std::size_t epochs() const { return run_.at("rows").size(); }
  [[nodiscard]] const nlohmann::json& run() const { return run_; }

 private:
  nlohmann::json run_;
};

// Appends a note to a file, one line each; what a dying process leaves of its last line is no note.
[[nodiscard]] Status append_note(int descriptor, const nlohmann::json& note);
[[nodiscard]] RunRecord read_notes(int descriptor, const std::string& algorithm);

}  // namespace gossamer::tools

// What runs on each host of a job: starts its ranks, passes their lines on, and leaves nothing behind. frames.h draws
// what it says and hears.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace gossamer::tools {

// The words behind "ssh HOST": a shell there takes `program`, where this command is here, or else gossamer in PATH.
[[nodiscard]] std::string agent_command(const std::string& program);

// Serves the launcher at the other ends of descriptors 0 and 1 until its ranks have ended, or kills them when the
// connection ends, says nothing for too long, or this process is told to end. `sweep` is called last. Returns the exit
// status.
[[nodiscard]] int serve_launcher(const std::function<void()>& sweep);

}  // namespace gossamer::tools

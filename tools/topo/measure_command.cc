#include <CLI/CLI.hpp>
#include <memory>

#include "tools/command/exit_codes.h"
#include "tools/command/results.h"
#include "tools/topo/topo_command.h"

namespace gossamer::tools {

Action add_topo_measure(CLI::App& app) {
  auto out = std::make_shared<std::string>();
  app.add_option("-o,--out", *out, "the file that is written")->required();
  return [out] { return complain("topo measure", "this build cannot measure", exit_failure); };
}

}  // namespace gossamer::tools

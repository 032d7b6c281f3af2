#include <CLI/CLI.hpp>
#include <memory>

#include "tools/command/commands.h"
#include "tools/command/exit_codes.h"
#include "tools/command/results.h"
#include "tools/trace/merge_traces.h"

namespace gossamer::tools {
namespace {

struct MergeConfig {
  std::vector<std::string> files;
  std::string out = "-";
};

int run_merge(const MergeConfig& config) {
  const Status writable = check_writable(config.out);
  if (!writable.ok()) return complain("trace merge", writable.error().message, exit_failure);
  const Result<nlohmann::json> merged = merge_traces(config.files);
  if (!merged.ok()) return complain("trace merge", merged.error().message, exit_data);
  const Status written =
      write_whole(config.out, merged->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  return written.ok() ? exit_success : complain("trace merge", written.error().message, exit_failure);
}

}  // namespace

Action add_trace_command(CLI::App& app) {
  auto config = std::make_shared<MergeConfig>();
  app.require_subcommand(1);
  CLI::App* merge = app.add_subcommand("merge", "one file of all ranks' files, for Perfetto or chrome://tracing");
  merge->add_option("files", config->files, "what the ranks wrote for GOSSAMER_TRACE")->required();
  merge->add_option("-o,--output", config->out, "write to this file; - is stdout")->capture_default_str();
  return [config] { return run_merge(*config); };
}

}  // namespace gossamer::tools

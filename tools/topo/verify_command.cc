#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "tools/command/exit_codes.h"
#include "tools/command/log_level.h"
#include "tools/command/report.h"
#include "tools/command/results.h"
#include "tools/command/sizes.h"
#include "tools/topo/topo_command.h"
#include "tools/topo/verify.h"
#include "topology/text_file.h"

namespace gossamer::tools {
namespace {

constexpr const char* command = "topo verify";

struct VerifyFlags {
  VerifyConfig config;
  std::string collective = "all-reduce";
  std::vector<std::string> sizes;
  double fail_above = 0.0;
  std::string json;
};

Status read_flags(VerifyFlags& flags) {
  GOSSAMER_ASSIGN(flags.config.collective, topology::parse_collective(flags.collective));
  for (const std::string& each : flags.sizes) {
    GOSSAMER_ASSIGN(const auto bytes, parse_size(each));
    if (bytes == 0 || bytes % 4 != 0)
      return Error{Code::invalid_argument,
                   text("--sizes: ", each, " is no number of 32-bit words, and these are added")};
    flags.config.sizes.push_back(bytes);
  }
  return {};
}

int run(VerifyFlags flags) {
  Status status = read_flags(flags);
  if (!status.ok()) return complain(command, status.error().message, exit_usage);
  const auto level = log_level();
  if (!level.ok()) return complain(command, level.error().message, exit_usage);
  set_log_sink(*level, [](LogLevel, std::string_view message) {
    std::fputs(text("gossamer: ", message, "\n").c_str(), stderr);
  });
  status = check_writable(flags.json);
  if (!status.ok()) return complain(command, status.error().message, exit_failure);
  const auto content = topology::read_text_file("topology", flags.config.topology);
  if (!content.ok()) return complain(command, content.error().message, exit_data);
  const auto file = topology::parse_topology_file(*content, flags.config.topology);
  if (!file.ok()) return complain(command, text("topology file ", file.error().message), exit_data);

  auto session = runtime::Session::join({{"topology", flags.config.topology}});
  if (!session.ok()) {
    const Error& error = session.error();
    return complain(command, text(error.message, " [", code_name(error.code), "]"),
                    error.code == Code::invalid_argument ? exit_data : exit_failure);
  }
  if ((*session)->rank_count() < 2)
    return complain(command,
                    "one rank has nothing to exchange: start it on all, as in gossamer run -n 4 -- gossamer "
                    "topo verify ...",
                    exit_usage);
  const auto sizes = verify(**session, flags.config, *file);
  if (!sizes.ok())
    return complain(command, text(sizes.error().message, " [", code_name(sizes.error().code), "]"), exit_failure);
  const std::uint32_t ranks = (*session)->rank_count();
  int exit_code = exit_success;
  if ((*session)->rank() == Rank{0}) {
    const Status told = publish({flags.json, {}}, verify_text(*sizes, flags.config, ranks),
                                verify_document(*sizes, flags.config, ranks, environment_json()));
    if (!told.ok()) exit_code = complain(command, told.error().message, exit_failure);
    const double worst = worst_ratio(*sizes);
    if (flags.fail_above > 0 && worst > flags.fail_above)
      exit_code =
          complain(command,
                   text("what is recommended takes ", format_number(worst, 2),
                        " times as long as the best fixed schedule; allowed are ", format_number(flags.fail_above, 2)),
                   exit_failure);
  }
  return exit_code;
}

}  // namespace

Action add_topo_verify(CLI::App& app) {
  auto flags = std::make_shared<VerifyFlags>();
  app.add_option("--topology", flags->config.topology, "file of gossamer topo recommend")->required();
  app.add_option("--collective", flags->collective, "all-reduce, all-gather, broadcast, reduce-scatter or reduce")
      ->capture_default_str();
  app.add_option("--sizes", flags->sizes, "of the payload, as in 1K,64K,1M; without it those of the file, to 4 MiB")
      ->delimiter(',');
  app.add_option("--turns", flags->config.turns, "how often each takes its turn")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app.add_option("--turn-ms", flags->config.turn_ms, "how long a turn repeats an operation")
      ->check(CLI::Range(0.0, 60'000.0))
      ->capture_default_str();
  app.add_option(
      "--fail-above", flags->fail_above,
      "end with 1 where what is recommended takes more than so many times as long as the best fixed schedule");
  app.add_option("--json", flags->json, "write every row to this file; - is stdout");
  return [flags] { return run(*flags); };
}

}  // namespace gossamer::tools

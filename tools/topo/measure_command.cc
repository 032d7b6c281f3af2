#include <CLI/CLI.hpp>
#include <memory>

#include "tools/command/exit_codes.h"
#include "tools/command/sizes.h"
#include "tools/topo/measure_session.h"
#include "tools/topo/topo_command.h"

namespace gossamer::tools {
namespace {

struct MeasureFlags {
  MeasureRequest request;
  std::string sizes = "8:4M";
  std::string load = "both";
  double pair_s = 1.0;
};

// The least size, then four to eight times the one before, then the largest: more where bandwidth counts.
Result<std::vector<std::uint64_t>> sizes_of(const std::string& words) {
  GOSSAMER_ASSIGN(const SizeRange range, parse_size_range(words));
  if (range.from == 0) return Error{Code::invalid_argument, "--sizes: a message has at least 1 byte"};
  if (range.to > std::uint64_t{1} << 30) return Error{Code::invalid_argument, "--sizes: expected at most 1G"};
  std::vector<std::uint64_t> sizes;
  for (std::uint64_t bytes = range.from; bytes < range.to; bytes *= bytes < 4'096 ? 8 : 4) sizes.push_back(bytes);
  sizes.push_back(range.to);
  return sizes;
}

int run_measure(MeasureFlags& flags) {
  MeasureOptions& options = flags.request.options;
  auto sizes = sizes_of(flags.sizes);
  if (!sizes.ok()) return complain("topo measure", sizes.error().message, exit_usage);
  options.work.sizes = std::move(*sizes);
  options.pair_ns = static_cast<std::uint64_t>(flags.pair_s * 1e9);
  options.idle = flags.load != "loaded";
  options.loaded = flags.load != "idle";
  return measure_in_session(flags.request);
}

}  // namespace

Action add_topo_measure(CLI::App& app) {
  auto flags = std::make_shared<MeasureFlags>();
  MeasureRequest& request = flags->request;
  app.add_option("-o,--out", request.out, "the file that is written, of gossamer.topo/1; - is stdout")->required();
  app.add_option("--csv", request.csv, "a table of the same as well");
  app.add_option("--resume", request.resume, "measure only what this file of the same cluster lacks");
  app.add_option("--sizes", flags->sizes, "of messages: least and largest")->capture_default_str();
  app.add_option("--load", flags->load, "idle, loaded or both: what the other ranks do meanwhile")
      ->check(CLI::IsMember({"idle", "loaded", "both"}))
      ->capture_default_str();
  app.add_option("--sample", request.options.fraction, "this part of all pairs, drawn at random")
      ->check(CLI::Range(0.0001, 1.0))
      ->capture_default_str();
  app.add_option("--seed", request.options.seed, "of that drawing")->capture_default_str();
  app.add_option("--time", flags->pair_s, "seconds for each pair, both directions, and for each round under load")
      ->check(CLI::Range(0.01, 3'600.0))
      ->capture_default_str();
  app.add_option("--retest", request.options.retested, "measure again at most this part of the pairs")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--memory", request.memory, "host or cuda: where messages lie")
      ->check(CLI::IsMember({"host", "cuda"}))
      ->capture_default_str();
  app.footer(
      "Every rank of a job runs it, under any launcher: gossamer run -n 8 -- gossamer topo measure --out m.json.\n"
      "Pairs that share a machine are measured one after the other, others of a round at the same time.");
  return [flags] { return run_measure(*flags); };
}

}  // namespace gossamer::tools

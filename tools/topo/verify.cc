#include "tools/topo/verify.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>

#include "sketch/sketch.h"
#include "tools/command/progress.h"
#include "tools/command/report.h"

namespace gossamer::tools {
namespace {

constexpr std::uint64_t limit_ns = 120'000'000'000;
constexpr std::uint32_t repeats_max = 200;
constexpr std::uint64_t usual_bytes_max = std::uint64_t{4} << 20;
constexpr std::size_t warm_ups = 3;

runtime::CollectiveKind kind_of(topology::Collective collective) {
  const auto* const row = std::find_if(
      runtime::all_collectives.begin(), runtime::all_collectives.end(),
      [&](const runtime::CollectiveRow& each) { return each.name == topology::collective_name(collective); });
  return row->kind;
}

// One that takes turns, and its plan.
struct Entry {
  Contender contender;
  runtime::Collective* collective = nullptr;
  std::uint32_t repeats = 1;
};

class Verifier {
 public:
  Verifier(runtime::Session& session, const VerifyConfig& config, const topology::TopologyFile& file)
      : session_(session), config_(config), file_(file), progress_(session.rank() == Rank{0}) {}

  Result<std::vector<VerifiedSize>> run() {
    const std::vector<std::uint64_t> sizes =
        config_.sizes.empty() ? sizes_to_verify(file_, config_.collective) : config_.sizes;
    std::vector<VerifiedSize> all;
    for (const std::uint64_t bytes : sizes) {
      progress_.update("verify", all.size(), sizes.size(), format_bytes(bytes));
      GOSSAMER_ASSIGN(auto verified, verify_size(bytes));
      all.push_back(std::move(verified));
    }
    progress_.finish_line(text("verified ", sizes.size(), " sizes"));
    return all;
  }

 private:
  Result<VerifiedSize> verify_size(std::uint64_t bytes) {
    memory_.assign(std::max<std::uint64_t>(bytes / sizeof(std::uint32_t), 1), 0);
    std::vector<Entry> entries;
    const Status measured = [&]() -> Status {
      GOSSAMER_TRY(make_entries(bytes, entries));
      GOSSAMER_TRY(warm_up(entries));
      return take_turns(entries);
    }();
    for (const Entry& each : entries)
      if (each.collective != nullptr) session_.destroy_collective(each.collective);
    GOSSAMER_TRY(measured);
    VerifiedSize made;
    made.bytes = bytes;
    const topology::ExpectedTime expected = expected_at(file_, config_.collective, bytes);
    made.predicted_us = expected.here_us;
    made.predicted_default_us = expected.otherwise_us;
    for (Entry& each : entries) {
      made.repeats = std::max(made.repeats, each.repeats);
      made.contenders.push_back(std::move(each.contender));
    }
    return made;
  }

  Status make_entries(std::uint64_t bytes, std::vector<Entry>& entries) {
    const topology::ScheduleRule* const rule = file_.rules.find(config_.collective, bytes);
    GOSSAMER_TRY(add("recommended", rule != nullptr ? topology::in_words(rule->use) : "by cost", {}, false, entries));
    GOSSAMER_TRY(add("default", "by cost", {}, true, entries));
    for (const topology::ScheduleKind kind : topology::all_schedules()) {
      if (!topology::supports(kind, config_.collective)) continue;
      const std::string name(topology::schedule_kind_name(kind));
      GOSSAMER_TRY(add(name, name, kind, true, entries));
    }
    return {};
  }

  Status add(std::string name, std::string schedule, std::optional<topology::ScheduleKind> kind, bool without_topology,
             std::vector<Entry>& entries) {
    runtime::CollectiveConfig collective;
    collective.name = name;
    collective.kind = kind_of(config_.collective);
    collective.vector = {sketch::ElementType::i32, sketch::ReduceOp::sum, memory_.size()};
    collective.output = reinterpret_cast<std::byte*>(memory_.data());
    collective.schedule = kind;
    collective.without_topology = without_topology;
    Entry entry{{std::move(name), std::move(schedule), 0.0, 0.0}, nullptr, 1};
    GOSSAMER_ASSIGN(entry.collective, session_.make_collective(collective));
    entries.push_back(std::move(entry));
    return {};
  }

  static Status run_once(runtime::Plan& plan) {
    GOSSAMER_TRY(plan.start());
    return plan.wait(limit_ns);
  }

  // Everybody's largest.
  Status agree_on_most(std::vector<double>& values) {
    return session_.all_reduce({sketch::ElementType::f64, sketch::ReduceOp::max, values.size()},
                               reinterpret_cast<std::byte*>(values.data()), limit_ns);
  }

  // What each makes of the same numbers is the same, bit by bit; then some more, for how long one takes.
  Status warm_up(std::vector<Entry>& entries) {
    std::vector<double> took;
    std::optional<std::uint64_t> first;
    for (Entry& each : entries) {
      for (std::size_t i = 0; i < memory_.size(); ++i)
        memory_[i] = static_cast<std::uint32_t>(2'654'435'769u * (i + 1) + 40'503u * session_.rank().value);
      GOSSAMER_TRY(run_once(each.collective->plan()));
      const bool is_everywhere = config_.collective == topology::Collective::all_reduce ||
                                 config_.collective == topology::Collective::all_gather ||
                                 config_.collective == topology::Collective::broadcast;
      if (is_everywhere) {
        const std::uint64_t hash = sketch::hash_bytes(std::as_bytes(std::span(memory_)));
        if (first.value_or(hash) != hash)
          return Error{Code::mismatch,
                       text(each.contender.name, " ends with other bits than ", entries.front().contender.name)};
        first = hash;
        GOSSAMER_TRY(session_.check_equal(each.contender.name, std::as_bytes(std::span(memory_)), limit_ns));
      }
      std::uint64_t least_ns = UINT64_MAX;
      for (std::size_t i = 0; i < warm_ups; ++i) {
        const std::uint64_t begin_ns = clock_.now_ns();
        GOSSAMER_TRY(run_once(each.collective->plan()));
        least_ns = std::min(least_ns, clock_.now_ns() - begin_ns);
      }
      took.push_back(static_cast<double>(least_ns));
    }
    GOSSAMER_TRY(agree_on_most(took));
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const double repeats = config_.turn_ms * 1e6 / std::max(took[i], 1.0);
      entries[i].repeats = static_cast<std::uint32_t>(std::clamp(repeats, 1.0, static_cast<double>(repeats_max)));
    }
    return {};
  }

  Status take_turns(std::vector<Entry>& entries) {
    const std::size_t count = entries.size();
    std::vector<double> times(count * config_.turns);  // of each in turn
    for (std::uint32_t turn = 0; turn < config_.turns; ++turn) {
      for (std::size_t i = 0; i < count; ++i) {
        const std::size_t at = (i + turn) % count;
        Entry& entry = entries[at];
        GOSSAMER_TRY(session_.barrier(limit_ns));
        const std::uint64_t begin_ns = clock_.now_ns();
        for (std::uint32_t repeat = 0; repeat < entry.repeats; ++repeat)
          GOSSAMER_TRY(run_once(entry.collective->plan()));
        times[at * config_.turns + turn] = static_cast<double>(clock_.now_ns() - begin_ns) / 1e3 / entry.repeats;
      }
    }
    GOSSAMER_TRY(agree_on_most(times));
    for (std::size_t i = 0; i < count; ++i) {
      const auto begin = times.begin() + static_cast<std::ptrdiff_t>(i * config_.turns);
      std::vector<double> own(begin, begin + config_.turns);
      entries[i].contender.least_us = *std::min_element(own.begin(), own.end());
      entries[i].contender.p50_us = percentile(std::move(own), 0.5);
    }
    return {};
  }

  runtime::Session& session_;
  const VerifyConfig& config_;
  const topology::TopologyFile& file_;
  ProgressLine progress_;
  SteadyClock clock_;
  std::vector<std::uint32_t> memory_;
};

std::string microseconds(double us) { return format_duration(static_cast<std::uint64_t>(us * 1e3)); }
std::string ratio_words(double ratio) { return std::isfinite(ratio) ? text(format_number(ratio, 2), "x") : "-"; }

}  // namespace

const Contender& VerifiedSize::best_fixed() const {
  return *std::min_element(contenders.begin() + 2, contenders.end(),
                           [](const Contender& a, const Contender& b) { return a.p50_us < b.p50_us; });
}

topology::ExpectedTime expected_at(const topology::TopologyFile& file, topology::Collective collective,
                                   std::uint64_t bytes) {
  const topology::ExpectedTime* below = nullptr;
  const topology::ExpectedTime* above = nullptr;
  for (const topology::ExpectedTime& each : file.expected) {
    if (each.collective != collective || each.bytes == 0) continue;
    if (each.bytes <= bytes && (below == nullptr || each.bytes > below->bytes)) below = &each;
    if (each.bytes >= bytes && (above == nullptr || each.bytes < above->bytes)) above = &each;
  }
  topology::ExpectedTime made{collective, bytes, 0.0, 0.0};
  if (below == nullptr || above == nullptr) return made;
  const double share = below == above
                           ? 0.0
                           : std::log(static_cast<double>(bytes) / static_cast<double>(below->bytes)) /
                                 std::log(static_cast<double>(above->bytes) / static_cast<double>(below->bytes));
  const auto between = [&](double a, double b) {
    if (a <= 0 || b <= 0) return 0.0;
    return std::exp(std::log(a) + share * (std::log(b) - std::log(a)));
  };
  made.here_us = between(below->here_us, above->here_us);
  made.otherwise_us = between(below->otherwise_us, above->otherwise_us);
  return made;
}

std::vector<std::uint64_t> sizes_to_verify(const topology::TopologyFile& file, topology::Collective collective) {
  std::vector<std::uint64_t> sizes;
  for (const topology::ExpectedTime& each : file.expected)
    if (each.collective == collective && each.bytes <= usual_bytes_max) sizes.push_back(each.bytes);
  std::sort(sizes.begin(), sizes.end());
  if (sizes.empty()) sizes = {1'024, 65'536, std::uint64_t{1} << 20};
  return sizes;
}

Result<std::vector<VerifiedSize>> verify(runtime::Session& session, const VerifyConfig& config,
                                         const topology::TopologyFile& file) {
  return Verifier(session, config, file).run();
}

double worst_ratio(const std::vector<VerifiedSize>& sizes) {
  double worst = 0.0;
  for (const VerifiedSize& each : sizes)
    worst = std::max(worst, each.contenders.front().p50_us / each.best_fixed().p50_us);
  return worst;
}

nlohmann::json verify_document(const std::vector<VerifiedSize>& sizes, const VerifyConfig& config, std::uint32_t ranks,
                               const nlohmann::json& environment) {
  nlohmann::json document = {
      {"schema", "gossamer.topo.verify/1"},
      {"environment", environment},
      {"configuration", {{"topology", config.topology}, {"turns", config.turns}, {"turn_ms", config.turn_ms}}},
      {"worst_ratio", worst_ratio(sizes)},
      {"rows", nlohmann::json::array()}};
  for (const VerifiedSize& size : sizes) {
    const double recommended = size.contenders.front().p50_us;
    for (std::size_t i = 0; i < size.contenders.size(); ++i) {
      const Contender& each = size.contenders[i];
      const double predicted = i == 0 ? size.predicted_us : i == 1 ? size.predicted_default_us : 0.0;
      document["rows"].push_back({{"collective", topology::collective_name(config.collective)},
                                  {"bytes", size.bytes},
                                  {"ranks", ranks},
                                  {"contender", each.name},
                                  {"schedule", each.schedule},
                                  {"p50_us", each.p50_us},
                                  {"least_us", each.least_us},
                                  {"predicted_us", predicted > 0 ? nlohmann::json(predicted) : nlohmann::json()},
                                  {"ratio", each.p50_us / recommended}});
    }
  }
  return document;
}

std::string verify_text(const std::vector<VerifiedSize>& sizes, const VerifyConfig& config, std::uint32_t ranks) {
  std::vector<std::vector<std::string>> table = {{std::string(topology::collective_name(config.collective)),
                                                  "recommended", "predicted", "measured", "off by", "default", "gain",
                                                  "best fixed", "takes", "against it"}};
  for (const VerifiedSize& size : sizes) {
    const Contender& recommended = size.contenders[0];
    const Contender& usual = size.contenders[1];
    const Contender& best = size.best_fixed();
    const bool is_predicted = size.predicted_us > 0;
    table.push_back({format_bytes(size.bytes), recommended.schedule,
                     is_predicted ? microseconds(size.predicted_us) : "-", microseconds(recommended.p50_us),
                     is_predicted ? ratio_words(recommended.p50_us / size.predicted_us) : "-",
                     microseconds(usual.p50_us), ratio_words(usual.p50_us / recommended.p50_us), best.name,
                     microseconds(best.p50_us), ratio_words(best.p50_us / recommended.p50_us)});
  }
  return text(ranks, " ranks; medians of ", config.turns,
              " turns, of the rank that took longest; fixed schedules and the "
              "default know nothing of ",
              config.topology, "\n", format_columns(table));
}

}  // namespace gossamer::tools

#include "tools/simulate/explain.h"

#include <algorithm>
#include <cmath>

#include "tools/command/report.h"
#include "tools/simulate/words.h"

namespace gossamer::tools {
namespace {

struct Question {
  topology::Collective collective;
  std::uint32_t ranks;
  topology::CostModel model;
};

Result<nlohmann::json> candidate_rows(const Question& question, std::uint64_t bytes) {
  nlohmann::json rows = nlohmann::json::array();
  for (const topology::ScheduleKind kind : topology::all_schedules()) {
    if (!topology::supports(kind, question.collective)) continue;
    const Result<topology::Cost> cost =
        topology::predict_cost({kind, question.collective, question.ranks, Rank{0}}, bytes, question.model);
    if (!cost) return cost.error();
    rows.push_back({{"schedule", topology::schedule_kind_name(kind)},
                    {"collective", topology::collective_name(question.collective)},
                    {"ranks", question.ranks},
                    {"bytes", bytes},
                    {"predicted_us", cost->nanoseconds / 1e3},
                    {"bytes_per_rank", cost->bytes_per_rank},
                    {"rounds", cost->rounds},
                    {"candidate", topology::is_chosen_by_cost(kind, question.collective)}});
  }
  std::stable_sort(rows.begin(), rows.end(), [](const nlohmann::json& a, const nlohmann::json& b) {
    return a.at("predicted_us").get<double>() < b.at("predicted_us").get<double>();
  });
  return rows;
}

Result<nlohmann::json> stretch_rows(const Question& question, const SizeRange& range) {
  const auto choose = [&](std::uint64_t bytes) {
    return topology::choose_schedule(question.collective, question.ranks, bytes, question.model);
  };
  const auto predicted = [&](topology::ScheduleKind kind, std::uint64_t bytes) {
    const Result<topology::Cost> cost =
        topology::predict_cost({kind, question.collective, question.ranks, Rank{0}}, bytes, question.model);
    return cost.ok() ? cost->nanoseconds / 1e3 : std::nan("");
  };
  Result<topology::Choice> last = choose(range.from);
  if (!last) return last.error();
  GOSSAMER_TRY(choose(range.to));
  nlohmann::json rows = nlohmann::json::array();
  std::uint64_t begin = range.from;
  const auto add = [&](std::uint64_t end) {
    rows.push_back({{"schedule", topology::schedule_kind_name(last->kind)},
                    {"collective", topology::collective_name(question.collective)},
                    {"ranks", question.ranks},
                    {"bytes", begin},
                    {"to_bytes", end},
                    {"predicted_us", predicted(last->kind, begin)},
                    {"to_predicted_us", predicted(last->kind, end)}});
  };
  std::uint64_t at = range.from;
  while (at < range.to) {
    const std::uint64_t next = std::min(range.to, at + std::max<std::uint64_t>(topology::slice_alignment, at / 12));
    Result<topology::Choice> choice = choose(next);
    if (!choice) return choice.error();
    if (choice->kind != last->kind) {
      std::uint64_t low = at, high = next;  // the choice at `low` is the last one's, that at `high` is not
      while (high - low > 1) {
        const std::uint64_t middle = low + (high - low) / 2;
        Result<topology::Choice> between = choose(middle);
        if (!between) return between.error();
        if (between->kind == last->kind) {
          low = middle;
        } else {
          high = middle;
          choice = std::move(between);
        }
      }
      add(low);
      begin = high;
      last = std::move(choice);
      at = high;
    } else {
      at = next;
    }
  }
  add(range.to);
  return rows;
}

}  // namespace

Result<nlohmann::json> explain(const ExplainConfig& config, const nlohmann::json& environment) {
  const Result<SizeRange> range = parse_size_range(config.bytes);
  if (!range) return Error{range.error().code, "--bytes: " + range.error().message};
  const Result<topology::Collective> collective = topology::parse_collective(config.collective);
  if (!collective) return collective.error();
  const Result<topology::CostModel> model = topology::parse_cost_model(config.cost);
  if (!model) return model.error();
  const Question question{*collective, config.ranks, *model};
  const bool one = range->from == range->to;
  const Result<nlohmann::json> rows = one ? candidate_rows(question, range->from) : stretch_rows(question, *range);
  if (!rows) return rows.error();
  nlohmann::json document = {{"schema", "gossamer.explain/1"},
                             {"environment", environment},
                             {"configuration",
                              {{"cost", config.cost},
                               {"alpha_ns", model->alpha_ns},
                               {"beta_ns_per_byte", model->beta_ns_per_byte},
                               {"gamma_ns_per_byte", model->gamma_ns_per_byte}}},
                             {"rows", *rows}};
  if (one) {
    const Result<topology::Choice> choice = topology::choose_schedule(*collective, config.ranks, range->from, *model);
    if (!choice) return choice.error();
    document["choice"] = {{"schedule", topology::schedule_kind_name(choice->kind)}, {"reason", choice->reason}};
  }
  return document;
}

std::string explain_table(const nlohmann::json& document) {
  const nlohmann::json& configuration = document.at("configuration");
  std::string out = text(configuration.at("cost").get<std::string>(), ": ",
                         us_words(configuration.at("alpha_ns").get<double>() / 1e3), " a message, ",
                         configuration.at("beta_ns_per_byte").get<double>(), " ns a byte, ",
                         configuration.at("gamma_ns_per_byte").get<double>(), " ns a merged byte\n");
  const bool one = document.contains("choice");
  std::vector<std::vector<std::string>> table = {
      one ? std::vector<std::string>{"schedule", "predicted", "bytes/rank", "rounds", ""}
          : std::vector<std::string>{"schedule", "from bytes", "to bytes", "predicted", "to"}};
  for (const nlohmann::json& row : document.at("rows")) {
    const std::string name = row.at("schedule");
    if (one) {
      const bool chosen = document.at("choice").at("schedule") == name;
      table.push_back({name, us_words(row.at("predicted_us")), format_bytes(row.at("bytes_per_rank")),
                       text(row.at("rounds").get<std::uint32_t>()),
                       chosen                            ? "chosen"
                       : row.at("candidate").get<bool>() ? ""
                                                         : "by name alone"});
    } else {
      table.push_back({name, text(row.at("bytes").get<std::uint64_t>()), text(row.at("to_bytes").get<std::uint64_t>()),
                       us_words(row.at("predicted_us")), us_words(row.at("to_predicted_us"))});
    }
  }
  out += format_table(table);
  if (one) out += document.at("choice").at("reason").get<std::string>() + "\n";
  return out;
}

}  // namespace gossamer::tools

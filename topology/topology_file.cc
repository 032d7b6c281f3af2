#include "topology/topology_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>

#include "topology/text_reader.h"

namespace gossamer::topology {
namespace {

constexpr double microseconds_max = 1e12;

std::string number_text(double value) {
  std::array<char, 32> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, std::chars_format::general, 6);
  return {digits.data(), end.ptr};
}

std::optional<double> parse_microseconds(std::string_view words) {
  double value = 0.0;
  const auto [end, error] = std::from_chars(words.data(), words.data() + words.size(), value);
  if (words.empty() || error != std::errc{} || end != words.data() + words.size()) return std::nullopt;
  if (!(value >= 0.0 && value <= microseconds_max)) return std::nullopt;
  return value;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (!(line = trimmed(line)).empty()) {
    const std::size_t end = std::min(line.find_first_of(" \t"), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
  return words;
}

class Parser {
 public:
  Parser(std::string_view input, std::string_view path) : reader_("topology", input), path_(path) {}

  Result<TopologyFile> run() {
    const Status length = reader_.check_length();
    if (!length.ok()) return Error{Code::malformed, text(path_, ": ", length.error().message)};
    next();
    if (key_ != "gossamer-topology") return fail("\"gossamer-topology 1\"");
    if (rest_ != "1") return fail("version 1 of the form, which is the one that this library reads");
    next();
    const auto ranks = parse_number(key_ == "ranks" ? rest_ : std::string_view());
    if (!ranks || *ranks < 1 || *ranks > rank_count_max) return fail("\"ranks\" and 1 to ", rank_count_max);
    file_.hosts.resize(*ranks);
    next();
    GOSSAMER_TRY(parse_hosts());
    GOSSAMER_TRY(parse_cost("near", file_.cost.near));
    GOSSAMER_TRY(parse_cost("far", file_.cost.far));
    const auto links = parse_number(key_ == "far-links" ? rest_ : std::string_view());
    if (!links || *links < 1 || *links > rank_count_max) return fail("\"far-links\" and a number from 1 on");
    file_.cost.far_links = *links;
    next();
    GOSSAMER_TRY(parse_order());
    while (key_ == "schedule") GOSSAMER_TRY(parse_rules());
    while (key_ == "expect") GOSSAMER_TRY(parse_expected());
    if (reader_.line() != "end") return fail("\"schedule\", \"expect\" or \"end\"");
    next();
    if (!reader_.line().empty()) return fail("nothing after \"end\"");
    return std::move(file_);
  }

 private:
  void next() {
    reader_.next_line();
    const std::string_view line = reader_.line();
    const std::size_t end = std::min(line.find(' '), line.size());
    key_ = line.substr(0, end);
    rest_ = trimmed(line.substr(end));
  }

  template <typename... Parts>
  [[nodiscard]] Error fail(const Parts&... expected) const {
    const std::string_view line = reader_.line();
    return Error{Code::malformed, text(path_, ":", reader_.line_number(), ": expected ", expected..., ", found ",
                                       line.empty() ? "the end of the file" : quoted(line))};
  }

  [[nodiscard]] std::uint32_t rank_count() const { return static_cast<std::uint32_t>(file_.hosts.size()); }

  Status parse_hosts() {
    std::uint32_t placed = 0;
    std::set<std::string_view> known;
    while (key_ == "host") {
      const std::vector<std::string_view> words = words_of(rest_);
      if (words.size() < 2) return fail("\"host\", a name and ranks");
      if (words[0].size() > TopologyFile::host_name_bytes_max)
        return fail("a host's name of at most ", TopologyFile::host_name_bytes_max, " characters");
      if (!known.insert(words[0]).second) return fail("each host once, with all of its ranks");
      for (std::size_t i = 1; i < words.size(); ++i) {
        const auto rank = parse_number(words[i]);
        if (!rank || *rank >= rank_count()) return fail("ranks from 0 to ", rank_count() - 1);
        if (!file_.hosts[*rank].empty()) return fail("each rank once, and rank ", *rank, " is on ", file_.hosts[*rank]);
        file_.hosts[*rank] = words[0];
        ++placed;
      }
      next();
    }
    if (placed == rank_count()) return {};
    const auto missing = std::find(file_.hosts.begin(), file_.hosts.end(), "");
    return fail("\"host\", a name and ranks, until each of ", rank_count(), " is on one; rank ",
                missing - file_.hosts.begin(), " is on none");
  }

  Status parse_cost(std::string_view key, CostModel& cost) {
    const bool is_pair = key_ == key && rest_.find(',') != std::string_view::npos;  // no name of a known link
    const auto model = is_pair ? parse_cost_model(rest_) : Result<CostModel>(Error{Code::malformed, ""});
    if (!model.ok()) return fail("\"", key, "\" and microseconds for a message, nanoseconds for a byte, as in 25,10");
    cost = *model;
    next();
    return {};
  }

  Status parse_order() {
    if (key_ != "order") return fail("\"order\" and all ranks");
    std::vector<Rank> ranks;
    for (const std::string_view word : words_of(rest_)) {
      const auto rank = parse_number(word);
      if (!rank) return fail("ranks");
      ranks.push_back(Rank{*rank});
    }
    if (ranks.size() != rank_count()) return fail("all ", rank_count(), " ranks in \"order\", not ", ranks.size());
    auto order = RankOrder::make(std::move(ranks));
    if (!order.ok()) return fail("each rank once (", order.error().message, ")");
    file_.order = *std::move(order);
    next();
    return {};
  }

  Status parse_rules() {
    const auto rules = parse_schedule_rules(rest_);
    if (!rules.ok()) return fail("rules like all-reduce:0-4k:butterfly;4k-:ring (", rules.error().message, ")");
    for (const ScheduleRule& rule : rules->rules) {
      if (!rule.collective) return fail("rules that name their collective");
      if (std::holds_alternative<ScheduleFile>(rule.use)) return fail("rules without files");
      if (rule.collective != rules->rules.front().collective) return fail("rules of one collective in a line");
      file_.rules.rules.push_back(rule);
    }
    if (!ruled_.insert(*rules->rules.front().collective).second) return fail("one line of rules for a collective");
    next();
    return {};
  }

  Status parse_expected() {
    const std::vector<std::string_view> words = words_of(rest_);
    constexpr std::string_view form = "\"expect\", a collective, bytes, and microseconds with this file and without it";
    if (words.size() != 4) return fail(form);
    const auto collective = parse_collective(words[0]);
    const auto bytes = parse_long_number(words[1]);
    const auto here = parse_microseconds(words[2]);
    const auto otherwise = parse_microseconds(words[3]);
    if (!collective.ok() || !bytes || !here || !otherwise) return fail(form);
    if (file_.expected.size() == TopologyFile::expected_max)
      return fail("at most ", TopologyFile::expected_max, " lines \"expect\"");
    file_.expected.push_back({*collective, *bytes, *here, *otherwise});
    next();
    return {};
  }

  TextReader reader_;
  const std::string_view path_;
  std::string_view key_;   // the first word of the line
  std::string_view rest_;  // and what is behind it
  std::set<Collective> ruled_;
  TopologyFile file_;
};

}  // namespace

Result<TopologyFile> parse_topology_file(std::string_view text, std::string_view path) {
  return Parser(text, path).run();
}

std::string format_topology_file(const TopologyFile& file) {
  std::string out = text("gossamer-topology ", TopologyFile::format_version, "\nranks ", file.hosts.size(), '\n');
  const Groups groups = Groups::by_name(file.hosts);
  for (std::uint32_t group = 0; group < groups.size(); ++group) {
    append(out, "host ", file.hosts[groups.members(group).front().value]);
    for (const Rank rank : groups.members(group)) append(out, ' ', rank.value);
    out += '\n';
  }
  const auto cost = [&](std::string_view key, const CostModel& model) {
    append(out, key, ' ', number_text(model.alpha_ns / 1e3), ',', number_text(model.beta_ns_per_byte), '\n');
  };
  cost("near", file.cost.near);
  cost("far", file.cost.far);
  append(out, "far-links ", file.cost.far_links, "\norder");
  for (std::uint32_t position = 0; position < file.hosts.size(); ++position)
    append(out, ' ', file.order.at(position).value);
  out += '\n';
  for (std::size_t i = 0; i < file.rules.rules.size();) {
    ScheduleRules of_one;
    const auto collective = file.rules.rules[i].collective;
    for (; i < file.rules.rules.size() && file.rules.rules[i].collective == collective; ++i)
      of_one.rules.push_back(file.rules.rules[i]);
    append(out, "schedule ", format_schedule_rules(of_one), '\n');
  }
  for (const ExpectedTime& each : file.expected) {
    append(out, "expect ", collective_name(each.collective), ' ', each.bytes, ' ', number_text(each.here_us), ' ',
           number_text(each.otherwise_us), '\n');
  }
  return out + "end\n";
}

}  // namespace gossamer::topology

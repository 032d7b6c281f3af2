#include "topology/measure/advice.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "topology/measure/link_matrix.h"
#include "topology/measure/tiers.h"

namespace gossamer::topology {
namespace {

constexpr double compared_bytes = 65'536;  // of a message, where wires are compared
constexpr double slow_host_factor = 1.5;   // a host that takes so much longer than hosts do is slow
constexpr double worth_a_rule = 0.03;      // what gains less is not worth another rule or another order

// What a session takes that has not been told of its links: topology.md says where it is from.
struct Guess {
  CostModel near;
  CostModel far;
};

bool names_any(std::string_view transport, std::initializer_list<std::string_view> ways) {
  return std::any_of(ways.begin(), ways.end(),
                     [&](std::string_view way) { return transport.find(way) != std::string_view::npos; });
}

Guess guess_of(const Measurement& measurement) {
  const std::string& transport = measurement.transport;
  const bool has_adapter = names_any(transport, {"rc_", "ud_", "dc_", "srd", "verbs", "cxi", "efa", "opx"});
  const bool has_memory = names_any(transport, {"posix", "sysv", "cma", "xpmem", "knem", "shm"});
  const CostModel far = parse_cost_model(has_adapter ? "rdma" : "tcp-1g").value();
  return {has_memory ? parse_cost_model("shared-memory").value() : far, far};
}

bool are_alike(const CostModel& a, const CostModel& b) {
  return a.alpha_ns == b.alpha_ns && a.beta_ns_per_byte == b.beta_ns_per_byte;
}

// Hosts in the order in which ranks play.
class HostOrder {
 public:
  HostOrder(const LinkMatrix& links, std::vector<std::vector<std::uint32_t>> neighbourhoods)
      : links_(links), neighbourhoods_(std::move(neighbourhoods)) {}

  std::vector<std::uint32_t> run() {
    find_slow();
    std::vector<std::uint32_t> plain;
    std::vector<std::uint32_t> chained;
    for (const std::vector<std::uint32_t>& each : neighbourhoods_) {
      const std::vector<std::uint32_t> members = slow_last(each);
      plain.insert(plain.end(), members.begin(), members.end());
      chain(members, chained);
    }
    return around(chained) < 0.9 * around(plain) ? chained : plain;
  }

  [[nodiscard]] const std::vector<std::uint32_t>& slow() const { return slow_; }

 private:
  [[nodiscard]] double time(std::uint32_t from, std::uint32_t to) const {
    return links_.between(from, to).time_ns(compared_bytes);
  }

  void find_slow() {
    const std::uint32_t hosts = links_.host_count();
    if (hosts < 3) return;
    std::vector<double> typical(hosts);
    for (std::uint32_t host = 0; host < hosts; ++host) {
      std::vector<double> times;
      for (std::uint32_t other = 0; other < hosts; ++other)
        if (other != host) times.push_back(std::max(time(host, other), time(other, host)));
      std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
      typical[host] = times[times.size() / 2];
    }
    std::vector<double> sorted = typical;
    std::sort(sorted.begin(), sorted.end());
    for (std::uint32_t host = 0; host < hosts; ++host)
      if (typical[host] > slow_host_factor * sorted[(hosts - 1) / 2]) slow_.push_back(host);
  }

  [[nodiscard]] std::vector<std::uint32_t> slow_last(std::vector<std::uint32_t> hosts) const {
    std::stable_partition(hosts.begin(), hosts.end(), [&](std::uint32_t host) {
      return std::find(slow_.begin(), slow_.end(), host) == slow_.end();
    });
    return hosts;
  }

  // Each after the one that it is nearest to, slow ones still last.
  void chain(std::vector<std::uint32_t> hosts, std::vector<std::uint32_t>& order) const {
    while (!hosts.empty()) {
      auto next = hosts.begin();
      if (!order.empty()) {
        const bool only_slow = std::find(slow_.begin(), slow_.end(), hosts.front()) != slow_.end();
        for (auto each = hosts.begin(); each != hosts.end(); ++each) {
          if (!only_slow && std::find(slow_.begin(), slow_.end(), *each) != slow_.end()) break;
          if (time(order.back(), *each) < 0.95 * time(order.back(), *next)) next = each;
        }
      }
      order.push_back(*next);
      hosts.erase(next);
    }
  }

  // What a ring over them takes.
  [[nodiscard]] double around(const std::vector<std::uint32_t>& order) const {
    double sum = 0.0;
    for (std::size_t i = 0; i < order.size() && order.size() > 1; ++i)
      sum += time(order[i], order[(i + 1) % order.size()]);
    return sum;
  }

  const LinkMatrix& links_;
  const std::vector<std::vector<std::uint32_t>> neighbourhoods_;
  std::vector<std::uint32_t> slow_;
};

// Schedules that a collective may use, over ranks in some order.
struct Candidate {
  ScheduleUse use;
  Schedule schedule;  // in positions: to be reckoned
  Schedule played;    // by ranks
};

class Judge {
 public:
  Judge(const LinkMatrix& links, const TwoLevelCost& cost, std::vector<std::string> hosts, const RankOrder& order)
      : links_(links), cost_(cost), order_(order), fabric_(links.fabric()), network_{*fabric_, links.host_model()} {
    std::vector<std::string> names;
    for (std::uint32_t position = 0; position < links.rank_count(); ++position)
      names.push_back(hosts[order.at(position).value]);
    groups_ = std::make_unique<Groups>(Groups::by_name(names));
  }

  [[nodiscard]] const Groups& groups() const { return *groups_; }

  [[nodiscard]] std::vector<Candidate> candidates(Collective collective) const {
    std::vector<Candidate> all;
    for (const ScheduleKind kind : all_schedules()) {
      if (supports(kind, collective))
        add(kind, make_draft({kind, collective, rank_count(), root(collective)}), collective, all);
    }
    if (groups_->size() == 1 || groups_->largest() == 1) return all;
    for (const TwoLevelForm form : {TwoLevelForm::leaders, TwoLevelForm::rails}) {
      const auto needed = form == TwoLevelForm::leaders ? std::pair(Collective::reduce, Collective::broadcast)
                                                        : std::pair(Collective::reduce_scatter, Collective::all_gather);
      for (const ScheduleKind inner : all_schedules()) {
        if (!is_chosen_by_cost(inner, needed.first) || !is_chosen_by_cost(inner, needed.second)) continue;
        for (const ScheduleKind outer : all_schedules()) {
          if (!is_chosen_by_cost(outer, collective)) continue;
          const TwoLevelKinds use{form, inner, outer};
          add(use, make_two_level(*groups_, use.for_collective(collective, root(collective))), collective, all);
        }
      }
    }
    return all;
  }

  // By the model of near and far links.
  [[nodiscard]] double reckon_ns(const Candidate& candidate, std::uint64_t bytes) const {
    return predict_schedule_cost(candidate.schedule, bytes, *groups_, cost_).value().nanoseconds;
  }
  // By the links that were measured.
  [[nodiscard]] Result<double> play_ns(const Schedule& schedule, std::uint64_t bytes) const {
    GOSSAMER_ASSIGN(const auto outcome, simulate(schedule, bytes, network_));
    return static_cast<double>(outcome.time) / 1e3;
  }

 private:
  [[nodiscard]] std::uint32_t rank_count() const { return links_.rank_count(); }
  // Which one is as good as another: who calls will have its own.
  [[nodiscard]] Rank root(Collective collective) const {
    return has_root(collective) ? Rank{order_.position_of(Rank{0})} : Rank{0};
  }

  void add(ScheduleUse use, const Result<Draft>& draft, Collective collective, std::vector<Candidate>& all) const {
    if (!draft.ok()) return;  // a level cannot do its part
    Candidate made{use, write_out(*draft, collective, root(collective)), {}};
    made.played = order_.is_natural() ? made.schedule : write_out(order_.play(*draft, collective), collective, Rank{0});
    all.push_back(std::move(made));
  }

  const LinkMatrix& links_;
  const TwoLevelCost& cost_;
  const RankOrder& order_;
  std::unique_ptr<Fabric> fabric_;
  Network network_;
  std::unique_ptr<Groups> groups_;  // of positions
};

// What stands for one use of one collective at each size.
struct Judged {
  ScheduleUse use;
  std::vector<double> ns;  // by size; below 0: not looked at
};

class Adviser {
 public:
  Adviser(const Measurement& measurement, const AdviceOptions& options, LinkMatrix links)
      : measurement_(measurement), options_(options), links_(std::move(links)) {
    for (std::uint64_t bytes = options.bytes_min; bytes <= options.bytes_max; bytes *= 4) sizes_.push_back(bytes);
  }

  Result<Advice> run() {
    GOSSAMER_TRY(name_hosts());
    advice_.file.cost = {model_of(links_.near()), model_of(links_.far()), links_.far_links()};
    note_gaps();
    if (links_.host_count() == 1) {
      advice_.notes.emplace_back(
          "all ranks share one host: they go through its memory, and there is nothing to advise");
      return std::move(advice_);
    }
    GOSSAMER_ASSIGN(auto order, order_ranks());
    const Judge natural(links_, advice_.file.cost, advice_.file.hosts, natural_);
    const Judge ordered(links_, advice_.file.cost, advice_.file.hosts, order);
    bool is_worth_it = false;
    std::map<Collective, std::pair<std::vector<SizeAdvice>, std::vector<SizeAdvice>>> found;
    for (const Collective collective : options_.collectives) {
      GOSSAMER_ASSIGN(auto plain, advise_on(collective, natural, natural));
      auto better = plain;
      if (!order.is_natural()) {
        GOSSAMER_ASSIGN(better, advise_on(collective, ordered, natural));
      }
      for (std::size_t i = 0; i < plain.size(); ++i)
        is_worth_it |= better[i].expected_ns < (1 - worth_a_rule) * plain[i].expected_ns;
      found[collective] = {std::move(plain), std::move(better)};
    }
    for (const std::uint32_t host : slow_hosts_)
      advice_.notes.push_back(text("host ", measurement_.hosts[host].name, " is slow with all others",
                                   is_worth_it ? " and stands last" : ""));
    if (is_worth_it) advice_.file.order = std::move(order);
    for (const Collective collective : options_.collectives) {
      const auto& sizes = is_worth_it ? found[collective].second : found[collective].first;
      write_rules(sizes);
      advice_.sizes.insert(advice_.sizes.end(), sizes.begin(), sizes.end());
    }
    return std::move(advice_);
  }

 private:
  static CostModel model_of(const Wire& wire) {
    return {wire.alpha_ns, wire.beta_ns_per_byte, CostModel{}.gamma_ns_per_byte};
  }

  Status name_hosts() {
    std::set<std::string> known;
    for (const MeasuredHost& host : measurement_.hosts) {
      if (host.name.empty() || host.name.find_first_of(" \t\r\n#") != std::string::npos ||
          host.name.size() > TopologyFile::host_name_bytes_max)
        return Error{Code::invalid_argument, text("the host \"", host.name,
                                                  "\" has no name that a file can hold: "
                                                  "expected one without blanks")};
      if (!known.insert(host.name).second)
        return Error{Code::invalid_argument, text("two hosts are named ", host.name)};
    }
    for (const MeasuredRank& rank : measurement_.ranks)
      advice_.file.hosts.push_back(measurement_.hosts.at(rank.host).name);
    return {};
  }

  void note_gaps() {
    std::string dead;
    for (std::uint32_t rank = 0; rank < links_.rank_count(); ++rank)
      if (measurement_.ranks[rank].died)
        append(dead, dead.empty() ? "" : ", ", "rank ", rank, " on ", measurement_.host_of(rank));
    if (!dead.empty()) advice_.notes.push_back(text("died while it was measured: ", dead, "; their links are guessed"));
    if (links_.guessed() > 0)
      advice_.notes.push_back(text(links_.guessed(), " of ", links_.host_count() * (links_.host_count() - 1),
                                   " links between hosts were not measured and are taken to be as slow as their ends "
                                   "are with others"));
    if (links_.rank_count() > ranks_played_max)
      advice_.notes.push_back(text("beyond ", ranks_played_max,
                                   " ranks schedules are reckoned by near and far cost "
                                   "alone: a slow host does not count"));
  }

  [[nodiscard]] std::vector<std::vector<std::uint32_t>> declared_neighbourhoods() const {
    std::vector<std::string> switches;
    for (const MeasuredHost& host : measurement_.hosts) switches.push_back(host.declared_switch);
    const Groups groups = Groups::by_name(switches);
    std::vector<std::vector<std::uint32_t>> made(groups.size());
    for (std::uint32_t group = 0; group < groups.size(); ++group)
      for (const Rank host : groups.members(group)) made[group].push_back(host.value);
    return made;
  }

  // By the times alone: those of a switch together, switches of a group next to each other; hosts whose place is not
  // known come last.
  [[nodiscard]] std::vector<std::vector<std::uint32_t>> measured_neighbourhoods() const {
    const Tiers tiers = find_tiers(measurement_);
    std::vector<std::vector<std::uint32_t>> made = tiers.tiers[1].groups;
    for (std::size_t tier = 2; tier + 1 < tiers.tiers.size(); ++tier) {
      const auto place_of = [&](const std::vector<std::uint32_t>& hosts) {
        const auto& groups = tiers.tiers[tier].groups;
        return std::find_if(groups.begin(), groups.end(), [&](const std::vector<std::uint32_t>& group) {
          return std::binary_search(group.begin(), group.end(), hosts.front());
        });
      };
      std::stable_sort(made.begin(), made.end(),
                       [&](const auto& a, const auto& b) { return place_of(a) < place_of(b); });
    }
    if (tiers.network_tiers() == 1 || tiers.unplaced.empty()) return made;
    std::erase_if(made, [](const std::vector<std::uint32_t>& hosts) { return hosts.size() == 1; });
    made.push_back(tiers.unplaced);
    return made;
  }

  Result<std::vector<std::vector<std::uint32_t>>> neighbourhoods() const {
    const std::uint32_t hosts = links_.host_count();
    std::vector<std::vector<std::uint32_t>> made = options_.neighbourhoods;
    const bool is_declared = std::any_of(measurement_.hosts.begin(), measurement_.hosts.end(),
                                         [](const MeasuredHost& host) { return !host.declared_switch.empty(); });
    if (made.empty()) made = is_declared ? declared_neighbourhoods() : measured_neighbourhoods();
    std::vector<bool> seen(hosts, false);
    std::uint32_t count = 0;
    for (const auto& each : made) {
      for (const std::uint32_t host : each) {
        if (host >= hosts || seen[host])
          return Error{Code::invalid_argument,
                       text("neighbourhoods name host ", host, " of ", hosts, " twice or out of range")};
        seen[host] = true;
        ++count;
      }
    }
    if (count != hosts) return Error{Code::invalid_argument, "neighbourhoods leave a host out"};
    return made;
  }

  // Also notes which hosts are slow.
  Result<RankOrder> order_ranks() {
    GOSSAMER_ASSIGN(auto near_each_other, neighbourhoods());
    HostOrder hosts(links_, std::move(near_each_other));
    std::vector<std::vector<Rank>> members(links_.host_count());
    for (std::uint32_t rank = 0; rank < links_.rank_count(); ++rank)
      members[links_.host_of(rank)].push_back(Rank{rank});
    std::vector<Rank> ranks;
    for (const std::uint32_t host : hosts.run()) ranks.insert(ranks.end(), members[host].begin(), members[host].end());
    slow_hosts_ = hosts.slow();
    return RankOrder::make(std::move(ranks));
  }

  // The best at each size; one that is best at the size before stays where it is nearly as good.
  Result<std::vector<SizeAdvice>> advise_on(Collective collective, const Judge& judge, const Judge& natural) const {
    const std::vector<Candidate> candidates = judge.candidates(collective);
    const std::vector<Candidate> unordered =
        &judge == &natural ? std::vector<Candidate>() : natural.candidates(collective);
    std::vector<SizeAdvice> sizes;
    const ScheduleUse* last = nullptr;
    for (const std::uint64_t bytes : sizes_) {
      std::vector<std::pair<double, const Candidate*>> ranked;
      for (const Candidate& each : candidates) ranked.emplace_back(judge.reckon_ns(each, bytes), &each);
      const auto by_time = [](const auto& a, const auto& b) { return a.first < b.first; };
      std::stable_sort(ranked.begin(), ranked.end(), by_time);
      if (links_.rank_count() <= ranks_played_max) {
        const std::size_t played_max = links_.rank_count() <= 16 ? 24 : links_.rank_count() <= 64 ? 10 : 4;
        ranked.resize(std::min(ranked.size(), played_max));
        for (auto& [ns, candidate] : ranked) {
          GOSSAMER_ASSIGN(ns, judge.play_ns(candidate->played, bytes));
        }
        std::stable_sort(ranked.begin(), ranked.end(), by_time);
      }
      const auto* chosen = &ranked.front();
      for (const auto& each : ranked)
        if (last != nullptr && each.second->use == *last && each.first <= (1 + worth_a_rule) * ranked.front().first)
          chosen = &each;
      last = &chosen->second->use;
      SizeAdvice advice{collective, bytes, *last, chosen->first, chosen->first, {}, 0.0};
      for (const Candidate& each : unordered) {
        if (each.use != *last) continue;
        GOSSAMER_ASSIGN(advice.unordered_ns, time_ns(natural, each, bytes));
      }
      GOSSAMER_TRY(look_otherwise(natural, advice));
      sizes.push_back(std::move(advice));
    }
    return sizes;
  }

  Result<double> time_ns(const Judge& judge, const Candidate& candidate, std::uint64_t bytes) const {
    if (links_.rank_count() <= ranks_played_max) return judge.play_ns(candidate.played, bytes);
    return judge.reckon_ns(candidate, bytes);
  }

  // As a session chooses that has no file.
  Status look_otherwise(const Judge& natural, SizeAdvice& advice) const {
    const Guess guess = guess_of(measurement_);
    const Groups& groups = natural.groups();
    Candidate candidate;
    Result<Draft> draft = Error{Code::invalid_argument, ""};
    const std::uint32_t ranks = links_.rank_count();
    if (groups.largest() == 1 || are_alike(guess.near, guess.far)) {
      GOSSAMER_ASSIGN(const auto choice, choose_schedule(advice.collective, ranks, advice.bytes, guess.far));
      candidate.use = choice.kind;
      draft = make_draft({choice.kind, advice.collective, ranks});
    } else {
      GOSSAMER_ASSIGN(const auto choice,
                      choose_schedule(advice.collective, groups, advice.bytes, TwoLevelCost{guess.near, guess.far}));
      candidate.use = choice.kind;
      draft = make_draft({choice.kind, advice.collective, ranks});
      if (choice.two_level) {
        candidate.use = TwoLevelKinds{choice.two_level->form, choice.two_level->inner, choice.two_level->outer};
        draft = make_two_level(groups, *choice.two_level);
      }
    }
    GOSSAMER_TRY(draft);
    candidate.schedule = write_out(*draft, advice.collective);
    candidate.played = candidate.schedule;
    advice.otherwise = in_words(candidate.use);
    GOSSAMER_ASSIGN(advice.otherwise_ns, time_ns(natural, candidate, advice.bytes));
    return {};
  }

  // One rule for neighbouring sizes of one use. Between two sizes a rule ends in the middle, as factors go.
  void write_rules(const std::vector<SizeAdvice>& sizes) {
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      const SizeAdvice& each = sizes[i];
      advice_.file.expected.push_back({each.collective, each.bytes, each.expected_ns / 1e3, each.otherwise_ns / 1e3});
      std::vector<ScheduleRule>& rules = advice_.file.rules.rules;
      if (i > 0 && sizes[i - 1].use == each.use) continue;
      if (i > 0) rules.back().bytes_end = 2 * sizes[i - 1].bytes;
      rules.push_back({each.collective, i == 0 ? 0 : 2 * sizes[i - 1].bytes, UINT64_MAX, each.use});
    }
  }

  const Measurement& measurement_;
  const AdviceOptions& options_;
  const LinkMatrix links_;
  const RankOrder natural_;
  std::vector<std::uint64_t> sizes_;
  std::vector<std::uint32_t> slow_hosts_;
  Advice advice_;
};

}  // namespace

Result<Advice> advise(const Measurement& measurement, const AdviceOptions& options) {
  if (options.bytes_min == 0 || options.bytes_max < options.bytes_min ||
      options.bytes_max > simulated_payload_bytes_max)
    return Error{Code::invalid_argument, text("advice is for 1 B to ", format_bytes(simulated_payload_bytes_max))};
  GOSSAMER_ASSIGN(auto links, LinkMatrix::make(measurement));
  return Adviser(measurement, options, std::move(links)).run();
}

}  // namespace gossamer::topology

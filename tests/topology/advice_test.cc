#include "topology/measure/advice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "topology/measure/link_matrix.h"

namespace gossamer::topology {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

// `hosts` of `ranks_each`, dealt out in turn: rank r is on host r % hosts. Within a host 10 us and 0.3 ns a byte,
// between them 40 us and 8 ns a byte (1 Gbit/s), times `slower` of the pair of hosts.
template <typename Slower>
Measurement measured(std::uint32_t hosts, std::uint32_t ranks_each, const Slower& slower) {
  Measurement made;
  made.when = "2026-01-01T00:00:00Z";
  made.transport = "ucx: tcp";
  for (std::uint32_t host = 0; host < hosts; ++host) made.hosts.push_back({.name = text("n", host)});
  for (std::uint32_t rank = 0; rank < hosts * ranks_each; ++rank) made.ranks.push_back({.host = rank % hosts});
  for (std::uint32_t from = 0; from < made.ranks.size(); ++from) {
    for (std::uint32_t to = 0; to < made.ranks.size(); ++to) {
      if (from == to) continue;
      const std::uint32_t a = from % hosts;
      const std::uint32_t b = to % hosts;
      const double factor = a == b ? 1.0 : slower(a, b);
      LogGp fit;
      fit.alpha_ns.value = a == b ? 10'000 : 40'000;
      fit.beta_ns_per_byte.value = factor * (a == b ? 0.3 : 8.0);
      fit.overhead_ns.value = 2'000;
      PairMeasurement pair;
      pair.from = from;
      pair.to = to;
      pair.fit = fit;
      made.pairs.push_back(pair);
    }
  }
  return made;
}
Measurement measured(std::uint32_t hosts, std::uint32_t ranks_each) {
  return measured(hosts, ranks_each, [](std::uint32_t, std::uint32_t) { return 1.0; });
}

AdviceOptions of(std::vector<Collective> collectives, std::uint64_t least = 1'024, std::uint64_t most = 1 << 20) {
  AdviceOptions options;
  options.collectives = std::move(collectives);
  options.bytes_min = least;
  options.bytes_max = most;
  return options;
}

std::vector<std::uint32_t> order_in(const Advice& advice) {
  std::vector<std::uint32_t> order;
  for (std::uint32_t position = 0; position < advice.file.hosts.size(); ++position)
    order.push_back(advice.file.order.at(position).value);
  return order;
}

// Goal: what is measured comes back: costs of near and far, how many ranks of a host can send at once. Method: idle
// pairs, then loaded ones of half the speed, and of the same.
TEST(LinkMatrix, HasWhatWasMeasured) {
  Measurement measurement = measured(4, 2);
  const LinkMatrix idle = LinkMatrix::make(measurement).value();
  EXPECT_DOUBLE_EQ(idle.near().alpha_ns, 10'000);
  EXPECT_DOUBLE_EQ(idle.far().beta_ns_per_byte, 8.0);
  EXPECT_DOUBLE_EQ(idle.overhead_ns(), 2'000);
  EXPECT_EQ(idle.far_links(), 1u);
  EXPECT_EQ(idle.guessed(), 0u);
  for (const double slower : {1.0, 2.0}) {
    Measurement both = measurement;
    for (PairMeasurement pair : measurement.pairs) {
      pair.load = PairLoad::loaded;
      pair.fit->beta_ns_per_byte.value *= slower;
      both.pairs.push_back(pair);
    }
    EXPECT_EQ(LinkMatrix::make(both).value().far_links(), slower > 1.5 ? 1u : 2u);
  }
}

// Goal: a message takes on the fabric what it took when it was measured, near, far and over a slow direction; what was
// not measured is as slow as its ends. Method: a broadcast between two ranks is one message.
TEST(LinkMatrix, PlaysAMessageAsItWasMeasured) {
  Measurement measurement = measured(3, 2, [](std::uint32_t a, std::uint32_t) { return a == 2 ? 4.0 : 1.0; });
  std::erase_if(measurement.pairs, [](const PairMeasurement& pair) { return pair.from % 3 == 2 && pair.to % 3 == 0; });
  const LinkMatrix links = LinkMatrix::make(measurement).value();
  EXPECT_EQ(links.guessed(), 1u);
  const auto fabric = links.fabric();
  const auto one_message_ns = [&](std::uint32_t from, std::uint32_t to) {
    Schedule schedule = make_schedule({ScheduleKind::star, Collective::broadcast, 6}).value();
    for (Program& program : schedule.programs) program.rounds.assign(1, {});
    schedule.programs[from].rounds[0].steps.push_back({StepKind::send, Rank{to}, {0, 1}});
    schedule.programs[to].rounds[0].steps.push_back({StepKind::receive, Rank{from}, {0, 1}});
    return static_cast<double>(simulate(schedule, 100'000, {*fabric, links.host_model()}).value().time) / 1e3;
  };
  EXPECT_NEAR(one_message_ns(0, 3), 10'000 + 0.3 * 100'000, 10);
  EXPECT_NEAR(one_message_ns(0, 1), 40'000 + 8.0 * 100'000, 10);
  EXPECT_NEAR(one_message_ns(0, 2), 40'000 + 8.0 * 100'000, 10);
  EXPECT_NEAR(one_message_ns(2, 1), 40'000 + 32.0 * 100'000, 10);
  EXPECT_NEAR(one_message_ns(5, 0), 40'000 + 32.0 * 100'000, 10);  // guessed
}

// Goal: what is advised is at least as fast as every schedule in the order of the numbers. Where those serve as well,
// the order is theirs. Method: four hosts of two ranks dealt out in turn, where ranks at the distance at which a
// circulant moves most share a host; each kind and size played.
TEST(Advice, IsAsFastAsEveryFixedSchedule) {
  const Measurement measurement = measured(4, 2);
  const Advice advice = advise(measurement, of({Collective::all_reduce}, 16'384, 4 << 20)).value();
  EXPECT_TRUE(advice.file.order.is_natural());
  const LinkMatrix links = LinkMatrix::make(measurement).value();
  const auto fabric = links.fabric();
  for (const SizeAdvice& size : advice.sizes) {
    for (const ScheduleKind kind : all_schedules()) {
      const auto fixed =
          simulate(ScheduleRequest{kind, Collective::all_reduce, 8}, size.bytes, {*fabric, links.host_model()}).value();
      EXPECT_LE(size.expected_ns, 1.001 * static_cast<double>(fixed.time) / 1e3)
          << schedule_kind_name(kind) << " of " << size.bytes;
    }
  }
}

// Goal: over interleaved hosts what is advised is at least as fast as every schedule in the order of the numbers, and
// 1.3 times faster than what is done without advice. Method: two hosts of three ranks, each kind and size played. (With
// two ranks on each of four hosts those at distance P / 2 share one, which is the distance at which a circulant moves
// most: there nothing is to be gained.)
TEST(Advice, GainsWhereHostsAreInterleaved) {
  const Measurement measurement = measured(2, 3);
  const Advice advice = advise(measurement, of({Collective::all_reduce}, 65'536, 4 << 20)).value();
  const LinkMatrix links = LinkMatrix::make(measurement).value();
  const auto fabric = links.fabric();
  for (const SizeAdvice& size : advice.sizes) {
    for (const ScheduleKind kind : all_schedules()) {
      const auto fixed =
          simulate(ScheduleRequest{kind, Collective::all_reduce, 6}, size.bytes, {*fabric, links.host_model()}).value();
      EXPECT_LE(size.expected_ns, 1.001 * static_cast<double>(fixed.time) / 1e3)
          << schedule_kind_name(kind) << " of " << size.bytes;
    }
    EXPECT_GT(size.otherwise_ns, 1.3 * size.expected_ns) << size.bytes << ": " << in_words(size.use);
  }
}

// Goal: one rank a host on alike links leaves the order as it is. Method: six such hosts, all collectives.
TEST(Advice, LeavesAnOrderThatGainsNothing) {
  const Advice advice = advise(measured(6, 1), of(AdviceOptions().collectives)).value();
  EXPECT_TRUE(advice.file.order.is_natural());
  EXPECT_EQ(advice.sizes.size(), 5u * 6u);
  EXPECT_TRUE(advice.notes.empty());
}

// Goal: a slow host is told and stands last. Method: one of five, which is not the last one.
TEST(Advice, PutsASlowHostLast) {
  const auto slower = [](std::uint32_t a, std::uint32_t b) { return a == 1 || b == 1 ? 5.0 : 1.0; };
  const Advice advice = advise(measured(5, 2, slower), of({Collective::all_reduce, Collective::broadcast})).value();
  const std::vector<std::uint32_t> order = order_in(advice);
  EXPECT_EQ((std::vector<std::uint32_t>{order[8], order[9]}), (std::vector<std::uint32_t>{1, 6}));
  EXPECT_THAT(advice.notes, Contains(HasSubstr("host n1 is slow with all others")));
}

// Goal: hosts of a switch stand together, as declared, as given, or as measured. Method: eight hosts at two switches,
// so that those at distance 1, 2 and 4 are all at another switch, over which links are three times slower; then
// switches that only latency tells apart, too little for the time of a large message to show who is near; there also a
// slow host.
TEST(Advice, PutsHostsOfASwitchTogether) {
  const auto is_of_first = [](std::uint32_t host) { return host == 0 || host == 3 || host == 5 || host == 6; };
  const auto are_near = [&](std::uint32_t a, std::uint32_t b) { return is_of_first(a) == is_of_first(b); };
  const std::vector<std::uint32_t> expected = {0, 3, 5, 6, 1, 2, 4, 7};
  const Measurement bare = measured(8, 1, [&](std::uint32_t a, std::uint32_t b) { return are_near(a, b) ? 1.0 : 3.0; });
  EXPECT_EQ(order_in(advise(bare, of({Collective::all_reduce})).value()), expected);
  AdviceOptions given = of({Collective::all_reduce});
  given.neighbourhoods = {{0, 3, 5, 6}, {1, 2, 4, 7}};
  EXPECT_EQ(order_in(advise(bare, given).value()), expected);
  Measurement declared = bare;
  for (std::uint32_t host = 0; host < 8; ++host) declared.hosts[host].declared_switch = is_of_first(host) ? "s0" : "s1";
  EXPECT_EQ(order_in(advise(declared, of({Collective::all_reduce})).value()), expected);

  Measurement latencies = measured(8, 1);
  for (PairMeasurement& pair : latencies.pairs)
    if (!are_near(pair.from, pair.to)) pair.fit->alpha_ns.value *= 1.6;
  const AdviceOptions small = of({Collective::all_reduce}, 256, 4'096);
  EXPECT_EQ(order_in(advise(latencies, small).value()), expected);
  for (PairMeasurement& pair : latencies.pairs)
    if (pair.from == 3 || pair.to == 3) pair.fit->beta_ns_per_byte.value *= 4;
  const std::vector<std::uint32_t> slow_last = order_in(advise(latencies, small).value());
  EXPECT_EQ(slow_last, (std::vector<std::uint32_t>{0, 5, 6, 3, 1, 2, 4, 7}));
}

// Goal: the file holds all of it, is one that a session reads, and equal measurements give equal files. Method: written
// twice and read; every size has a rule, which is the one advised.
TEST(Advice, WritesAFileThatSaysTheSame) {
  const auto advised = [] { return advise(measured(4, 2), of({Collective::all_reduce, Collective::reduce})).value(); };
  const Advice advice = advised();
  const std::string text = format_topology_file(advice.file);
  EXPECT_EQ(format_topology_file(advised().file), text);
  const TopologyFile read = parse_topology_file(text, "f").value();
  EXPECT_EQ(read.order, advice.file.order);
  EXPECT_EQ(read.expected.size(), advice.sizes.size());
  for (const SizeAdvice& size : advice.sizes) {
    const ScheduleRule* const rule = read.rules.find(size.collective, size.bytes);
    ASSERT_NE(rule, nullptr);
    EXPECT_EQ(rule->use, size.use);
  }
  EXPECT_NE(read.rules.find(Collective::all_reduce, 0), nullptr);
  EXPECT_NE(read.rules.find(Collective::all_reduce, UINT64_MAX - 1), nullptr);
  EXPECT_EQ(read.rules.find(Collective::broadcast, 1), nullptr);
}

// Goal: what cannot be advised on is refused or noted. Method: no pairs, a dead rank, one host, a name with a blank,
// neighbourhoods that leave one out.
TEST(Advice, SaysWhatItCannotTell) {
  Measurement measurement = measured(3, 1);
  Measurement none = measurement;
  none.pairs.clear();
  EXPECT_THAT(advise(none, {}).error().message, HasSubstr("no pair of ranks has been measured"));
  Measurement blank = measurement;
  blank.hosts[1].name = "node 1";
  EXPECT_THAT(advise(blank, {}).error().message, HasSubstr("the host \"node 1\" has no name that a file can hold"));
  AdviceOptions options = of({Collective::all_reduce});
  options.neighbourhoods = {{0, 2}};
  EXPECT_THAT(advise(measurement, options).error().message, HasSubstr("leave a host out"));
  measurement.ranks[2].died = true;
  for (PairMeasurement& pair : measurement.pairs)
    if (pair.from == 2 || pair.to == 2) pair.fit.reset();
  const Advice advice = advise(measurement, of({Collective::all_reduce})).value();
  EXPECT_THAT(advice.notes, Contains(HasSubstr("rank 2 on n2")));
  EXPECT_THAT(advice.notes, Contains(HasSubstr("4 of 6 links between hosts were not measured")));
  const Advice alone = advise(measured(1, 4), {}).value();
  EXPECT_TRUE(alone.sizes.empty());
  EXPECT_THAT(alone.notes, Contains(HasSubstr("all ranks share one host")));
}

}  // namespace
}  // namespace gossamer::topology

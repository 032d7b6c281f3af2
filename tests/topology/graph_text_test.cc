#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "every_graph.h"

namespace gossamer::topology {
namespace {

// Goal: the text form is what its documentation shows. Method: the smallest graph with a share other than a half.
TEST(GraphText, IsOneLineAGiver) {
  EXPECT_EQ(format_graph(made({GraphKind::base, 3, 1, 0})),
            "gossamer-graph 1\n"
            "kind base\n"
            "ranks 3\n"
            "degree 1\n"
            "seed 0\n"
            "shares exact\n"
            "round 0\n"
            "0 gives 1/2 to 1\n"
            "1 gives 1/2 to 0\n"
            "round 1\n"
            "1 gives 2/3 to 2\n"
            "2 gives 2/3 to 1\n"
            "round 2\n"
            "0 gives 1/2 to 1\n"
            "1 gives 1/2 to 0\n"
            "end\n");
}

// Goal: what is written is read back the same. Method: there and back for every graph to 40 ranks.
TEST(GraphText, IsReadBackAsItWasWritten) {
  for (std::uint32_t ranks = 1; ranks <= 40; ++ranks) {
    for (const GraphRequest& request : every_graph(ranks)) {
      const Graph graph = made(request);
      const Result<Graph> parsed = parse_graph(format_graph(graph));
      ASSERT_TRUE(parsed.ok()) << in_words(request) << ": " << parsed.error().message;
      ASSERT_EQ(*parsed, graph) << in_words(request);
    }
  }
}

// Goal: graphs are told apart by every part of them. Method: change each part of one.
TEST(GraphText, GraphsThatDifferInAnyPartHaveAnotherText) {
  const Graph graph = made({GraphKind::ring, 4, 0, 0});
  const auto differs = [&](auto change) {
    Graph other = graph;
    change(other);
    return !(other == graph) && format_graph(other) != format_graph(graph);
  };
  EXPECT_TRUE(differs([](Graph& g) { g.request.kind = GraphKind::torus; }));
  EXPECT_TRUE(differs([](Graph& g) { g.request.rank_count = 5; }));
  EXPECT_TRUE(differs([](Graph& g) { g.request.degree = 2; }));
  EXPECT_TRUE(differs([](Graph& g) { g.request.seed = 2; }));
  EXPECT_TRUE(differs([](Graph& g) { g.approximate = true; }));
  EXPECT_TRUE(differs([](Graph& g) { g.rounds.push_back(g.rounds[0]); }));
  EXPECT_TRUE(differs([](Graph& g) { g.rounds[0][1].gives[0].peer = Rank{3}; }));
  EXPECT_TRUE(differs([](Graph& g) { g.rounds[0][1].gives[0].weight = {2, 6}; }));
}

// Goal: comments, blank lines and foreign line ends are read. Method: a graph that has them.
TEST(GraphText, PassesOverCommentsAndBlankLines) {
  const Result<Graph> parsed = parse_graph(
      "# two ranks\r\n\r\ngossamer-graph 1\r\nkind ring\n ranks 2\ndegree 0\nseed 0\nshares exact\nround 0\n"
      "\t0 gives 1/2 to 1\n\n# and back\n1 gives 1/2 to 0\r\nend");
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  EXPECT_EQ(*parsed, made({GraphKind::ring, 2, 0, 0}));
}

// Goal: a mistake is answered with its line, what was expected and what was found. Method: one of each.
TEST(GraphText, MistakesAreNamedWithTheirLine) {
  const std::string good = format_graph(made({GraphKind::exponential, 4, 0, 0}));
  const auto refusal = [&](std::string_view part, std::string_view instead) {
    std::string bad = good;
    const std::size_t at = bad.find(part);
    EXPECT_NE(at, std::string::npos);
    bad.replace(at, part.size(), instead);
    const Result<Graph> parsed = parse_graph(bad);
    EXPECT_FALSE(parsed.ok());
    if (parsed.ok()) return std::string("read");
    EXPECT_EQ(parsed.error().code, Code::malformed);
    return parsed.error().message;
  };
  EXPECT_EQ(refusal("graph 1", "graph 2"),
            "graph text, line 1: expected \"gossamer-graph 1\", found \"gossamer-graph 2\"");
  EXPECT_EQ(refusal("exponential", "rings"),
            "graph text, line 2: expected the name of a graph kind, found \"kind rings\"");
  EXPECT_EQ(refusal("ranks 4", "ranks 65537"),
            "graph text, line 3: expected \"ranks\" and a number from 1 to 65536, found \"ranks 65537\"");
  EXPECT_EQ(refusal("seed 0", "seed x"), "graph text, line 5: expected \"seed\" and a number, found \"seed x\"");
  EXPECT_EQ(refusal("exact", "rough"),
            "graph text, line 6: expected \"shares exact\" or \"shares approximate\", found \"shares rough\"");
  EXPECT_EQ(refusal("round 0", "round 1"),
            "graph text, line 7: expected \"round 0\", a rank's gifts, or \"end\", found \"round 1\"");
  EXPECT_EQ(refusal("0 gives 1/3", "0 gives 3/3"),
            "graph text, line 8: expected shares above 0 and below 1, found \"0 gives 3/3 to 1; 1/3 to 2\"");
  EXPECT_EQ(refusal("to 2", "to 0"),
            "graph text, line 8: expected peers among the 4 ranks, other than 0, in ascending order, found \"0 gives "
            "1/3 to 1; 1/3 to 0\"");
  EXPECT_EQ(refusal("to 2", "to 4"),
            "graph text, line 8: expected peers among the 4 ranks, other than 0, in ascending order, found \"0 gives "
            "1/3 to 1; 1/3 to 4\"");
  EXPECT_EQ(refusal("to 2", "to 1"),
            "graph text, line 8: expected peers among the 4 ranks, other than 0, in ascending order, found \"0 gives "
            "1/3 to 1; 1/3 to 1\"");
  EXPECT_EQ(
      refusal("1 gives", "0 gives"),
      "graph text, line 9: expected one of the 4 ranks, in ascending order, found \"0 gives 1/3 to 2; 1/3 to 3\"");
  EXPECT_EQ(
      refusal("1 gives", "1 takes"),
      "graph text, line 9: expected gifts like \"3 gives 4/5 to 4; 1/10 to 7\", found \"1 takes 1/3 to 2; 1/3 to 3\"");
  EXPECT_EQ(
      refusal("1/3 to 3", "1 to 3"),
      "graph text, line 9: expected gifts like \"3 gives 4/5 to 4; 1/10 to 7\", found \"1 gives 1/3 to 2; 1 to 3\"");
  EXPECT_EQ(refusal("end\n", "end\nend\n"), "graph text, line 13: expected nothing after \"end\", found \"end\"");
  EXPECT_EQ(refusal("end\n", ""),
            "graph text, line 11: expected \"round 1\", a rank's gifts, or \"end\", found the end of the text");
  EXPECT_EQ(parse_graph("").error().message,
            "graph text, line 0: expected \"gossamer-graph 1\", found the end of the text");
  const std::string none = "gossamer-graph 1\nkind ring\nranks 1\ndegree 0\nseed 0\nshares exact\nend\n";
  EXPECT_EQ(parse_graph(none).error().message, "graph text, line 7: expected \"round 0\", found \"end\"");
}

// Goal: a short text cannot ask for much memory, nor a long one be read at all. Method: 65 rounds of 65,536 ranks; 65
// MiB.
TEST(GraphText, IsBounded) {
  std::string rounds = "gossamer-graph 1\nkind matrix\nranks 65536\ndegree 0\nseed 0\nshares exact\n";
  for (int round = 0; round < 65; ++round) append(rounds, "round ", round, "\n");
  EXPECT_EQ(parse_graph(rounds + "end").error().message,
            "graph text, line 71: expected at most 4194304 ranks times rounds, found \"round 64\"");
  EXPECT_EQ(parse_graph(std::string(std::size_t{65} << 20, '\n')).error().message,
            "the graph has 65.0 MiB of text: at most 64.0 MiB are read");
}

// Any graph whose two sides agree, sensible or not.
Graph arbitrary_graph() {
  Graph graph;
  graph.request.kind = *rc::gen::elementOf(std::vector<GraphKind>(all_graphs().begin(), all_graphs().end()));
  const std::uint32_t ranks = graph.request.rank_count = *rc::gen::inRange<std::uint32_t>(1, 7);
  graph.request.degree = *rc::gen::inRange<std::uint32_t>(0, 5);
  graph.request.seed = *rc::gen::arbitrary<std::uint64_t>();
  graph.approximate = *rc::gen::arbitrary<bool>();
  graph.rounds.resize(*rc::gen::inRange<std::size_t>(1, 4));
  for (std::vector<Mix>& round : graph.rounds) {
    round.resize(ranks);
    for (std::uint32_t giver = 0; giver < ranks; ++giver) {
      for (std::uint32_t taker = 0; taker < ranks; ++taker) {
        if (giver == taker || *rc::gen::inRange(0, 3) == 0) continue;
        const std::uint32_t denominator = *rc::gen::inRange<std::uint32_t>(2, 12);
        const Weight share{*rc::gen::inRange<std::uint32_t>(1, denominator), denominator};
        round[giver].gives.push_back({Rank{taker}, share});
        round[taker].takes.push_back({Rank{giver}, share});
      }
    }
  }
  return graph;
}

std::string reason_of(const Status& status) { return status.ok() ? "" : status.error().message; }

// Goal: every graph survives the text form, and the proof takes any. Method: random graphs of the right shape.
RC_GTEST_PROP(GraphText, AnyGraphIsReadBackAndProvedAlike, ()) {
  const Graph graph = arbitrary_graph();
  const Result<Graph> parsed = parse_graph(format_graph(graph));
  RC_ASSERT(parsed.ok());
  RC_ASSERT(*parsed == graph);
  RC_ASSERT(reason_of(check_mixing(*parsed)) == reason_of(check_mixing(graph)));
}

// One byte of the text replaced, some removed, some repeated, or the rest cut off.
void damage_graph(std::string& input, Random& random) {
  const std::size_t at = random.below(input.size());
  switch (random.below(5)) {
    case 0:
      input[at] = static_cast<char>(random.below(256));
      break;
    case 1:
      input.erase(at, 1 + random.below(20));
      break;
    case 2:
      input.insert(at, input.substr(random.below(input.size()), 30));
      break;
    case 3:
      input[at] = "0123456789/; \n#"[random.below(15)];
      break;
    default:
      input.resize(at);
  }
}

// Goal: malformed text is refused with a line, or read as something that can be written and proved; it never breaks the
// reader. Method: right texts, each damaged in 50 ways by one to three blows.
RC_GTEST_PROP(GraphText, DamagedTextIsRefusedOrReadSoundly, (std::uint64_t seed)) {
  Random random(seed);
  const std::vector<GraphRequest> requests = every_graph(1 + static_cast<std::uint32_t>(random.below(9)));
  const std::string good = format_graph(made(requests[random.below(requests.size())]));
  for (int i = 0; i < 50; ++i) {
    std::string damaged = good;
    for (std::uint64_t blows = 1 + random.below(3); blows > 0 && !damaged.empty(); --blows)
      damage_graph(damaged, random);
    const Result<Graph> parsed = parse_graph(damaged);
    if (!parsed.ok()) {
      RC_ASSERT(parsed.error().code == Code::malformed);
      RC_ASSERT(parsed.error().message.starts_with("graph text, line "));
      continue;
    }
    const Result<Graph> again = parse_graph(format_graph(*parsed));
    RC_ASSERT(again.ok());
    RC_ASSERT(*again == *parsed);
    static_cast<void>(check_mixing(*parsed));
  }
}

}  // namespace
}  // namespace gossamer::topology

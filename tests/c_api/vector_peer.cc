// One rank of the tests of users' collectives between processes. Through the C interface only, as a user would.
//
//   vector_peer MODE [NUMBER [SEED]]      prints what it sees, one line each, and "end" when all went as it should
#include <gossamer.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "tests/c_api/peer_program.h"

namespace {

gossamer_collective_config config_of(gossamer_collective_kind kind, gossamer_type type, uint64_t count, void* output) {
  gossamer_collective_config config = GOSSAMER_COLLECTIVE_CONFIG_INIT;
  config.kind = kind;
  config.type = type;
  config.count = count;
  config.output = output;
  return config;
}

gossamer_collective* make(const gossamer_collective_config& config) {
  gossamer_collective* collective = nullptr;
  if (gossamer_collective_create(session, &config, &collective) != GOSSAMER_DONE) fail("create");
  return collective;
}

gossamer_operation* start(gossamer_collective* collective) {
  gossamer_operation* operation = nullptr;
  if (gossamer_collective_start(collective, &operation) != GOSSAMER_DONE) fail("start");
  return operation;
}

void finish(gossamer_operation* operation) {
  if (gossamer_operation_wait(operation, 0) != GOSSAMER_DONE) fail("wait");
}

// What rank r gives as element i in turn t: whole numbers, whose sums are exact.
int32_t given(int r, uint64_t i, int turn) {
  return static_cast<int32_t>((i * 7 + static_cast<uint64_t>(r * 3 + turn)) % 101) - 50;
}

int32_t sum_of(uint64_t i, int turn) {
  int32_t sum = 0;
  for (int r = 0; r < rank_count; ++r) sum += given(r, i, turn);
  return sum;
}

// All-reduce, reduce-scatter, all-gather, reduce and broadcast of i32, from nothing to some MB, three turns each.
void all_kinds(bool is_allocated) {
  for (const uint64_t count : {0u, 1u, 2u, 15u, 300u, 4099u, 65'536u, 1'000'003u}) {
    void* memory = nullptr;
    std::vector<int32_t> plain(count + 1);
    if (is_allocated) expect(gossamer_allocate(session, count * 4, &memory) == GOSSAMER_DONE, "allocate");
    auto* const data = is_allocated ? static_cast<int32_t*>(memory) : plain.data();
    gossamer_collective* const all_reduce = make(config_of(GOSSAMER_ALL_REDUCE, GOSSAMER_I32, count, data));
    gossamer_collective* const scatter = make(config_of(GOSSAMER_REDUCE_SCATTER, GOSSAMER_I32, count, data));
    gossamer_collective* const gather = make(config_of(GOSSAMER_ALL_GATHER, GOSSAMER_I32, count, data));
    auto rooted = config_of(GOSSAMER_REDUCE, GOSSAMER_I32, count, data);
    rooted.root = rank_count - 1;
    gossamer_collective* const reduce = make(rooted);
    rooted.kind = GOSSAMER_BROADCAST;
    gossamer_collective* const broadcast = make(rooted);
    uint64_t first = 0;
    uint64_t slice = 0;
    expect(gossamer_collective_slice(scatter, rank, &first, &slice) == GOSSAMER_DONE, "slice");
    for (int turn = 0; turn < 3; ++turn) {
      const auto fill = [&] {
        for (uint64_t i = 0; i < count; ++i) data[i] = given(rank, i, turn);
      };
      const auto check = [&](uint64_t begin, uint64_t end, const char* what) {
        for (uint64_t i = begin; i < end; ++i)
          if (data[i] != sum_of(i, turn)) {
            std::printf("element %llu of %llu is %d, expected %d, turn %d\n", static_cast<unsigned long long>(i),
                        static_cast<unsigned long long>(count), data[i], sum_of(i, turn), turn);
            fail(what);
          }
      };
      fill();
      finish(start(all_reduce));
      check(0, count, "all-reduce");
      fill();
      finish(start(scatter));
      check(first, first + slice, "reduce-scatter");
      for (uint64_t i = 0; i < count; ++i)
        if (i < first || i >= first + slice) data[i] = -1;
      finish(start(gather));
      check(0, count, "all-gather");
      fill();
      finish(start(reduce));
      if (rank == rank_count - 1) check(0, count, "reduce");
      if (rank != rank_count - 1) std::fill(data, data + count, -1);
      finish(start(broadcast));
      check(0, count, "broadcast");
    }
    for (gossamer_collective* const collective : {all_reduce, scatter, gather, reduce, broadcast})
      gossamer_collective_destroy(collective);
    expect(gossamer_free(session, memory) == GOSSAMER_DONE, "free");
  }
  expect(gossamer_barrier(session, 0) == GOSSAMER_DONE, "barrier");
}

// Rank 1 alone makes each mistake in turn; all do the next collective.
void make_mistakes() {
  const bool wrong = rank == 1;
  float data[64] = {};
  void* block = nullptr;
  expect(gossamer_allocate(session, 128, &block) == GOSSAMER_DONE, "allocate");
  const auto check = [&](const char* words, gossamer_status status) {
    const std::string said = gossamer_last_error();
    if (status != (wrong ? GOSSAMER_INVALID_ARGUMENT : GOSSAMER_MISMATCH)) fail(words);
    if (said.find(words) == std::string::npos) fail(words);
    if (!wrong && said.find("rank 1") == std::string::npos) fail(words);
    if (gossamer_check_equal(session, "next", data, sizeof data, 0) != GOSSAMER_DONE) fail(words);
  };
  const auto create = [&](auto change) {
    gossamer_collective_config config = config_of(GOSSAMER_ALL_REDUCE, GOSSAMER_F32, 10, data);
    if (wrong) change(config);
    gossamer_collective* collective = nullptr;
    return gossamer_collective_create(session, &config, &collective);
  };
  using Config = gossamer_collective_config;
  check("kind is 99", create([](Config& c) { c.kind = 99; }));
  check("type is 12", create([](Config& c) { c.type = 12; }));
  check("op is -3", create([](Config& c) { c.op = -3; }));
  check("root is -1", create([](Config& c) { c.root = -1; }));
  check("schedule is 60", create([](Config& c) { c.schedule = 60; }));
  check("struct_size is 3", create([](Config& c) { c.struct_size = 3; }));
  check("output is NULL", create([](Config& c) { c.output = nullptr; }));
  check("overlap", create([&](Config& c) { c.input = data + 3; }));
  check("bit-or", create([](Config& c) { c.op = GOSSAMER_BIT_OR; }));
  check("output has 128 B up to the end of its gossamer_allocate block, expected 400 B", create([&](Config& c) {
          c.output = block;
          c.count = 100;
        }));
  check("data is NULL", gossamer_all_reduce(session, wrong ? nullptr : data, 3, GOSSAMER_F32, GOSSAMER_SUM, 0));
  check("type is 50", gossamer_all_reduce(session, data, 3, wrong ? 50 : GOSSAMER_F32, GOSSAMER_SUM, 0));
  check("the timeout is -1", gossamer_barrier(session, wrong ? -1 : 0));

  // What concerns this rank alone.
  gossamer_group* group = nullptr;
  const int32_t unknown[] = {rank, rank_count};
  expect(gossamer_group_create(session, unknown, 2, &group) == GOSSAMER_INVALID_ARGUMENT && group == nullptr,
         "no rank");
  expect(std::strstr(gossamer_last_error(), "expected a rank from 0 to") != nullptr, "says which ranks there are");
  const int32_t twice[] = {rank, rank};
  expect(gossamer_group_create(session, twice, 2, &group) == GOSSAMER_INVALID_ARGUMENT, "a rank twice");
  const int32_t other[] = {(rank + 1) % rank_count};
  expect(gossamer_group_create(session, other, 1, &group) == GOSSAMER_INVALID_ARGUMENT, "not the own rank");
  expect(std::strstr(gossamer_last_error(), "outside the group") != nullptr, "says so");
  expect(gossamer_free(session, data) == GOSSAMER_INVALID_ARGUMENT, "memory of somebody else");
  gossamer_collective* const good = make(config_of(GOSSAMER_ALL_REDUCE, GOSSAMER_F32, 10, data));
  uint64_t first = 0;
  uint64_t count = 0;
  expect(gossamer_collective_slice(good, rank_count, &first, &count) == GOSSAMER_INVALID_ARGUMENT, "a rank outside");
  gossamer_operation* const operation = start(good);
  gossamer_operation* second = nullptr;
  if (gossamer_collective_start(good, &second) == GOSSAMER_BUSY) expect(second == operation, "the one in flight");
  finish(operation);
}

// Even and odd ranks, and all but the first, sum at the same time as all do; groups come and go.
void overlapping_groups() {
  std::vector<int32_t> of_parity, of_upper;
  for (int r = 0; r < rank_count; ++r) {
    if (r % 2 == rank % 2) of_parity.insert(of_parity.begin(), r);
    if (r > 0) of_upper.push_back(r);
  }
  for (int turn = 0; turn < 20; ++turn) {
    std::vector<int64_t> all(999, rank), parity(999, rank), upper(999, rank);
    gossamer_collective* const whole = make(config_of(GOSSAMER_ALL_REDUCE, GOSSAMER_I64, all.size(), all.data()));
    gossamer_operation* const in_flight = start(whole);
    const auto sum = [&](std::vector<int32_t>& ranks, std::vector<int64_t>& data) {
      gossamer_group* group = nullptr;
      expect(gossamer_group_create(session, ranks.data(), ranks.size(), &group) == GOSSAMER_DONE, "group");
      auto config = config_of(GOSSAMER_ALL_REDUCE, GOSSAMER_I64, data.size(), data.data());
      config.group = group;
      gossamer_collective* const collective = make(config);
      gossamer_group_destroy(group);
      finish(start(collective));
      int64_t expected = 0;
      for (const int32_t r : ranks) expected += r;
      for (const int64_t value : data) expect(value == expected, "the sum of a group");
      gossamer_collective_destroy(collective);
    };
    sum(of_parity, parity);
    if (rank > 0) sum(of_upper, upper);
    finish(in_flight);
    for (const int64_t value : all) expect(value == rank_count * (rank_count - 1) / 2, "the sum of all");
    gossamer_collective_destroy(whole);
  }
  // Rank 0 judges the agreements of the others' groups: it must not leave before the last.
  expect(gossamer_barrier(session, 0) == GOSSAMER_DONE, "all are done");
}

long resident_kib() {
  long pages = 0;
  std::ifstream file("/proc/self/statm");
  file >> pages >> pages;
  return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

// Collectives of all kinds, several in flight, started in an order of this rank's own.
void soak(long operations, unsigned seed) {
  constexpr int plans = 12;
  constexpr uint64_t counts[] = {1, 3, 100, 1000, 5000, 20'000};
  std::vector<std::vector<int32_t>> data;
  std::vector<gossamer_collective*> made;
  for (int i = 0; i < plans; ++i) {
    data.emplace_back(counts[i % 6]);
    made.push_back(make(config_of(i % 4 == 3 ? GOSSAMER_REDUCE_SCATTER : GOSSAMER_ALL_REDUCE, GOSSAMER_I32,
                                  data.back().size(), data.back().data())));
  }
  std::mt19937 together(seed);                                        // the same on all ranks: which plans
  std::mt19937 alone(seed + 1000 * static_cast<unsigned>(rank + 1));  // in which order
  long before_kib = 0;
  long done = 0;
  for (int turn = 0; done < operations; ++turn) {
    std::vector<int> chosen;
    for (int i = 0; i < plans; ++i)
      if (together() % 3 == 0) chosen.push_back(i);
    std::shuffle(chosen.begin(), chosen.end(), alone);
    std::vector<gossamer_operation*> started;
    for (const int i : chosen) {
      auto& vector = data[static_cast<std::size_t>(i)];
      for (uint64_t k = 0; k < vector.size(); ++k) vector[k] = given(rank, k, turn);
      started.push_back(start(made[static_cast<std::size_t>(i)]));
    }
    for (std::size_t k = 0; k < chosen.size(); ++k) {
      const int i = chosen[k];
      finish(started[k]);
      uint64_t first = 0;
      uint64_t count = data[static_cast<std::size_t>(i)].size();
      if (i % 4 == 3) gossamer_collective_slice(made[static_cast<std::size_t>(i)], rank, &first, &count);
      if (count == 0) continue;
      for (const uint64_t at : {first, first + count / 2, first + count - 1})
        expect(data[static_cast<std::size_t>(i)][at] == sum_of(at, turn), "the sum");
    }
    done += static_cast<long>(chosen.size());
    if (before_kib == 0 && done > operations / 10) before_kib = resident_kib();
  }
  std::printf("%ld operations, %ld KiB more\n", done, resident_kib() - before_kib);
  expect(resident_kib() - before_kib < 2048, "memory does not grow");
}

// Sums until a peer dies.
void until_a_death() {
  std::vector<float> small(2, 1.0f), large(1'000'000, 1.0f);
  gossamer_collective* const first = make(config_of(GOSSAMER_ALL_REDUCE, GOSSAMER_F32, small.size(), small.data()));
  gossamer_collective* const second = make(config_of(GOSSAMER_ALL_REDUCE, GOSSAMER_F32, large.size(), large.data()));
  std::printf("ready\n");
  for (;;) {
    for (gossamer_collective* const collective : {first, second}) {
      gossamer_operation* operation = nullptr;
      gossamer_status status = gossamer_collective_start(collective, &operation);
      if (status == GOSSAMER_DONE) status = gossamer_operation_wait(operation, 20'000'000'000);
      if (status == GOSSAMER_DONE) continue;
      std::printf("%s: %s\n", gossamer_status_name(status), gossamer_last_error());
      return;
    }
  }
}

gossamer_collective_config mixing(const gossamer_graph& graph, std::vector<float>& data) {
  gossamer_collective_config config = config_of(GOSSAMER_NEIGHBOR_REDUCE, GOSSAMER_F32, data.size(), data.data());
  config.graph = &graph;
  return config;
}

gossamer_graph graph_of(int32_t kind) {
  gossamer_graph graph = GOSSAMER_GRAPH_INIT;
  graph.kind = kind;
  return graph;
}

// Toward the mean over the graphs that exist for any number of ranks, several in flight in an order of this rank's own,
// from one element to many; one of them by matrices, one among the even ranks.
void gossip(unsigned seed) {
  const int32_t kinds[] = {GOSSAMER_GRAPH_ONE_PEER,    GOSSAMER_GRAPH_RING, GOSSAMER_GRAPH_COMPLETE,
                           GOSSAMER_GRAPH_EXPONENTIAL, GOSSAMER_GRAPH_BASE, GOSSAMER_GRAPH_MATRIX};
  const std::size_t ranks = static_cast<std::size_t>(rank_count);
  const std::vector<double> shares(ranks * ranks, 1.0 / rank_count);
  std::vector<int32_t> even;
  for (int32_t r = 0; r < rank_count; r += 2) even.push_back(r);
  gossamer_group* group = nullptr;
  if (rank % 2 == 0) expect(gossamer_group_create(session, even.data(), even.size(), &group) == GOSSAMER_DONE, "group");
  std::vector<std::vector<float>> data;
  std::vector<gossamer_collective*> made;
  for (const uint64_t count : {1u, 1000u, 100'000u}) {
    for (const int32_t kind : kinds) {
      data.emplace_back(count, static_cast<float>(rank));
      gossamer_graph graph = graph_of(kind);
      if (kind == GOSSAMER_GRAPH_MATRIX) graph.shares = shares.data();
      made.push_back(make(mixing(graph, data.back())));
    }
  }
  if (group != nullptr) {
    data.emplace_back(5000, static_cast<float>(rank));
    gossamer_collective_config config = config_of(GOSSAMER_NEIGHBOR_REDUCE, GOSSAMER_F32, 5000, data.back().data());
    config.group = group;  // and no graph: one peer
    made.push_back(make(config));
  }
  std::mt19937 alone(seed + 1000 * static_cast<unsigned>(rank + 1));
  std::vector<std::size_t> order(made.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  for (int turn = 0; turn < 30; ++turn) {
    std::shuffle(order.begin(), order.end(), alone);
    std::vector<gossamer_operation*> started;
    for (const std::size_t i : order) started.push_back(start(made[i]));
    for (gossamer_operation* const operation : started) finish(operation);
  }
  for (std::size_t i = 0; i < made.size(); ++i) {
    const bool is_of_group = i == 3 * std::size(kinds);
    const float mean = is_of_group ? static_cast<float>(even.size() - 1) : static_cast<float>(rank_count - 1) / 2;
    for (const float value : data[i]) expect(std::abs(value - mean) < 1e-3f, "the mean");
    gossamer_collective_destroy(made[i]);
  }
}

// Rank 1 alone has another graph, or none that works; the others hear of it, and what comes next works.
void graph_mistakes() {
  std::vector<float> data(10, 1.0f);
  const double shares[] = {0.5, 0.5, 0.0, 0.5, 0.5, 0.0, 0.0, 0.1, 1.0};
  const auto check = [&](gossamer_status own, const char* own_words, const char* words, auto change) {
    gossamer_graph graph = graph_of(GOSSAMER_GRAPH_BASE);
    gossamer_collective_config config = mixing(graph, data);
    if (rank == 1) change(config, graph);
    gossamer_collective* made = nullptr;
    const gossamer_status status = gossamer_collective_create(session, &config, &made);
    const gossamer_status others = own == GOSSAMER_INVALID_ARGUMENT ? GOSSAMER_MISMATCH : own;
    const bool is_as_said = status == (rank == 1 ? own : others) &&
                            std::strstr(gossamer_last_error(), rank == 1 ? own_words : words) != nullptr;
    if (!is_as_said) fail(words);
  };
  using Config = gossamer_collective_config;
  using Graph = gossamer_graph;
  check(GOSSAMER_MISMATCH, "graph: rank 0 has base, rank 1 has ring", "graph: rank 0 has base, rank 1 has ring",
        [](Config&, Graph& g) { g.kind = GOSSAMER_GRAPH_RING; });
  check(GOSSAMER_MISMATCH, "degree of the graph", "degree of the graph: rank 0 has 1, rank 1 has 2",
        [](Config&, Graph& g) { g.degree = 2; });
  check(GOSSAMER_INVALID_ARGUMENT, "kind is 14, expected a gossamer_graph_kind", "rank 1 was called wrongly",
        [](Config&, Graph& g) { g.kind = 14; });
  check(GOSSAMER_INVALID_ARGUMENT, "not 3", "rank 1 was called wrongly",
        [](Config&, Graph& g) { g.kind = GOSSAMER_GRAPH_KARATE_CLUB; });
  check(GOSSAMER_INVALID_ARGUMENT, "1.1", "rank 1 was called wrongly", [&](Config&, Graph& g) {
    g.kind = GOSSAMER_GRAPH_MATRIX;
    g.shares = shares;
  });
  check(GOSSAMER_UNAVAILABLE, "graph file /nowhere/graph", "graph file /nowhere/graph", [](Config&, Graph& g) {
    g.kind = GOSSAMER_GRAPH_MATRIX;
    g.path = "/nowhere/graph";
  });
  check(GOSSAMER_INVALID_ARGUMENT, "elements of i32 have no shares", "elements of i32 have no shares",
        [](Config& c, Graph&) { c.type = GOSSAMER_I32; });
  check(GOSSAMER_INVALID_ARGUMENT, "input and output overlap", "input and output overlap", [&](Config& c, Graph&) {
    c.count = 5;
    c.input = data.data() + 1;
  });
  const gossamer_graph graph = graph_of(GOSSAMER_GRAPH_COMPLETE);
  gossamer_collective* const good = make(mixing(graph, data));
  finish(start(good));
}

// Mixes for ever; says when it has begun, and who is left agrees: after a death values stay between the least and the
// largest that there were, and come together.
void gossip_beyond_a_death(long operations) {
  std::vector<float> data(100'000, static_cast<float>(rank)), sum(10, 1.0f);
  const gossamer_graph graph = graph_of(GOSSAMER_GRAPH_EXPONENTIAL);
  gossamer_collective* const mix = make(mixing(graph, data));
  gossamer_collective* const all = make(config_of(GOSSAMER_ALL_REDUCE, GOSSAMER_F32, sum.size(), sum.data()));
  finish(start(all));
  std::printf("ready\n");
  bool is_lost = false;
  long after = 0;
  while (after < operations) {
    finish(start(mix));
    if (is_lost) ++after;
    gossamer_operation* operation = nullptr;
    gossamer_status status = gossamer_collective_start(all, &operation);
    if (status == GOSSAMER_DONE) status = gossamer_operation_wait(operation, 20'000'000'000);
    if (status == GOSSAMER_PEER_LOST) is_lost = true;
  }
  for (const float value : data) expect(value == data[0], "the same in every place");
  std::printf("value %.5f\n", static_cast<double>(data[0]));
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const std::string mode = argc > 1 ? argv[1] : "";
  const long number = argc > 2 ? std::atol(argv[2]) : 0;
  if (gossamer_init(nullptr, &session) != GOSSAMER_DONE) fail("init");
  rank = gossamer_rank(session);
  rank_count = gossamer_rank_count(session);
  if (mode == "kinds") all_kinds(false);
  if (mode == "allocated") all_kinds(true);
  if (mode == "mistakes") make_mistakes();
  if (mode == "groups") overlapping_groups();
  if (mode == "soak") soak(number, argc > 3 ? static_cast<unsigned>(std::atol(argv[3])) : 1);
  if (mode == "death") until_a_death();
  if (mode == "gossip") gossip(static_cast<unsigned>(number));
  if (mode == "graph_mistakes") graph_mistakes();
  if (mode == "gossip_death") gossip_beyond_a_death(number);
  gossamer_finalize(session);
  std::printf("end\n");
  return 0;
}

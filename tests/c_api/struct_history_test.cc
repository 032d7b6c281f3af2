// Callers built against every header that there has been: what each of its structs held, and what lay behind.
#include <gmock/gmock.h>
#include <gossamer.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <string>
#include <vector>

namespace {

using ::testing::HasSubstr;

// A struct as some header had it: sizeof, and where its last field ended. What is between was padding.
struct Version {
  std::size_t size;
  std::size_t fields_end;
};

// The struct as such a caller passes it: today's values up to the last field that it knew, garbage in its padding and
// behind its end. Behind the end is memory of somebody else.
template <typename Struct>
class OldCaller {
 public:
  OldCaller(const Struct& today, const Version& version, unsigned char garbage) : bytes_(sizeof(Struct) + 64, garbage) {
    std::memcpy(bytes_.data(), &today, version.fields_end);
    std::memcpy(bytes_.data(), &version.size, sizeof version.size);
  }
  [[nodiscard]] Struct* get() { return reinterpret_cast<Struct*>(bytes_.data()); }

 private:
  std::vector<unsigned char> bytes_;
};

constexpr unsigned char garbages[] = {0x00, 0x01, 0xab, 0xff};

// Every size that a struct of gossamer.h has had, with the end of its fields; the last is today's. A new size is a new
// row, and none is ever taken away.
template <typename Struct>
struct History;
template <>
struct History<gossamer_config> {
  static constexpr Version versions[] = {{64, 60}, {72, 68}, {88, 88}};
};
template <>
struct History<gossamer_launch> {
  static constexpr Version versions[] = {{48, 48}};
};
template <>
struct History<gossamer_compressor_config> {  // 112 bytes were built without `decode` and with it
  static constexpr Version versions[] = {{104, 100}, {112, 108}, {112, 112}, {120, 116}, {128, 128}, {136, 136}};
};
template <>
struct History<gossamer_update> {
  static constexpr Version versions[] = {{40, 40}};
};
template <>
struct History<gossamer_stats> {
  static constexpr Version versions[] = {{112, 112}, {128, 128}};
};
template <>
struct History<gossamer_graph> {
  static constexpr Version versions[] = {{48, 48}};
};
template <>
struct History<gossamer_collective_config> {  // and 72, which had no graph: ACollectiveFromBeforeGraphsIsRead
  static constexpr Version versions[] = {{80, 80}};
};
template <typename... Structs>
constexpr bool end_today = ((std::end(History<Structs>::versions)[-1].size == sizeof(Structs)) && ...);
static_assert(end_today<gossamer_config, gossamer_launch, gossamer_compressor_config, gossamer_update, gossamer_stats,
                        gossamer_graph, gossamer_collective_config>,
              "a struct has grown: add the size that it has now to its history");

// Goal of what calls this: a function takes the struct of every caller there has been, and of those to come as far as
// they ask for nothing new. Method: each earlier size, with garbage in its padding and behind its end; a longer one
// with zeros, and with a bit in the first and in the last byte of what is new; sizes that are none.
template <typename Struct, typename Call>
void expect_every_size(const Struct& today, std::initializer_list<unsigned char> fillings, Call call) {
  for (const Version& version : History<Struct>::versions) {
    for (const unsigned char garbage : fillings) {
      OldCaller<Struct> caller(today, version, garbage);
      EXPECT_EQ(call(caller.get()), GOSSAMER_DONE)
          << version.size << ", " << version.fields_end << " with " << int{garbage} << ": " << gossamer_last_error();
    }
  }
  struct alignas(std::max_align_t) Later {
    unsigned char bytes[sizeof(Struct) + 24] = {};
  } later;
  auto* const given = reinterpret_cast<Struct*>(later.bytes);
  std::memcpy(later.bytes, &today, sizeof today);
  given->struct_size = sizeof later.bytes;
  EXPECT_EQ(call(given), GOSSAMER_DONE) << gossamer_last_error();
  for (const std::size_t place : {sizeof(Struct), sizeof later.bytes - 1}) {
    later.bytes[place] = 1;
    EXPECT_EQ(call(given), GOSSAMER_INVALID_ARGUMENT) << place;
    EXPECT_THAT(gossamer_last_error(), HasSubstr("has fields that this version of the library does not know"));
    later.bytes[place] = 0;
  }
  for (const std::size_t wrong : {std::size_t{0}, std::size_t{7}, std::size_t{65537}}) {
    given->struct_size = wrong;
    EXPECT_EQ(call(given), GOSSAMER_INVALID_ARGUMENT) << wrong;
    EXPECT_THAT(gossamer_last_error(), HasSubstr("struct_size is " + std::to_string(wrong)));
  }
}

gossamer_session* join_alone(const gossamer_config* config) {
  gossamer_session* session = nullptr;
  EXPECT_EQ(gossamer_init(config, &session), GOSSAMER_DONE) << gossamer_last_error();
  return session;
}

gossamer_config config_alone() {
  gossamer_config config = GOSSAMER_CONFIG_INIT;
  config.rank = 0;
  config.rank_count = 1;
  config.job = "struct_history_test";
  return config;
}

// Goal: a caller of every gossamer_config and gossamer_launch gets the defaults for what it did not know. Method: every
// function that takes one, with bytes that would be refused, or would start threads, if they were read.
TEST(StructHistory, EveryConfigThatThereHasBeenIsRead) {
  const gossamer_config today = config_alone();
  const auto ended = [](gossamer_status status, gossamer_session* session) {
    gossamer_finalize(session);
    return status;
  };
  expect_every_size(today, {0x00, 0x01, 0xab, 0xff}, [&](const gossamer_config* config) {
    gossamer_session* session = nullptr;
    const gossamer_status status = gossamer_init(config, &session);
    return ended(status, session);
  });
  expect_every_size(today, {0xab}, [](const gossamer_config* config) {
    gossamer_unique_id id;
    return gossamer_unique_id_create(config, &id);
  });
  expect_every_size(today, {0xab}, [&](const gossamer_config* config) {
    gossamer_unique_id id;
    gossamer_session* session = nullptr;
    EXPECT_EQ(gossamer_unique_id_create(nullptr, &id), GOSSAMER_DONE) << gossamer_last_error();
    const gossamer_status status = gossamer_init_with_id(config, &id, 0, 1, &session);
    return ended(status, session);
  });
  gossamer_launch launch = GOSSAMER_LAUNCH_INIT;
  launch.rank = 0;
  launch.rank_count = 1;
  launch.broadcast = [](void*, void*, size_t, int32_t) { return 0; };
  expect_every_size(today, {0xab}, [&](const gossamer_config* config) {
    gossamer_session* session = nullptr;
    const gossamer_status status = gossamer_init_with_launch(config, &launch, &session);
    return ended(status, session);
  });
  expect_every_size(launch, {0xab}, [&](const gossamer_launch* given) {
    gossamer_session* session = nullptr;
    const gossamer_status status = gossamer_init_with_launch(&today, given, &session);
    return ended(status, session);
  });
}

class CompressorHistory : public ::testing::Test {
 protected:
  void SetUp() override {
    const gossamer_config config = config_alone();
    session = join_alone(&config);
    options.tensors = tensors;
    options.tensor_count = 2;
  }
  void TearDown() override { gossamer_finalize(session); }

  // What a compressor of these options makes of a gradient of ones on one rank, in two steps.
  std::vector<float> two_steps(const gossamer_compressor_config* config) {
    gossamer_compressor* compressor = nullptr;
    EXPECT_EQ(gossamer_compressor_create(session, config, &compressor), GOSSAMER_DONE) << gossamer_last_error();
    if (compressor == nullptr) return {};
    std::vector<float> w(1000), b(10);
    const std::vector<float> g(1000, 1.0f), h(10, 1.0f);
    const float* gradients[] = {g.data(), h.data()};
    float* weights[] = {w.data(), b.data()};
    for (int step = 0; step < 2; ++step) {
      gossamer_operation* operation = nullptr;
      gossamer_update update = GOSSAMER_UPDATE_INIT;
      EXPECT_EQ(gossamer_compress(compressor, gradients), GOSSAMER_DONE);
      EXPECT_EQ(gossamer_reduce(compressor, &operation), GOSSAMER_DONE);
      EXPECT_EQ(gossamer_operation_wait(operation, 0), GOSSAMER_DONE) << gossamer_last_error();
      EXPECT_EQ(gossamer_recover(compressor, &update), GOSSAMER_DONE);
      EXPECT_EQ(gossamer_update_apply(&update, weights, 1.0f), GOSSAMER_DONE);
    }
    gossamer_compressor_destroy(compressor);
    w.insert(w.end(), b.begin(), b.end());
    return w;
  }

  gossamer_session* session = nullptr;
  gossamer_tensor tensors[2] = {{"w", 1000, 0}, {"b", 10, 1}};
  gossamer_compressor_config options = GOSSAMER_COMPRESSOR_CONFIG_INIT;
};

// Goal: a caller of every earlier gossamer_compressor_config gets the defaults for what it did not know. Method: each
// size and set of fields, with garbage that would be other cells, another decode or another memory; the result is that
// of today's initializer.
TEST_F(CompressorHistory, EveryConfigThatThereHasBeenIsRead) {
  expect_every_size(options, {0xab}, [&](const gossamer_compressor_config* config) {
    gossamer_compressor* compressor = nullptr;
    const gossamer_status status = gossamer_compressor_create(session, config, &compressor);
    gossamer_compressor_destroy(compressor);
    return status;
  });
  const std::vector<float> expected = two_steps(&options);
  for (const Version& version : History<gossamer_compressor_config>::versions) {
    for (const unsigned char garbage : garbages) {
      OldCaller<gossamer_compressor_config> caller(options, version, garbage);
      EXPECT_EQ(two_steps(caller.get()), expected) << version.size << ", " << version.fields_end << " " << int{garbage};
    }
  }
}

// Goal: fields that an earlier caller did know are taken, and refused where they are wrong. Method: the last field of
// each size, with a wrong number; `decode` in the size that had it first, whose number in the size without it is
// padding, is taken where it is SHARDED.
TEST_F(CompressorHistory, WhatACallerKnewIsTaken) {
  gossamer_compressor* compressor = nullptr;
  const auto refusal = [&](const Version& version) -> std::string {
    OldCaller<gossamer_compressor_config> caller(options, version, 0);
    const gossamer_status status = gossamer_compressor_create(session, caller.get(), &compressor);
    return status == GOSSAMER_INVALID_ARGUMENT ? gossamer_last_error() : "";
  };
  options.schedule = 17;
  EXPECT_THAT(refusal({104, 100}), HasSubstr("schedule is 17"));
  options.schedule = 0;
  options.values = 17;
  EXPECT_THAT(refusal({112, 108}), HasSubstr("values 17"));
  options.values = 0;
  options.memory = 3;
  EXPECT_THAT(refusal({120, 116}), HasSubstr("memory is 3"));
  options.memory = 0;
  options.algorithm = GOSSAMER_DENSE;
  options.decode = GOSSAMER_DECODE_SHARDED;
  EXPECT_THAT(refusal({112, 112}), HasSubstr("decode is sharded, but dense has no sketch"));
}

// Goal: a caller of an earlier header has the numbers that it was built with. Method: DENSE from the initializer of
// those days, momentum -1 and clip 1, beside today's.
TEST_F(CompressorHistory, AnEarlierDenseKeepsItsMomentumAndClip) {
  options.algorithm = GOSSAMER_DENSE;
  EXPECT_EQ(two_steps(&options), std::vector<float>(1010, 2.0f));  // a plain mean, twice
  options.momentum = 0.9;
  options.clip = 1.0;
  const std::vector<float> expected = two_steps(&options);
  EXPECT_LT(expected[0], 0.1f);
  options.momentum = -1.0;
  for (const Version& version : History<gossamer_compressor_config>::versions) {
    if (version.size > 120) continue;
    OldCaller<gossamer_compressor_config> caller(options, version, 0);
    EXPECT_EQ(two_steps(caller.get()), expected) << version.size;
  }
}

// Goal: an array of tensors of another length is read by its step: an earlier, shorter tensor has garbage in its
// padding, a later, longer one may have new fields of zero only. Method: both, by tensor_size.
TEST_F(CompressorHistory, TensorsAreReadByTheirSize) {
  ASSERT_EQ(sizeof(gossamer_tensor), 24u) << "now tensor_size must tell the sizes apart: test it here";
  const std::vector<float> expected = two_steps(&options);
  std::memset(reinterpret_cast<unsigned char*>(&tensors[0]) + 20, 0xab, 4);
  EXPECT_EQ(two_steps(&options), expected);

  struct Later {
    gossamer_tensor known;
    uint64_t unknown;
  } later[2] = {{{"w", 1000, 0}, 0}, {{"b", 10, 1}, 0}};
  options.tensors = &later[0].known;
  options.tensor_size = sizeof later[0];
  EXPECT_EQ(two_steps(&options), expected);
  gossamer_compressor* compressor = nullptr;
  later[1].unknown = 1;
  EXPECT_EQ(gossamer_compressor_create(session, &options, &compressor), GOSSAMER_INVALID_ARGUMENT);
  EXPECT_THAT(gossamer_last_error(), HasSubstr("tensor 1 has fields that this version of the library does not know"));
  for (const std::size_t wrong : {0u, 8u, 20u, 28u}) {
    options.tensor_size = wrong;
    EXPECT_EQ(gossamer_compressor_create(session, &options, &compressor), GOSSAMER_INVALID_ARGUMENT) << wrong;
    EXPECT_THAT(gossamer_last_error(), HasSubstr("tensor_size is " + std::to_string(wrong)));
  }
}

// What `fill` writes into the struct of every caller, those to come too, ends where that does, and is what today's has.
template <typename Struct, typename Fill>
void expect_every_output_size(const Struct& initial, Fill fill) {
  Struct expected = initial;
  ASSERT_EQ(fill(&expected), GOSSAMER_DONE) << gossamer_last_error();
  std::vector<Version> versions(std::begin(History<Struct>::versions), std::end(History<Struct>::versions));
  versions.push_back({sizeof(Struct) + 24, sizeof(Struct)});
  for (const Version& version : versions) {
    const std::size_t known = std::min(version.size, sizeof(Struct));
    OldCaller<Struct> caller(initial, {version.size, known}, 0xab);
    ASSERT_EQ(fill(caller.get()), GOSSAMER_DONE) << gossamer_last_error();
    EXPECT_EQ(caller.get()->struct_size, version.size);
    const auto* const bytes = reinterpret_cast<const unsigned char*>(caller.get());
    constexpr std::size_t first = sizeof(std::size_t);
    EXPECT_EQ(std::memcmp(bytes + first, reinterpret_cast<const unsigned char*>(&expected) + first, known - first), 0);
    for (std::size_t i = known; i < sizeof(Struct) + 64; ++i) ASSERT_EQ(bytes[i], 0xab) << version.size << " " << i;
  }
  for (const std::size_t wrong : {std::size_t{0}, std::size_t{7}, std::size_t{65537}}) {
    Struct none = initial;
    none.struct_size = wrong;
    EXPECT_EQ(fill(&none), GOSSAMER_INVALID_ARGUMENT) << wrong;
    EXPECT_THAT(gossamer_last_error(), HasSubstr("struct_size is " + std::to_string(wrong)));
  }
}

// Goal: nothing is written behind what a caller has, and what it fills is taken again. Method: every gossamer_stats and
// gossamer_update, with marks behind it.
TEST_F(CompressorHistory, OutputsEndWhereTheCallersStructEnds) {
  gossamer_compressor* compressor = nullptr;
  ASSERT_EQ(gossamer_compressor_create(session, &options, &compressor), GOSSAMER_DONE) << gossamer_last_error();
  std::vector<float> w(1000), b(10);
  const std::vector<float> g(1000, 1.0f), h(10, 1.0f);
  const float* gradients[] = {g.data(), h.data()};
  float* weights[] = {w.data(), b.data()};
  gossamer_operation* operation = nullptr;
  ASSERT_EQ(gossamer_compress(compressor, gradients), GOSSAMER_DONE);
  ASSERT_EQ(gossamer_reduce(compressor, &operation), GOSSAMER_DONE);
  ASSERT_EQ(gossamer_operation_wait(operation, 0), GOSSAMER_DONE) << gossamer_last_error();
  const gossamer_stats no_stats = GOSSAMER_STATS_INIT;
  expect_every_output_size(no_stats, [&](gossamer_stats* stats) {
    const gossamer_status status = gossamer_compressor_stats(compressor, stats);
    EXPECT_TRUE(status != GOSSAMER_DONE || stats->dimension == 1010);
    return status;
  });
  const gossamer_update no_update = GOSSAMER_UPDATE_INIT;
  expect_every_output_size(no_update, [&](gossamer_update* update) { return gossamer_recover(compressor, update); });
  gossamer_update update = GOSSAMER_UPDATE_INIT;
  ASSERT_EQ(gossamer_recover(compressor, &update), GOSSAMER_DONE);
  expect_every_size(update, {0x00, 0xab},
                    [&](const gossamer_update* given) { return gossamer_update_apply(given, weights, 1.0f); });
}

// Goal: a caller of every gossamer_collective_config and gossamer_graph gets a collective. Method: every size of both;
// a neighbour reduction, which reads the graph.
TEST_F(CompressorHistory, EveryCollectiveThatThereHasBeenIsRead) {
  std::vector<float> vector(10, 1.0f);
  gossamer_graph graph = GOSSAMER_GRAPH_INIT;
  gossamer_collective_config config = GOSSAMER_COLLECTIVE_CONFIG_INIT;
  config.kind = GOSSAMER_NEIGHBOR_REDUCE;
  config.count = vector.size();
  config.output = vector.data();
  config.graph = &graph;
  const auto create = [&](const gossamer_collective_config* given) {
    gossamer_collective* collective = nullptr;
    const gossamer_status status = gossamer_collective_create(session, given, &collective);
    gossamer_collective_destroy(collective);
    return status;
  };
  expect_every_size(config, {0x00, 0xab}, create);
  expect_every_size(graph, {0x00, 0xab}, [&](const gossamer_graph* given) {
    config.graph = given;
    return create(&config);
  });
}

// Goal: the collectives of the header that had no graphs yet are read as they were laid out: `schedule` lay where the
// graph is now. Method: 72 bytes, the last eight of them a schedule and reserved_; right ones and wrong ones.
TEST_F(CompressorHistory, ACollectiveFromBeforeGraphsIsRead) {
  std::vector<float> vector(10, 1.0f);
  gossamer_collective_config today = GOSSAMER_COLLECTIVE_CONFIG_INIT;
  today.kind = GOSSAMER_ALL_REDUCE;
  today.count = vector.size();
  today.output = vector.data();
  const auto create = [&](uint32_t schedule, uint32_t reserved) {
    OldCaller<gossamer_collective_config> caller(today, {72, 64}, 0xab);
    auto* const bytes = reinterpret_cast<unsigned char*>(caller.get());
    std::memcpy(bytes + 64, &schedule, sizeof schedule);
    std::memcpy(bytes + 68, &reserved, sizeof reserved);
    gossamer_collective* collective = nullptr;
    const gossamer_status status = gossamer_collective_create(session, caller.get(), &collective);
    gossamer_collective_destroy(collective);
    return status;
  };
  EXPECT_EQ(create(GOSSAMER_SCHEDULE_AUTO, 0), GOSSAMER_DONE) << gossamer_last_error();
  EXPECT_EQ(create(GOSSAMER_SCHEDULE_RING, 0), GOSSAMER_DONE) << gossamer_last_error();
  EXPECT_EQ(create(17, 0), GOSSAMER_INVALID_ARGUMENT);
  EXPECT_THAT(gossamer_last_error(), HasSubstr("schedule is 17"));
  EXPECT_EQ(create(0, 1), GOSSAMER_INVALID_ARGUMENT);
  EXPECT_THAT(gossamer_last_error(), HasSubstr("reserved_ is not 0"));
}

// What a function writes equals what the macro has, and for other sizes as far as both go; nothing behind it is
// touched.
template <typename Struct, typename Init>
void expect_initial(const Struct& macro, Init init) {
  std::vector<unsigned char> bytes(sizeof(Struct) + 64);
  for (const std::size_t size : {sizeof(std::size_t), sizeof(Struct) - 8, sizeof(Struct), sizeof(Struct) + 24}) {
    std::fill(bytes.begin(), bytes.end(), static_cast<unsigned char>(0xab));
    ASSERT_EQ(init(reinterpret_cast<Struct*>(bytes.data()), size), GOSSAMER_DONE) << gossamer_last_error();
    std::vector<unsigned char> expected(bytes.size(), 0xab);
    std::fill_n(expected.begin(), size, static_cast<unsigned char>(0));
    std::memcpy(expected.data(), &macro, std::min(size, sizeof macro));
    std::memcpy(expected.data(), &size, sizeof size);
    EXPECT_EQ(bytes, expected) << size;
  }
  EXPECT_EQ(init(nullptr, sizeof(Struct)), GOSSAMER_INVALID_ARGUMENT);
  for (const std::size_t size : {std::size_t{0}, std::size_t{7}, std::size_t{65537}}) {
    EXPECT_EQ(init(reinterpret_cast<Struct*>(bytes.data()), size), GOSSAMER_INVALID_ARGUMENT);
    EXPECT_THAT(gossamer_last_error(), HasSubstr("struct_size is " + std::to_string(size)));
  }
}

// Goal: languages without macros have their values, whatever size they were built with. Method: every struct that has
// a size, its function against its macro, byte by byte, in sizes that were and will be.
TEST(StructHistory, InitialValuesAreThoseOfTheMacros) {
  // Static: zeros between their fields.
  static const gossamer_config config = GOSSAMER_CONFIG_INIT;
  expect_initial(config, gossamer_config_init);
  static const gossamer_launch launch = GOSSAMER_LAUNCH_INIT;
  expect_initial(launch, gossamer_launch_init);
  static const gossamer_compressor_config compressor = GOSSAMER_COMPRESSOR_CONFIG_INIT;
  expect_initial(compressor, [](gossamer_compressor_config* c, std::size_t size) {
    return gossamer_compressor_config_init(c, size, sizeof(gossamer_tensor));
  });
  static gossamer_compressor_config wide = GOSSAMER_COMPRESSOR_CONFIG_INIT;
  wide.tensor_size = 48;
  expect_initial(wide, [](gossamer_compressor_config* c, std::size_t size) {
    return gossamer_compressor_config_init(c, size, 48);
  });
  static const gossamer_update update = GOSSAMER_UPDATE_INIT;
  expect_initial(update, gossamer_update_init);
  static const gossamer_stats stats = GOSSAMER_STATS_INIT;
  expect_initial(stats, gossamer_stats_init);
  static const gossamer_graph graph = GOSSAMER_GRAPH_INIT;
  expect_initial(graph, gossamer_graph_init);
  static const gossamer_collective_config collective = GOSSAMER_COLLECTIVE_CONFIG_INIT;
  expect_initial(collective, gossamer_collective_config_init);
}

// Goal: the caller's own ways take the structs that there have been, and say what is wrong with a call. Method: their
// sizes; each mistake.
TEST(StructHistory, TheCallersOwnWaysAreChecked) {
  ASSERT_EQ(sizeof(gossamer_unique_id), 128u) << "ids travel between programs: their size stays";
  gossamer_session* session = nullptr;
  const auto words_of = [&](gossamer_status status) {
    EXPECT_EQ(status, GOSSAMER_INVALID_ARGUMENT);
    EXPECT_EQ(session, nullptr);
    return std::string(gossamer_last_error());
  };
  EXPECT_THAT(words_of(gossamer_init_with_launch(nullptr, nullptr, &session)), HasSubstr("launch is NULL"));
  gossamer_launch launch = GOSSAMER_LAUNCH_INIT;
  EXPECT_THAT(words_of(gossamer_init_with_launch(nullptr, &launch, &session)),
              HasSubstr("expected one of them at least"));
  launch.broadcast = [](void*, void*, size_t, int32_t) { return 0; };
  EXPECT_THAT(words_of(gossamer_init_with_launch(nullptr, &launch, &session)),
              HasSubstr("rank_count is \"-1\" (from api)"));
  launch.rank_count = 2;
  launch.rank = 2;
  EXPECT_THAT(words_of(gossamer_init_with_launch(nullptr, &launch, &session)), HasSubstr("a rank from 0 to 1"));
  launch.rank = 1;
  EXPECT_THAT(words_of(gossamer_init_with_launch(nullptr, &launch, nullptr)), HasSubstr("session is NULL"));
  launch.rank = 0;
  launch.broadcast = [](void*, void*, size_t, int32_t) { return 1; };
  EXPECT_EQ(gossamer_init_with_launch(nullptr, &launch, &session), GOSSAMER_UNAVAILABLE);
  EXPECT_THAT(gossamer_last_error(), HasSubstr("the caller's callbacks: broadcast failed"));
  gossamer_unique_id id;
  EXPECT_THAT(words_of(gossamer_unique_id_create(nullptr, nullptr)), HasSubstr("id is NULL"));
  EXPECT_THAT(words_of(gossamer_init_with_id(nullptr, nullptr, 0, 1, &session)), HasSubstr("id is NULL"));
  ASSERT_EQ(gossamer_unique_id_create(nullptr, &id), GOSSAMER_DONE) << gossamer_last_error();
  EXPECT_EQ(id.bytes[GOSSAMER_UNIQUE_ID_BYTES - 1], 0);
  EXPECT_THAT(words_of(gossamer_init_with_id(nullptr, &id, 0, 0, &session)), HasSubstr("rank_count is \"0\""));
  ASSERT_EQ(gossamer_init_with_id(nullptr, &id, 0, 1, &session), GOSSAMER_DONE) << gossamer_last_error();
  EXPECT_EQ(gossamer_rank_count(session), 1);
  gossamer_finalize(session);
}

}  // namespace

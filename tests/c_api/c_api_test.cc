// The C interface alone: arguments, statuses, struct sizes, and a session of one rank.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gossamer.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "runtime/algorithms/options.h"
#include "tests/c_api/log_lines.h"

namespace {

using ::testing::HasSubstr;

// A session of one rank, without any environment.
class OneRank : public ::testing::Test {
 protected:
  void SetUp() override {
    gossamer_config config = GOSSAMER_CONFIG_INIT;
    config.rank = 0;
    config.rank_count = 1;
    config.job = "c_api_test";
    ASSERT_EQ(gossamer_init(&config, &session), GOSSAMER_DONE) << gossamer_last_error();
    options.tensors = tensors;
    options.tensor_count = 2;
    options.clip = 0.0;
    options.momentum = 0.0;
  }
  void TearDown() override { gossamer_finalize(session); }

  gossamer_session* session = nullptr;
  gossamer_tensor tensors[2] = {{"w", 1000, 0}, {"b", 10, 1}};
  gossamer_compressor_config options = GOSSAMER_COMPRESSOR_CONFIG_INIT;
};

// Goal: every status has its name and a text. Method: the table itself, and a number that is none.
TEST(Status, HasNameAndText) {
#define EXPECT_STATUS(name, value, text)                                  \
  EXPECT_STREQ(gossamer_status_name(GOSSAMER_##name), "GOSSAMER_" #name); \
  EXPECT_STREQ(gossamer_status_text(GOSSAMER_##name), text);
  GOSSAMER_STATUS_TABLE(EXPECT_STATUS)
#undef EXPECT_STATUS
  EXPECT_STREQ(gossamer_status_name(static_cast<gossamer_status>(-99)), "unknown status");
}

// Goal: header and library have one version. Method: the macros against the function.
TEST(Version, IsThatOfTheHeader) {
  EXPECT_EQ(std::string(gossamer_version()), std::to_string(GOSSAMER_VERSION_MAJOR) + "." +
                                                 std::to_string(GOSSAMER_VERSION_MINOR) + "." +
                                                 std::to_string(GOSSAMER_VERSION_PATCH));
}

// Goal: a whole step works through the C interface. Method: one rank, density 1: the update is the gradient.
TEST_F(OneRank, AStepGivesTheGradientBack) {
  options.density = 1.0;
  gossamer_compressor* compressor = nullptr;
  ASSERT_EQ(gossamer_compressor_create(session, &options, &compressor), GOSSAMER_DONE) << gossamer_last_error();
  std::vector<float> g(1000), b(10), w(1000, 1.0f), bw(10, 2.0f);
  for (std::size_t i = 0; i < g.size(); ++i) g[i] = static_cast<float>(i) + 1.0f;
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = -static_cast<float>(i);
  const float* gradients[] = {g.data(), b.data()};
  float* weights[] = {w.data(), bw.data()};
  ASSERT_EQ(gossamer_compress(compressor, gradients), GOSSAMER_DONE);
  gossamer_operation* operation = nullptr;
  ASSERT_EQ(gossamer_reduce(compressor, &operation), GOSSAMER_DONE);
  ASSERT_EQ(gossamer_operation_wait(operation, 0), GOSSAMER_DONE) << gossamer_last_error();
  EXPECT_EQ(gossamer_operation_test(operation), GOSSAMER_DONE);
  gossamer_update update = GOSSAMER_UPDATE_INIT;
  ASSERT_EQ(gossamer_recover(compressor, &update), GOSSAMER_DONE);
  EXPECT_EQ(update.count, 1010u);
  ASSERT_EQ(gossamer_update_apply(&update, weights, -1.0f), GOSSAMER_DONE);
  for (std::size_t i = 0; i < g.size(); ++i) ASSERT_EQ(w[i], 1.0f - g[i]);
  for (std::size_t i = 0; i < b.size(); ++i) ASSERT_EQ(bw[i], 2.0f - b[i]);
  gossamer_stats stats = GOSSAMER_STATS_INIT;
  ASSERT_EQ(gossamer_compressor_stats(compressor, &stats), GOSSAMER_DONE);
  EXPECT_EQ(stats.operations, 1u);
  EXPECT_EQ(stats.applied, 1010u);
  EXPECT_EQ(stats.dimension, 1010u);
  EXPECT_EQ(stats.bytes_sent, 0u);
  gossamer_compressor_destroy(compressor);
}

// Goal: a non-finite gradient is found with rank and index, and the next step works. Method: NaN in the second tensor.
TEST_F(OneRank, ANonFiniteGradientIsNamedAndForgotten) {
  gossamer_compressor* compressor = nullptr;
  ASSERT_EQ(gossamer_compressor_create(session, &options, &compressor), GOSSAMER_DONE) << gossamer_last_error();
  std::vector<float> g(1000, 1.0f), b(10, 1.0f);
  const float* gradients[] = {g.data(), b.data()};
  b[3] = std::nanf("");
  ASSERT_EQ(gossamer_compress(compressor, gradients), GOSSAMER_DONE);
  gossamer_operation* operation = nullptr;
  ASSERT_EQ(gossamer_reduce(compressor, &operation), GOSSAMER_DONE);
  EXPECT_EQ(gossamer_operation_wait(operation, 0), GOSSAMER_NOT_FINITE);
  EXPECT_EQ(gossamer_last_error_rank(), 0);
  EXPECT_EQ(gossamer_last_error_index(), 1003);
  EXPECT_THAT(gossamer_last_error(), HasSubstr("index 3 of tensor \"b\" (coordinate 1003)"));
  b[3] = 1.0f;
  ASSERT_EQ(gossamer_compress(compressor, gradients), GOSSAMER_DONE);
  ASSERT_EQ(gossamer_reduce(compressor, &operation), GOSSAMER_DONE);
  EXPECT_EQ(gossamer_operation_wait(operation, 0), GOSSAMER_DONE);
}

// Goal: DENSE as the initializer has it is an all-reduce: the mean, as it is. Method: a gradient of norm 100, two
// steps.
TEST_F(OneRank, DenseFromTheInitializerIsAPlainMean) {
  gossamer_compressor_config plain = GOSSAMER_COMPRESSOR_CONFIG_INIT;
  plain.algorithm = GOSSAMER_DENSE;
  plain.tensors = tensors;
  plain.tensor_count = 2;
  gossamer_compressor* compressor = nullptr;
  ASSERT_EQ(gossamer_compressor_create(session, &plain, &compressor), GOSSAMER_DONE) << gossamer_last_error();
  std::vector<float> g(1000, 3.0f), b(10, -10.0f);
  const float* gradients[] = {g.data(), b.data()};
  for (int step = 0; step < 2; ++step) {
    ASSERT_EQ(gossamer_compress(compressor, gradients), GOSSAMER_DONE);
    gossamer_operation* operation = nullptr;
    ASSERT_EQ(gossamer_reduce(compressor, &operation), GOSSAMER_DONE);
    ASSERT_EQ(gossamer_operation_wait(operation, 0), GOSSAMER_DONE) << gossamer_last_error();
    gossamer_update update = GOSSAMER_UPDATE_INIT;
    ASSERT_EQ(gossamer_recover(compressor, &update), GOSSAMER_DONE);
    ASSERT_EQ(update.count, 1010u);
    for (std::size_t i = 0; i < 1010; ++i) ASSERT_EQ(update.values[i], i < 1000 ? 3.0f : -10.0f);
  }
}

// Goal: the statistics tell how large gradients are and how many were cut. Method: norms that are exact in
// floats, below a clip of 1 and above, and the same without a clip.
TEST_F(OneRank, StatisticsTellTheNormAndWhatWasClipped) {
  for (const double clip : {1.0, 0.0}) {
    for (const int32_t algorithm : {1, 2, 3, 4}) {
      options.clip = clip;
      options.algorithm = algorithm;
      gossamer_compressor* compressor = nullptr;
      ASSERT_EQ(gossamer_compressor_create(session, &options, &compressor), GOSSAMER_DONE) << gossamer_last_error();
      std::vector<float> g(1000), b(10);
      const float* gradients[] = {g.data(), b.data()};
      const auto check = [&](float value, double norm, uint64_t clipped) {
        g[7] = value;
        b[3] = value * 0.75f;
        ASSERT_EQ(gossamer_compress(compressor, gradients), GOSSAMER_DONE);
        gossamer_stats stats = GOSSAMER_STATS_INIT;
        ASSERT_EQ(gossamer_compressor_stats(compressor, &stats), GOSSAMER_DONE);
        EXPECT_EQ(stats.gradient_norm, norm);
        EXPECT_EQ(stats.clipped, clip > 0 ? clipped : 0);
      };
      check(0.5f, 0.625, 0);
      check(4.0f, 5.0, 1);
      check(0.25f, 0.3125, 1);
      check(-8.0f, 10.0, 2);
      gossamer_compressor_destroy(compressor);
    }
  }
}

// Goal: a caller's mistake is INVALID_ARGUMENT with a sentence, and nothing else happens. Method: one of each kind.
TEST_F(OneRank, MistakesAreExplained) {
  gossamer_compressor* compressor = nullptr;
  EXPECT_EQ(gossamer_compressor_create(nullptr, &options, &compressor), GOSSAMER_INVALID_ARGUMENT);
  EXPECT_THAT(gossamer_last_error(), HasSubstr("session is NULL"));
  EXPECT_EQ(gossamer_compressor_create(session, nullptr, &compressor), GOSSAMER_INVALID_ARGUMENT);
  options.density = 1.5;
  EXPECT_EQ(gossamer_compressor_create(session, &options, &compressor), GOSSAMER_INVALID_ARGUMENT);
  EXPECT_THAT(gossamer_last_error(), HasSubstr("density is 1.5"));
  EXPECT_EQ(compressor, nullptr);
  options.density = 0.0;
  options.columns = 1001;
  EXPECT_EQ(gossamer_compressor_create(session, &options, &compressor), GOSSAMER_INVALID_ARGUMENT);
  EXPECT_THAT(gossamer_last_error(), HasSubstr("columns is 1001"));
  options.columns = 0;
  options.decode = 2;
  EXPECT_EQ(gossamer_compressor_create(session, &options, &compressor), GOSSAMER_INVALID_ARGUMENT);
  EXPECT_THAT(gossamer_last_error(), HasSubstr("decode is 2, expected a gossamer_decode: whole (0) or sharded (1)"));
  options.decode = GOSSAMER_DECODE_SHARDED;
  options.algorithm = GOSSAMER_DENSE;
  EXPECT_EQ(gossamer_compressor_create(session, &options, &compressor), GOSSAMER_INVALID_ARGUMENT);
  EXPECT_THAT(gossamer_last_error(), HasSubstr("decode is sharded, but dense has no sketch"));
  options.decode = GOSSAMER_DECODE_WHOLE;
  options.memory = 3;  // no kind of the header, and no device of this process
  EXPECT_EQ(gossamer_compressor_create(session, &options, &compressor), GOSSAMER_INVALID_ARGUMENT);
  EXPECT_THAT(gossamer_last_error(), HasSubstr("memory is 3, expected a gossamer_memory_kind"));
  options.memory = -1;
  EXPECT_EQ(gossamer_compressor_create(session, &options, &compressor), GOSSAMER_INVALID_ARGUMENT);
  options.memory = 0;
  options.algorithm = 9;
  EXPECT_EQ(gossamer_compressor_create(session, &options, &compressor), GOSSAMER_INVALID_ARGUMENT);
  options.algorithm = 0;
  // Numbers that are none: among them that of i32, which is made inside alone, and f32's and i8's with more bits.
  for (const std::int32_t number : {-1, 5, 6, 7, 127, 128, 255, 256, 259}) {
    options.cells = number;
    EXPECT_EQ(gossamer_compressor_create(session, &options, &compressor), GOSSAMER_INVALID_ARGUMENT);
    EXPECT_THAT(gossamer_last_error(), HasSubstr("cells is " + std::to_string(number)));
    options.cells = GOSSAMER_CELLS_F32;
    options.values = number;
    EXPECT_EQ(gossamer_compressor_create(session, &options, &compressor), GOSSAMER_INVALID_ARGUMENT);
    EXPECT_THAT(gossamer_last_error(), HasSubstr("values " + std::to_string(number)));
    options.values = GOSSAMER_CELLS_F32;
  }
  tensors[0].count = 0;
  EXPECT_EQ(gossamer_compressor_create(session, &options, &compressor), GOSSAMER_INVALID_ARGUMENT);
  EXPECT_THAT(gossamer_last_error(), HasSubstr("\"w\" has no elements"));
  tensors[0].count = 1000;
  options.struct_size = 3;
  EXPECT_EQ(gossamer_compressor_create(session, &options, &compressor), GOSSAMER_INVALID_ARGUMENT);
  EXPECT_THAT(gossamer_last_error(), HasSubstr("initializer"));
  options.struct_size = sizeof options;

  ASSERT_EQ(gossamer_compressor_create(session, &options, &compressor), GOSSAMER_DONE) << gossamer_last_error();
  gossamer_operation* operation = nullptr;
  EXPECT_EQ(gossamer_reduce(compressor, &operation), GOSSAMER_INVALID_ARGUMENT);
  EXPECT_THAT(gossamer_last_error(), HasSubstr("call compress first"));
  EXPECT_EQ(operation, nullptr);
  std::vector<float> g(1000);
  const float* missing[] = {g.data(), nullptr};
  EXPECT_EQ(gossamer_compress(compressor, missing), GOSSAMER_INVALID_ARGUMENT);
  EXPECT_THAT(gossamer_last_error(), HasSubstr("\"b\" is NULL"));
  gossamer_update update = GOSSAMER_UPDATE_INIT;
  EXPECT_EQ(gossamer_recover(compressor, &update), GOSSAMER_INVALID_ARGUMENT);
  EXPECT_EQ(gossamer_update_apply(&update, nullptr, 1.0f), GOSSAMER_INVALID_ARGUMENT);
  EXPECT_EQ(gossamer_operation_wait(nullptr, 0), GOSSAMER_INVALID_ARGUMENT);
  EXPECT_EQ(gossamer_broadcast(session, g.data(), 4, 7, 0), GOSSAMER_INVALID_ARGUMENT);
  EXPECT_EQ(gossamer_check_equal(session, nullptr, g.data(), 4, 0), GOSSAMER_INVALID_ARGUMENT);
}

// Goal: a completion is called once, with the status, and refuses what it must not do. Method: one rank, inline and
// with a thread; each call that a completion may not make.
TEST_F(OneRank, ACompletionTakesNoteAndMayNotCall) {
  options.density = 1.0;
  struct Told {
    gossamer_session* session;
    gossamer_compressor* compressor;
    int32_t status = 77;
    gossamer_status of_a_call = GOSSAMER_DONE;
    std::string words = "";
    std::atomic<int> count{0};  // last
  } told{session, nullptr};
  ASSERT_EQ(gossamer_compressor_create(session, &options, &told.compressor), GOSSAMER_DONE) << gossamer_last_error();
  std::vector<float> g(1000, 1.0f), b(10, 1.0f);
  const float* gradients[] = {g.data(), b.data()};
  const auto tell = [](void* context, int32_t status) {
    Told& self = *static_cast<Told*>(context);
    self.status = status;
    self.of_a_call = gossamer_barrier(self.session, 0);
    self.words = gossamer_last_error();
    gossamer_compressor_destroy(self.compressor);
    gossamer_finalize(self.session);
    ++self.count;
  };
  gossamer_operation* operation = nullptr;
  for (const float value : {1.0f, std::nanf("")}) {
    b[3] = value;
    told.count = 0;
    ASSERT_EQ(gossamer_compress(told.compressor, gradients), GOSSAMER_DONE);
    ASSERT_EQ(gossamer_reduce(told.compressor, &operation), GOSSAMER_DONE);
    ASSERT_EQ(gossamer_operation_on_complete(operation, tell, &told), GOSSAMER_DONE) << gossamer_last_error();
    const gossamer_status status = gossamer_operation_wait(operation, 0);
    EXPECT_EQ(status, std::isnan(value) ? GOSSAMER_NOT_FINITE : GOSSAMER_DONE);
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (told.count == 0 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    ASSERT_EQ(told.count, 1);
    EXPECT_EQ(told.status, status);
    EXPECT_EQ(told.of_a_call, GOSSAMER_INVALID_ARGUMENT);
    EXPECT_THAT(told.words, HasSubstr("a completion called into Gossamer"));
  }
  EXPECT_EQ(gossamer_operation_on_complete(operation, nullptr, &told), GOSSAMER_INVALID_ARGUMENT);
  EXPECT_EQ(gossamer_operation_on_complete(nullptr, tell, &told), GOSSAMER_INVALID_ARGUMENT);
  EXPECT_EQ(gossamer_barrier(session, 0), GOSSAMER_DONE);
}

// Goal: after an abort everything that needs other ranks is given up, of a session of one rank as well. Method: an
// operation and a collective afterwards.
TEST_F(OneRank, AnAbortGivesUpAllThatFollows) {
  gossamer_compressor* compressor = nullptr;
  ASSERT_EQ(gossamer_compressor_create(session, &options, &compressor), GOSSAMER_DONE) << gossamer_last_error();
  std::vector<float> g(1000, 1.0f), b(10, 1.0f);
  const float* gradients[] = {g.data(), b.data()};
  EXPECT_EQ(gossamer_abort(nullptr), GOSSAMER_INVALID_ARGUMENT);
  ASSERT_EQ(gossamer_abort(session), GOSSAMER_DONE);
  ASSERT_EQ(gossamer_abort(session), GOSSAMER_DONE);
  EXPECT_EQ(gossamer_barrier(session, 0), GOSSAMER_CANCELLED);
  EXPECT_THAT(gossamer_last_error(), HasSubstr("it aborted the session"));
  gossamer_operation* operation = nullptr;
  ASSERT_EQ(gossamer_compress(compressor, gradients), GOSSAMER_DONE);
  EXPECT_EQ(gossamer_reduce(compressor, &operation), GOSSAMER_CANCELLED);
  EXPECT_EQ(operation, nullptr);
}

// Goal: mistakes with states are explained, and a state goes through a buffer. Method: each of them.
TEST_F(OneRank, AStateGoesThroughABuffer) {
  options.momentum = 0.5;
  options.density = 0.01;
  gossamer_compressor* compressor = nullptr;
  ASSERT_EQ(gossamer_compressor_create(session, &options, &compressor), GOSSAMER_DONE) << gossamer_last_error();
  std::vector<float> g(1000), b(10, 1.0f);
  for (std::size_t i = 0; i < g.size(); ++i) g[i] = static_cast<float>(i % 37);
  const float* gradients[] = {g.data(), b.data()};
  gossamer_operation* operation = nullptr;
  const auto step = [&] {
    std::vector<float> w(1000), c(10);
    float* weights[] = {w.data(), c.data()};
    gossamer_update update = GOSSAMER_UPDATE_INIT;
    EXPECT_EQ(gossamer_compress(compressor, gradients), GOSSAMER_DONE);
    EXPECT_EQ(gossamer_reduce(compressor, &operation), GOSSAMER_DONE);
    EXPECT_EQ(gossamer_operation_wait(operation, 0), GOSSAMER_DONE) << gossamer_last_error();
    EXPECT_EQ(gossamer_recover(compressor, &update), GOSSAMER_DONE);
    EXPECT_EQ(gossamer_update_apply(&update, weights, 1.0f), GOSSAMER_DONE);
    return w;
  };
  step();
  size_t bytes = 0;
  ASSERT_EQ(gossamer_compressor_state_size(compressor, &bytes), GOSSAMER_DONE);
  EXPECT_EQ(bytes, 64u + 2 * (24 + 8) + 2 * 4 * 1010);
  std::vector<char> state(bytes + 1);
  EXPECT_EQ(gossamer_compressor_save(compressor, state.data(), bytes - 1), GOSSAMER_INVALID_ARGUMENT);
  EXPECT_THAT(gossamer_last_error(), HasSubstr("expected " + std::to_string(bytes)));
  ASSERT_EQ(gossamer_compressor_save(compressor, state.data() + 1, bytes), GOSSAMER_DONE);  // at an odd address
  const std::vector<float> expected = step();
  const gossamer_state given = {state.data() + 1, bytes};
  const gossamer_state cut = {state.data() + 1, bytes - 4};
  const gossamer_state nothing = {nullptr, 0};
  EXPECT_EQ(gossamer_compressor_load(compressor, nullptr, 1, 0, 0), GOSSAMER_INVALID_ARGUMENT);
  EXPECT_EQ(gossamer_compressor_load(compressor, &given, 0, 0, 0), GOSSAMER_INVALID_ARGUMENT);
  EXPECT_EQ(gossamer_compressor_load(compressor, &nothing, 1, 0, 0), GOSSAMER_INVALID_ARGUMENT);
  EXPECT_EQ(gossamer_compressor_load(compressor, &given, 1, 2, 0), GOSSAMER_INVALID_ARGUMENT);
  EXPECT_THAT(gossamer_last_error(), HasSubstr("allows_new is 2"));
  EXPECT_EQ(gossamer_compressor_load(compressor, &given, 1, 0, -1), GOSSAMER_INVALID_ARGUMENT);
  EXPECT_EQ(gossamer_compressor_load(compressor, &cut, 1, 0, 0), GOSSAMER_MALFORMED);
  EXPECT_THAT(gossamer_last_error(), HasSubstr("state 0: it has " + std::to_string(bytes - 4)));
  ASSERT_EQ(gossamer_compressor_load(compressor, &given, 1, 0, 0), GOSSAMER_DONE) << gossamer_last_error();
  gossamer_update update = GOSSAMER_UPDATE_INIT;
  EXPECT_EQ(gossamer_recover(compressor, &update), GOSSAMER_INVALID_ARGUMENT);
  EXPECT_EQ(step(), expected);
}

// Goal: the report is JSON of what was done. Method: one rank, two compressors and a collective; a name that has to be
// quoted, room that is too small, and numbers that are known.
TEST_F(OneRank, TheReportTellsWhatWasDone) {
  options.name = "layer \"1\"\n";
  options.density = 0.01;
  gossamer_compressor* compressor = nullptr;
  ASSERT_EQ(gossamer_compressor_create(session, &options, &compressor), GOSSAMER_DONE) << gossamer_last_error();
  std::vector<float> g(1000, 1.0f), b(10);
  const float* gradients[] = {g.data(), b.data()};
  const auto report = [&] {
    size_t bytes = 0;
    EXPECT_EQ(gossamer_session_report(session, nullptr, 0, &bytes), GOSSAMER_OUT_OF_RESOURCES);
    std::string text(bytes + 100, '#');
    EXPECT_EQ(gossamer_session_report(session, text.data(), 10, &bytes), GOSSAMER_OUT_OF_RESOURCES);
    EXPECT_EQ(text[0], '#');
    EXPECT_EQ(gossamer_session_report(session, text.data(), text.size(), &bytes), GOSSAMER_DONE);
    EXPECT_EQ(text[bytes - 1], '\0');
    text.resize(bytes - 1);
    return text;
  };
  EXPECT_THAT(report(), HasSubstr("\"name\":\"layer \\\"1\\\" \",\"algorithm\":\"gs-sgd\",\"tensors\":2,"
                                  "\"dimension\":1010,\"operations\":0,"));
  gossamer_operation* operation = nullptr;
  ASSERT_EQ(gossamer_compress(compressor, gradients), GOSSAMER_DONE);
  ASSERT_EQ(gossamer_reduce(compressor, &operation), GOSSAMER_DONE);
  ASSERT_EQ(gossamer_operation_wait(operation, 0), GOSSAMER_DONE);
  const std::string after = report();
  EXPECT_EQ(after.rfind("{\"schema\":\"gossamer.session/1\",\"version\":\"" + std::string(gossamer_version()) +
                            "\",\"rank\":0,\"ranks\":1,\"host\":\"",
                        0),
            0u)
      << after;
  EXPECT_THAT(after, HasSubstr("\"operations\":1,\"bytes_sent\":0,"));
  EXPECT_THAT(after, HasSubstr("\"ratio\":null,"));
  // 20 candidates of the 1,000 ones went.
  EXPECT_THAT(after, HasSubstr("\"applied\":30,\"gradient_norm\":31.6227766,\"clipped\":0,"
                               "\"residual_norm\":31.3049517,\"recovered\":0.02}],\"collectives\":[]}"));
  EXPECT_EQ(gossamer_session_report(session, nullptr, 10, nullptr), GOSSAMER_INVALID_ARGUMENT);
}

// Goal: every option with names takes its numbers and no other, and the refusal lists them. Method: each field of the
// list; its numbers, and those beside them.
TEST_F(OneRank, OptionsTakeTheirNumbersAlone) {
  const auto try_field = [&](const gossamer::runtime::OptionRow& option, int32_t gossamer_compressor_config::*field) {
    gossamer_compressor* compressor = nullptr;
    int32_t most = 0;
    for (const auto& choice : option.choices) {
      options.*field = choice.number;
      most = std::max(most, choice.number);
      EXPECT_EQ(gossamer_compressor_create(session, &options, &compressor), GOSSAMER_DONE) << gossamer_last_error();
      gossamer_compressor_destroy(compressor);
    }
    for (const int32_t wrong : {-1, most + 1, INT32_MAX}) {
      options.*field = wrong;
      EXPECT_EQ(gossamer_compressor_create(session, &options, &compressor), GOSSAMER_INVALID_ARGUMENT);
      const std::string begin = std::string(option.field) + " is " + std::to_string(wrong) + ", expected a gossamer_" +
                                std::string(option.field);
      EXPECT_THAT(gossamer_last_error(), HasSubstr(begin));
      for (const auto& choice : option.choices)
        EXPECT_THAT(gossamer_last_error(),
                    HasSubstr(std::string(choice.name) + " (" + std::to_string(choice.number) + ")"));
    }
    options.*field = 0;
  };
#define TRY_FIELD(field, ...) try_field(gossamer::runtime::option_##field, &gossamer_compressor_config::field);
  GOSSAMER_OPTION_TABLE(TRY_FIELD)
#undef TRY_FIELD
}

// Goal: sessions refuse impossible ranks and transports. Method: rank out of range, zero ranks, unknown transport.
TEST(Init, RefusesImpossibleSettings) {
  struct Case {
    int32_t rank, rank_count;
    const char* transport;
    const char* words;
  };
  for (const Case& c : {Case{0, 0, nullptr, "rank_count is \"0\""},
                        Case{4, 4, nullptr, "rank is \"4\" (from api), expected a rank from 0 to 3"},
                        Case{-7, 1, nullptr, "rank is \"-7\" (from api), expected a rank from 0 to 0"},
                        Case{0, 1, "carrier pigeon", "carrier pigeon"}}) {
    gossamer_config config = GOSSAMER_CONFIG_INIT;
    config.rank = c.rank;
    config.rank_count = c.rank_count;
    config.transport = c.transport;
    gossamer_session* session = nullptr;
    EXPECT_EQ(gossamer_init(&config, &session), GOSSAMER_INVALID_ARGUMENT) << c.words;
    EXPECT_THAT(gossamer_last_error(), HasSubstr(c.words));
    EXPECT_EQ(session, nullptr);
  }
  EXPECT_EQ(gossamer_init(nullptr, nullptr), GOSSAMER_INVALID_ARGUMENT);
  EXPECT_EQ(gossamer_rank(nullptr), -1);
  gossamer_finalize(nullptr);
  gossamer_compressor_destroy(nullptr);
}

// Goal: a caller built against an older, shorter struct still works. Method: struct_size cut after the tensors.
TEST_F(OneRank, AShorterStructOfAnOlderCallerWorks) {
  options.struct_size = offsetof(gossamer_compressor_config, density);
  gossamer_compressor* compressor = nullptr;
  EXPECT_EQ(gossamer_compressor_create(session, &options, &compressor), GOSSAMER_DONE) << gossamer_last_error();
}

// Whether this build can use a device and the driver, asked without the library, has one.
bool has_cuda_device() {
  if (!GOSSAMER_BUILT_WITH_CUDA) return false;
  void* const driver = dlopen("libcuda.so.1", RTLD_NOW);
  if (driver == nullptr) return false;
  const auto init = reinterpret_cast<int (*)(unsigned)>(dlsym(driver, "cuInit"));
  const auto count = reinterpret_cast<int (*)(int*)>(dlsym(driver, "cuDeviceGetCount"));
  int devices = 0;
  return init != nullptr && count != nullptr && init(0) == 0 && count(&devices) == 0 && devices > 0;
}

// Goal: CUDA memory without CUDA is refused with the reason, not taken for host memory; with a device it is taken.
// Method: a dense compressor with it; HOST by its number works.
TEST_F(OneRank, CudaMemoryIsRefusedWhereThereIsNone) {
  options.algorithm = GOSSAMER_DENSE;
  options.memory = GOSSAMER_MEMORY_CUDA;
  gossamer_compressor* compressor = nullptr;
  gossamer_status status = gossamer_compressor_create(session, &options, &compressor);
  if (!has_cuda_device()) {
    EXPECT_EQ(status, GOSSAMER_UNAVAILABLE);
    EXPECT_THAT(gossamer_last_error(), HasSubstr("CUDA"));
    EXPECT_EQ(compressor, nullptr);
  } else {  // it is looked at
    ASSERT_EQ(status, GOSSAMER_DONE) << gossamer_last_error();
    const std::vector<float> host(2000);
    const float* const pointers[] = {host.data(), host.data()};
    EXPECT_EQ(gossamer_compress(compressor, pointers), GOSSAMER_INVALID_ARGUMENT);
  }
  options.memory = GOSSAMER_MEMORY_HOST;
  EXPECT_EQ(gossamer_compressor_create(session, &options, &compressor), GOSSAMER_DONE) << gossamer_last_error();
  options.stream = &status;
  EXPECT_EQ(gossamer_compressor_create(session, &options, &compressor), GOSSAMER_INVALID_ARGUMENT);
  EXPECT_THAT(gossamer_last_error(), HasSubstr("a stream is given, but memory is host"));
}

// Goal: a newer caller's field that this library does not know is refused, not ignored. Method: a longer struct.
TEST_F(OneRank, AnUnknownFieldOfANewerCallerIsRefused) {
  struct {
    gossamer_compressor_config known;
    uint64_t unknown;
  } newer = {options, 0};
  newer.known.struct_size = sizeof newer;
  gossamer_compressor* compressor = nullptr;
  EXPECT_EQ(gossamer_compressor_create(session, &newer.known, &compressor), GOSSAMER_DONE) << gossamer_last_error();
  newer.unknown = 1;
  EXPECT_EQ(gossamer_compressor_create(session, &newer.known, &compressor), GOSSAMER_INVALID_ARGUMENT);
  EXPECT_THAT(gossamer_last_error(), HasSubstr("does not know"));
}

// Goal: log lines reach the sink with their level, and NULL ends it. Method: info lines of a new compressor.
TEST_F(OneRank, LogLinesReachTheSink) {
  gossamer::testing::LogLines log(GOSSAMER_LOG_INFO);
  gossamer_compressor* compressor = nullptr;
  ASSERT_EQ(gossamer_compressor_create(session, &options, &compressor), GOSSAMER_DONE);
  EXPECT_THAT(log.end(), ::testing::Contains(HasSubstr("gs-sgd sketch all-reduce over 1 ranks")));
}

}  // namespace

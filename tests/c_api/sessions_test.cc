// Sessions of one rank through the C interface: several in one process, what they leave, what they tell.
#include <gmock/gmock.h>
#include <gossamer.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/c_api/log_lines.h"
#include "tests/support/metrics_text.h"
#include "tests/tools/temporary_folder.h"

namespace {

using ::testing::HasSubstr;

// Goal: a session that is gone, and what was made on it, refuse every call, and can be destroyed, in any order. Method:
// one of each kind, some destroyed before the session ends and some after; another session with handles of its own
// between; every function that takes one of them.
TEST(Handles, OutliveTheirSession) {
  const auto join = [] {
    gossamer_config config = GOSSAMER_CONFIG_INIT;
    config.rank = 0;
    config.rank_count = 1;
    config.job = "c_api_test";
    gossamer_session* session = nullptr;
    EXPECT_EQ(gossamer_init(&config, &session), GOSSAMER_DONE) << gossamer_last_error();
    return session;
  };
  gossamer_session* session = join();
  ASSERT_NE(session, nullptr);
  const gossamer_tensor tensor = {"w", 100, 0};
  gossamer_compressor_config config = GOSSAMER_COMPRESSOR_CONFIG_INIT;
  config.tensors = &tensor;
  config.tensor_count = 1;
  gossamer_compressor* compressors[2] = {};
  for (auto& compressor : compressors)
    ASSERT_EQ(gossamer_compressor_create(session, &config, &compressor), GOSSAMER_DONE) << gossamer_last_error();
  std::vector<float> gradient(100, 1.0f), vector(100);
  const float* gradients[] = {gradient.data()};
  float* weights[] = {vector.data()};
  gossamer_operation* operation = nullptr;
  gossamer_update update = GOSSAMER_UPDATE_INIT;
  ASSERT_EQ(gossamer_compress(compressors[0], gradients), GOSSAMER_DONE);
  ASSERT_EQ(gossamer_reduce(compressors[0], &operation), GOSSAMER_DONE);
  ASSERT_EQ(gossamer_operation_wait(operation, 0), GOSSAMER_DONE);
  ASSERT_EQ(gossamer_recover(compressors[0], &update), GOSSAMER_DONE);
  const int32_t ranks[] = {0};
  gossamer_group* group = nullptr;
  ASSERT_EQ(gossamer_group_create(session, ranks, 1, &group), GOSSAMER_DONE);
  gossamer_collective_config vectors = GOSSAMER_COLLECTIVE_CONFIG_INIT;
  vectors.kind = GOSSAMER_ALL_REDUCE;
  vectors.count = 100;
  vectors.output = vector.data();
  vectors.group = group;
  gossamer_collective* collective = nullptr;
  ASSERT_EQ(gossamer_collective_create(session, &vectors, &collective), GOSSAMER_DONE) << gossamer_last_error();
  gossamer_compressor_destroy(compressors[1]);
  gossamer_finalize(session);

  gossamer_session* const ended = session;
  session = join();
  gossamer_compressor* other = nullptr;
  ASSERT_EQ(gossamer_compressor_create(session, &config, &other), GOSSAMER_DONE) << gossamer_last_error();
  EXPECT_NE(other, compressors[0]) << "an address that is still held";
  const auto refused = [](gossamer_status status) {
    return status == GOSSAMER_INVALID_ARGUMENT &&
           std::string(gossamer_last_error()).find("its session was finalized") != std::string::npos;
  };
  gossamer_stats stats = GOSSAMER_STATS_INIT;
  gossamer_operation* none = nullptr;
  uint64_t first = 0, count = 0;
  size_t bytes = 0;
  const gossamer_state state = {gradient.data(), 400};
  EXPECT_TRUE(refused(gossamer_compress(compressors[0], gradients)));
  EXPECT_TRUE(refused(gossamer_reduce(compressors[0], &none)));
  EXPECT_TRUE(refused(gossamer_operation_test(operation)));
  EXPECT_TRUE(refused(gossamer_operation_wait(operation, 0)));
  EXPECT_TRUE(refused(gossamer_operation_notify(operation, 1)));
  EXPECT_TRUE(refused(gossamer_recover(compressors[0], &update)));
  EXPECT_TRUE(refused(gossamer_update_apply(&update, weights, 1.0f)));
  EXPECT_TRUE(refused(gossamer_compressor_stats(compressors[0], &stats)));
  EXPECT_TRUE(refused(gossamer_compressor_state_size(compressors[0], &bytes)));
  EXPECT_TRUE(refused(gossamer_compressor_save(compressors[0], gradient.data(), 400)));
  EXPECT_TRUE(refused(gossamer_compressor_save_file(compressors[0], "/tmp/none")));
  EXPECT_TRUE(refused(gossamer_compressor_load(compressors[0], &state, 1, 0, 0)));
  EXPECT_TRUE(refused(gossamer_collective_start(collective, &none)));
  EXPECT_TRUE(refused(gossamer_collective_slice(collective, 0, &first, &count)));
  EXPECT_EQ(gossamer_collective_create(session, &vectors, &collective), GOSSAMER_INVALID_ARGUMENT);
  EXPECT_THAT(gossamer_last_error(), HasSubstr("the group is of another session"));

  EXPECT_NE(session, ended) << "an address that is still held";
  const auto is_over = [](gossamer_status status) {
    return status == GOSSAMER_INVALID_ARGUMENT &&
           std::string(gossamer_last_error()).find("the session was finalized: gossamer_init") != std::string::npos;
  };
  void* memory = nullptr;
  gossamer_compressor* made = nullptr;
  gossamer_group* no_group = nullptr;
  gossamer_collective* no_collective = nullptr;
  vectors.group = nullptr;
  EXPECT_TRUE(is_over(gossamer_broadcast(ended, gradient.data(), 400, 0, 0)));
  EXPECT_TRUE(is_over(gossamer_check_equal(ended, "g", gradient.data(), 400, 0)));
  EXPECT_TRUE(is_over(gossamer_group_create(ended, ranks, 1, &no_group)));
  EXPECT_TRUE(is_over(gossamer_allocate(ended, 64, &memory)));
  EXPECT_TRUE(is_over(gossamer_free(ended, gradient.data())));
  EXPECT_TRUE(is_over(gossamer_compressor_create(ended, &config, &made)));
  EXPECT_TRUE(is_over(gossamer_collective_create(ended, &vectors, &no_collective)));
  EXPECT_TRUE(is_over(gossamer_all_reduce(ended, vector.data(), 100, GOSSAMER_F32, GOSSAMER_SUM, 0)));
  EXPECT_TRUE(is_over(gossamer_barrier(ended, 0)));
  EXPECT_TRUE(is_over(gossamer_session_report(ended, nullptr, 0, &bytes)));
  EXPECT_TRUE(is_over(gossamer_abort(ended)));
  EXPECT_EQ(gossamer_rank(ended), -1);
  EXPECT_EQ(gossamer_rank_count(ended), -1);
  EXPECT_EQ(made, nullptr);
  gossamer_finalize(ended);  // nothing
  gossamer_group_destroy(group);
  gossamer_compressor_destroy(compressors[0]);
  gossamer_finalize(session);
  gossamer_compressor_destroy(other);
}

void expect_step(gossamer_compressor* compressor, const std::vector<float>& gradient) {
  const float* gradients[] = {gradient.data()};
  gossamer_operation* operation = nullptr;
  EXPECT_EQ(gossamer_compress(compressor, gradients), GOSSAMER_DONE);
  ASSERT_EQ(gossamer_reduce(compressor, &operation), GOSSAMER_DONE);
  EXPECT_EQ(gossamer_operation_wait(operation, 0), GOSSAMER_DONE);
}

// Sets a variable while it lives.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) { ::setenv(name, value.c_str(), 1); }
  ~Variable() { ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* const name_;
};

// Goal: sessions of one process are apart, and each line of the log says whose it is. Method: two at once, on hosts
// that they name themselves; compressors of both in turns, one session ends, and the other goes on. What no session
// says has nobody's name.
TEST(Sessions, OfOneProcessAreApartAndNamedInTheLog) {
  gossamer::testing::LogLines log(GOSSAMER_LOG_INFO);
  gossamer_session* sessions[2] = {};
  for (int i = 0; i < 2; ++i) {
    const Variable host("GOSSAMER_HOST", i == 0 ? "here" : "there");
    gossamer_config config = GOSSAMER_CONFIG_INIT;
    config.rank = 0;
    config.rank_count = 1;
    config.job = "c_api_test";
    ASSERT_EQ(gossamer_init(&config, &sessions[i]), GOSSAMER_DONE) << gossamer_last_error();
  }
  const auto step = [&](int i, const char* name) {
    const gossamer_tensor tensor = {"w", 100, 0};
    gossamer_compressor_config config = GOSSAMER_COMPRESSOR_CONFIG_INIT;
    config.name = name;
    config.tensors = &tensor;
    config.tensor_count = 1;
    gossamer_compressor* compressor = nullptr;
    ASSERT_EQ(gossamer_compressor_create(sessions[i], &config, &compressor), GOSSAMER_DONE) << gossamer_last_error();
    expect_step(compressor, std::vector<float>(100, 1.0f));
  };
  step(0, "first");
  step(1, "second");
  gossamer_finalize(sessions[0]);
  step(1, "third");
  gossamer_finalize(sessions[1]);
  const std::vector<std::string> lines = log.end();
  EXPECT_THAT(lines, ::testing::Contains(::testing::StartsWith("rank 0 of 1 on here: first sketch all-reduce")));
  EXPECT_THAT(lines, ::testing::Contains(::testing::StartsWith("rank 0 of 1 on there: second sketch all-reduce")));
  EXPECT_THAT(lines, ::testing::Contains(::testing::StartsWith("rank 0 of 1 on there: third sketch all-reduce")));
  for (const std::string& line : lines) EXPECT_THAT(line, ::testing::StartsWith("rank 0 of 1 on "));
}

// Goal: with GOSSAMER_METRICS a session's numbers are a file, with a report and at its end, then with those of what was
// destroyed before. Method: a step, the file of a report, the file after finalize; a folder that is not there is a
// warning, and the report is given.
TEST(Sessions, WriteTheirMetrics) {
  const gossamer::tools::TemporaryFolder folder;
  const auto read = [&] {
    std::ifstream file(folder / "session.0.prom");
    return std::string{std::istreambuf_iterator<char>(file), {}};
  };
  gossamer_config config = GOSSAMER_CONFIG_INIT;
  config.rank = 0;
  config.rank_count = 1;
  config.job = "c_api_test";
  gossamer_session* session = nullptr;
  {
    const Variable metrics("GOSSAMER_METRICS", folder / "session.%r.prom");
    ASSERT_EQ(gossamer_init(&config, &session), GOSSAMER_DONE) << gossamer_last_error();
  }
  const gossamer_tensor tensor = {"w", 100, 0};
  gossamer_compressor_config options = GOSSAMER_COMPRESSOR_CONFIG_INIT;
  options.name = "layer \"1\"";
  options.tensors = &tensor;
  options.tensor_count = 1;
  gossamer_compressor* compressor = nullptr;
  ASSERT_EQ(gossamer_compressor_create(session, &options, &compressor), GOSSAMER_DONE) << gossamer_last_error();
  const std::vector<float> gradient(100, 0.01f);
  expect_step(compressor, gradient);
  std::string text(4096, '#');
  size_t bytes = 0;
  EXPECT_EQ(gossamer_session_report(session, nullptr, 0, &bytes), GOSSAMER_OUT_OF_RESOURCES);
  EXPECT_EQ(read(), "") << "nothing was given yet";
  ASSERT_EQ(gossamer_session_report(session, text.data(), text.size(), &bytes), GOSSAMER_DONE);
  const std::string of = "{session=\"c_api_test\",rank=\"0\",kind=\"compressor\",name=\"layer \\\"1\\\"\"} ";
  const std::string first = read();
  gossamer::testing::expect_well_formed(first);
  EXPECT_THAT(first, HasSubstr("gossamer_operations_total" + of + "1\n"));
  expect_step(compressor, gradient);
  gossamer_compressor_destroy(compressor);
  gossamer_finalize(session);
  const std::string last = read();
  EXPECT_THAT(last, HasSubstr("gossamer_operations_total" + of + "2\n"));
  EXPECT_THAT(last, HasSubstr("gossamer_recovered_ratio{"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), std::filesystem::directory_iterator()),
            1);
  gossamer::testing::expect_promtool_accepts(last);

  gossamer::testing::LogLines log(GOSSAMER_LOG_WARNING);
  const Variable metrics("GOSSAMER_METRICS", folder / "none/gone");
  ASSERT_EQ(gossamer_init(&config, &session), GOSSAMER_DONE) << gossamer_last_error();
  EXPECT_EQ(gossamer_session_report(session, text.data(), text.size(), &bytes), GOSSAMER_DONE);
  const std::vector<std::string> lines = log.end();
  gossamer_finalize(session);
  EXPECT_THAT(lines, ::testing::ElementsAre(HasSubstr(": the metrics could not be written to " + folder.path())));
}

}  // namespace

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "runtime/runtime.h"

namespace gossamer::runtime {
namespace {

using ::testing::HasSubstr;

// Sets variables for one test and takes them back.
class Environment {
 public:
  void set(const std::string& name, const std::string& value) {
    setenv(name.c_str(), value.c_str(), 1);
    names_.push_back(name);
  }
  ~Environment() {
    for (const std::string& name : names_) unsetenv(name.c_str());
  }

 private:
  std::vector<std::string> names_;
};

std::string write_file(const std::string& content) {
  const std::string path = ::testing::TempDir() + "gossamer_settings_test.conf";
  std::ofstream(path) << content;
  return path;
}

std::string origin_of(const std::string& name) {
  const auto lines = describe_settings();
  GOSSAMER_CHECK(lines.ok(), "settings can be described");
  const auto found =
      std::find_if(lines->begin(), lines->end(), [&](const SettingLine& line) { return line.name == name; });
  return found->value + " from " + found->origin;
}

// Goal: the call wins over the environment, that over the file, that over the default. Method: one setting, each layer
// on top.
TEST(Settings, CallThenEnvironmentThenFileThenDefault) {
  Environment environment;
  EXPECT_EQ(origin_of("job"), "default from default");
  const std::string path = write_file("# a comment\nGOSSAMER_JOB = from-file\n\nGOSSAMER_RANK_COUNT=3\n");
  environment.set("GOSSAMER_CONFIG", path);
  EXPECT_EQ(origin_of("job"), "from-file from file " + path);
  environment.set("GOSSAMER_JOB", "from-env");
  EXPECT_EQ(origin_of("job"), "from-env from environment");
  SettingsRequest request;
  request.job = "from-call";
  const auto settings = resolve_settings(request);
  ASSERT_TRUE(settings.ok()) << settings.error().message;
  EXPECT_EQ(settings->job, "from-call");
  EXPECT_EQ(settings->rank_count, 3u);
  std::remove(path.c_str());
}

// Goal: torchrun's variables are understood. Method: all four set.
TEST(Settings, UnderstandTorchrunsVariables) {
  Environment environment;
  environment.set("RANK", "2");
  environment.set("WORLD_SIZE", "5");
  environment.set("MASTER_ADDR", "10.1.2.3");
  environment.set("MASTER_PORT", "1234");
  const auto settings = resolve_settings({});
  ASSERT_TRUE(settings.ok());
  EXPECT_EQ(settings->rank, Rank{2});
  EXPECT_EQ(settings->rank_count, 5u);
  EXPECT_EQ(settings->rendezvous, "10.1.2.3:1234");
}

// Goal: a wrong value is refused with setting, value, origin and what is expected. Method: one of each kind.
TEST(Settings, RefuseWrongValuesWithTheirOrigin) {
  const std::vector<std::pair<std::string, std::string>> wrong = {{"GOSSAMER_RANK_COUNT", "0"},
                                                                  {"GOSSAMER_RANK_COUNT", "many"},
                                                                  {"GOSSAMER_RANK", "1"},
                                                                  {"GOSSAMER_INIT_TIMEOUT_S", "-3"},
                                                                  {"GOSSAMER_INIT_TIMEOUT_S", "1e-10"},
                                                                  {"GOSSAMER_PROGRESS", "sometimes"},
                                                                  {"GOSSAMER_LEASE_S", "0.05"},
                                                                  {"GOSSAMER_LEASE_S", "nan"},
                                                                  {"GOSSAMER_LEASE_S", "5s"},
                                                                  {"GOSSAMER_COST", "ethernet"},
                                                                  {"GOSSAMER_COST", "1"},
                                                                  {"GOSSAMER_COST", "1,-2"}};
  for (const auto& [name, value] : wrong) {
    Environment environment;
    environment.set(name, value);
    const auto settings = resolve_settings({});
    ASSERT_FALSE(settings.ok()) << name;
    EXPECT_EQ(settings.error().code, Code::invalid_argument);
    EXPECT_THAT(settings.error().message, HasSubstr("\"" + value + "\" (from environment), expected"));
  }
}

// Goal: a secret in the place of its source is shown by nobody. Method: environment, then call; errors and the list.
TEST(Settings, SecretInTheWrongPlaceIsNotShown) {
  Environment environment;
  environment.set("GOSSAMER_SECRET", "hunter2hunter2hunter2");
  const auto refused = resolve_settings({});
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message,
              ::testing::AllOf(HasSubstr("GOSSAMER_SECRET"), ::testing::Not(HasSubstr("hunter2"))));
  const auto lines = describe_settings();
  ASSERT_TRUE(lines.ok());
  for (const SettingLine& line : *lines) EXPECT_THAT(line.value, ::testing::Not(HasSubstr("hunter2")));
  SettingsRequest request;
  request.secret = "hunter2 from a call";
  EXPECT_THAT(resolve_settings(request).error().message, ::testing::Not(HasSubstr("hunter2")));
}

// Goal: where the secret is, and the lease, come from call, environment and default like the rest. Method: each.
TEST(Settings, SecretAndLeaseHaveTheirOrigins) {
  Environment environment;
  EXPECT_EQ(resolve_settings({})->lease_ns, 5'000'000'000u);
  EXPECT_EQ(resolve_settings({})->secret, "");
  environment.set("GOSSAMER_LEASE_S", "0");
  environment.set("GOSSAMER_SECRET", "file:/some/where");
  EXPECT_EQ(resolve_settings({})->lease_ns, 0u);
  EXPECT_EQ(resolve_settings({})->secret, "file:/some/where");
  SettingsRequest request;
  request.lease_ns = 700'000'000;
  request.secret = "none";
  EXPECT_EQ(resolve_settings(request)->lease_ns, 700'000'000u);
  EXPECT_EQ(resolve_settings(request)->secret, "none");
}

// Goal: a line of a file that is no setting is refused with file and line. Method: a misspelt name.
TEST(Settings, RefuseUnknownLinesOfAFile) {
  Environment environment;
  const std::string path = write_file("GOSSAMER_JOB = x\nGOSSAMER_RNAK = 1\n");
  environment.set("GOSSAMER_CONFIG", path);
  const auto settings = resolve_settings({});
  ASSERT_FALSE(settings.ok());
  EXPECT_THAT(settings.error().message, HasSubstr(path + ":2:"));
  std::remove(path.c_str());
}

// Goal: a file that is not there is an error that names it. Method: a path that does not exist.
TEST(Settings, RefuseAMissingFile) {
  Environment environment;
  environment.set("GOSSAMER_CONFIG", "/no/such/file.conf");
  EXPECT_THAT(resolve_settings({}).error().message, HasSubstr("/no/such/file.conf"));
}

// Goal: misspelt variables are found. Method: one known, one not.
TEST(Settings, FindUnknownVariables) {
  Environment environment;
  environment.set("GOSSAMER_RANK", "0");
  environment.set("GOSSAMER_RANKS", "4");
  EXPECT_THAT(unknown_variables(), ::testing::ElementsAre("GOSSAMER_RANKS"));
}

}  // namespace
}  // namespace gossamer::runtime

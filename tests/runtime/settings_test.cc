#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>

#include "runtime/runtime.h"

namespace gossamer::runtime {
namespace {

using ::testing::AllOf;
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

// Of this process alone: tests of this file run side by side.
std::string write_file(const std::string& content) {
  const std::string path = text(::testing::TempDir(), "gossamer_settings_test-", ::getpid(), ".conf");
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
  const auto settings = resolve_settings({{"job", "from-call"}});
  ASSERT_TRUE(settings.ok()) << settings.error().message;
  EXPECT_EQ(settings->job, "from-call");
  EXPECT_EQ(settings->rank_count, 3u);
  std::remove(path.c_str());
}

// Goal: torchrun's variables are understood, and the rendezvous is beside MASTER_PORT, where torchrun itself listens.
// Method: all four set; the last port; an IPv6 address with brackets and without; what is no port.
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
  EXPECT_EQ(settings->rendezvous, "10.1.2.3:1235");
  EXPECT_THAT(settings->rendezvous_advice, AllOf(HasSubstr("MASTER_PORT"), HasSubstr("torchrun")));
  environment.set("MASTER_PORT", "65535");
  EXPECT_EQ(resolve_settings({})->rendezvous, "10.1.2.3:65534");
  environment.set("MASTER_PORT", "1234");
  environment.set("MASTER_ADDR", "fd00::1");
  EXPECT_EQ(resolve_settings({})->rendezvous, "[fd00::1]:1235");
  environment.set("MASTER_ADDR", "[fd00::1]");
  EXPECT_EQ(resolve_settings({})->rendezvous, "[fd00::1]:1235");
  environment.set("MASTER_PORT", "http");
  EXPECT_EQ(resolve_settings({})->rendezvous, "[fd00::1]:http");  // refused where it is read
  environment.set("GOSSAMER_RENDEZVOUS", "10.1.2.3:29400");
  EXPECT_EQ(resolve_settings({})->rendezvous, "10.1.2.3:29400");
  EXPECT_EQ(resolve_settings({})->rendezvous_advice, "");
}

// Goal: one of several processes of a launcher does not become a session of its own unless that is meant; the error has
// the variable, its value and the line to type. Method: each launcher's variables, with size 2 and 1; then what the
// error asks for.
TEST(Settings, OneOfSeveralProcessesOfALauncherIsNoticed) {
  struct LauncherCase {
    const char* rank;
    const char* size;
    const char* command;
  };
  const LauncherCase cases[] = {{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "mpirun"},
                                {"MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE", "mpirun_rsh"},
                                {"PMI_RANK", "PMI_SIZE", "mpiexec"},
                                {"FLUX_TASK_RANK", "FLUX_JOB_SIZE", "flux run"},
                                {"JSM_NAMESPACE_RANK", "JSM_NAMESPACE_SIZE", "jsrun"},
                                {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "srun"},
                                {"MPI_LOCALRANKID", "MPI_LOCALNRANKS", "mpiexec"}};
  for (const LauncherCase& launcher : cases) {
    SCOPED_TRACE(launcher.size);
    {
      Environment environment;
      environment.set(launcher.rank, "1");
      environment.set(launcher.size, "2");
      const auto refused = resolve_settings({});
      ASSERT_FALSE(refused.ok());
      EXPECT_EQ(refused.error().code, Code::invalid_argument);
      EXPECT_THAT(refused.error().message,
                  AllOf(HasSubstr(text("started 2 processes (", launcher.size, " is 2)")),
                        HasSubstr(text(launcher.command, " ... bash -c 'GOSSAMER_RANK=$", launcher.rank,
                                       " GOSSAMER_RANK_COUNT=$", launcher.size, " exec ./program'")),
                        HasSubstr("GOSSAMER_RANK_COUNT=1")));
      EXPECT_FALSE(check_started_once("gossamer run").ok());
      environment.set("GOSSAMER_RANK_COUNT", "2");
      EXPECT_THAT(resolve_settings({}).error().message, HasSubstr("nothing says which rank this process is"));
      environment.set("GOSSAMER_RANK", "1");
      EXPECT_EQ(resolve_settings({})->rank, Rank{1});
      environment.set("GOSSAMER_RANK", "0");
      environment.set("GOSSAMER_RANK_COUNT", "1");
      EXPECT_EQ(resolve_settings({})->rank_count, 1u);
      EXPECT_TRUE(check_started_once("gossamer run").ok());
    }
    Environment environment;
    environment.set(launcher.rank, "1");
    environment.set(launcher.size, "2");
    EXPECT_TRUE(resolve_settings({{"rank", "1"}, {"rank_count", "2"}}).ok());
    environment.set(launcher.rank, "0");
    environment.set(launcher.size, "1");
    EXPECT_TRUE(resolve_settings({}).ok());
    EXPECT_TRUE(check_started_once("gossamer run").ok());
  }
}

// Goal: a script of a batch job, which no launcher started as one of several, starts its session as ever; so does the
// only process of an mpirun inside a step of several tasks. Method: what sbatch sets; what srun and mpirun set.
TEST(Settings, AnAllocationIsNoLauncher) {
  Environment environment;
  environment.set("SLURM_JOB_ID", "42");
  environment.set("SLURM_NTASKS", "8");
  environment.set("SLURM_PROCID", "0");
  EXPECT_TRUE(resolve_settings({}).ok());
  environment.set("SLURM_STEP_ID", "1");
  environment.set("SLURM_STEP_NUM_TASKS", "8");
  EXPECT_FALSE(resolve_settings({}).ok());
  environment.set("OMPI_COMM_WORLD_RANK", "0");
  environment.set("OMPI_COMM_WORLD_SIZE", "1");
  EXPECT_TRUE(resolve_settings({}).ok());
}

// Goal: torchrun's ranks, which the library understands, are no reason for each to start a command that starts all
// ranks. Method: its variables; RANK and WORLD_SIZE alone, which others leave in shells.
TEST(Settings, ACommandOfPeersIsNotStartedByEachOfTorchrunsRanks) {
  Environment environment;
  environment.set("RANK", "1");
  environment.set("WORLD_SIZE", "2");
  EXPECT_TRUE(check_started_once("gossamer run").ok());
  environment.set("TORCHELASTIC_RUN_ID", "none");
  EXPECT_TRUE(resolve_settings({}).ok());
  EXPECT_THAT(check_started_once("gossamer run").error().message, HasSubstr("torchrun started 2 processes"));
}

// Goal: a launcher that says ranks and no count is noticed at every rank that shows it. Method: PMIx alone.
TEST(Settings, APmixRankAboveZeroIsOneOfSeveral) {
  Environment environment;
  environment.set("PMIX_RANK", "0");
  EXPECT_TRUE(resolve_settings({}).ok());
  environment.set("PMIX_RANK", "3");
  EXPECT_THAT(resolve_settings({}).error().message, HasSubstr("PMIX_RANK is 3"));
}

// Goal: a job's name is its scheduler's, where that is the same on all ranks and no other job's; who says a name wins.
// Method: each scheduler's variables; the step of srun, which ranks of an mpirun do not all have.
TEST(Settings, JobIsTheSchedulers) {
  const std::vector<std::pair<std::vector<std::pair<std::string, std::string>>, std::string>> cases = {
      {{{"SLURM_JOB_ID", "42"}}, "42 from environment (SLURM_JOB_ID)"},
      {{{"SLURM_JOB_ID", "42"}, {"SLURM_STEP_ID", "3"}, {"SLURM_STEP_NUM_TASKS", "2"}, {"SLURM_PROCID", "1"}},
       "42.3 from environment (SLURM_JOB_ID, SLURM_STEP_ID)"},
      {{{"SLURM_JOB_ID", "42"},
        {"SLURM_STEP_ID", "3"},
        {"SLURM_STEP_NUM_TASKS", "2"},
        {"SLURM_PROCID", "1"},
        {"PMI_SIZE", "4"}},
       "42 from environment (SLURM_JOB_ID)"},
      {{{"SLURM_JOB_ID", "42"}, {"PMIX_NAMESPACE", "1234@1"}}, "1234@1 from environment (PMIX_NAMESPACE)"},
      {{{"TORCHELASTIC_RUN_ID", "none"}, {"MASTER_PORT", "29500"}},
       "torch-none-29500 from environment (TORCHELASTIC_RUN_ID, MASTER_PORT)"},
      {{{"PBS_JOBID", "7.host"}}, "7.host from environment (PBS_JOBID)"},
      {{{"LSB_JOBID", "8"}}, "8 from environment (LSB_JOBID)"},
      {{{"FLUX_JOB_ID", "f9"}}, "f9 from environment (FLUX_JOB_ID)"},
      {{{"PMI_JOBID", "10.0"}}, "10.0 from environment (PMI_JOBID)"}};
  for (const auto& [variables, expected] : cases) {
    Environment environment;
    for (const auto& [name, value] : variables) environment.set(name, value);
    EXPECT_EQ(origin_of("job"), expected);
    environment.set("GOSSAMER_JOB", "mine");
    EXPECT_EQ(origin_of("job"), "mine from environment");
  }
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
                                                                  {"GOSSAMER_COST", "1,-2"},
                                                                  {"GOSSAMER_COST", "near rdma"},
                                                                  {"GOSSAMER_SCHEDULE", "all-reduce:ring;buterfly"},
                                                                  {"GOSSAMER_HOST", std::string(257, 'h')}};
  for (const auto& [name, value] : wrong) {
    Environment environment;
    environment.set(name, value);
    const auto settings = resolve_settings({});
    ASSERT_FALSE(settings.ok()) << name;
    EXPECT_EQ(settings.error().code, Code::invalid_argument);
    EXPECT_THAT(settings.error().message, HasSubstr("\"" + value + "\" (from environment), expected"));
  }
}

// Goal: rules for schedules are read where settings are, and a mistake is pointed at. Method: rules with a file, none,
// and a kind with a letter too few.
TEST(Settings, PointAtTheMistakeInRulesForSchedules) {
  const std::string rules = "all-reduce:0-4k:butterfly;4k-:file:/etc/job/ring.txt";
  EXPECT_EQ(resolve_settings({{"schedule", rules}})->schedule, rules);
  EXPECT_EQ(resolve_settings({{"schedule", ""}})->schedule, "");
  EXPECT_THAT(resolve_settings({{"schedule", "all-reduce:0-4k:buterfly"}}).error().message,
              AllOf(HasSubstr("schedule is \"all-reduce:0-4k:buterfly\" (from api), expected rules like "),
                    HasSubstr("(schedule rules, character 17: expected a kind of schedule ("),
                    HasSubstr("found \"buterfly\")")));
}

// Goal: each row of the list takes what it has as its default, and every way to say a setting reaches it alike. Method:
// each row's default, then nonsense, in its variable, in a file and in a call: the same origin, and the same refusal
// but for the origin.
TEST(Settings, EveryOneIsReadAlikeFromEverySource) {
  const auto lines = describe_settings();
  ASSERT_TRUE(lines.ok());
  std::size_t refused = 0;
  for (const SettingLine& line : *lines) {
    SCOPED_TRACE(line.name);
    EXPECT_FALSE(line.meaning.empty());
    EXPECT_TRUE(line.variable.starts_with("GOSSAMER_"));
    EXPECT_EQ(std::count_if(
                  lines->begin(), lines->end(),
                  [&](const SettingLine& each) { return each.name == line.name || each.variable == line.variable; }),
              1);
    const std::string nonsense = "no such thing";
    const auto message = [](const auto& settings) { return settings.ok() ? std::string() : settings.error().message; };
    const auto without_origin = [](std::string words, const std::string& origin) {
      const auto at = words.find("(from " + origin + ")");
      return at == std::string::npos ? words : words.erase(at, origin.size() + 7);
    };
    const std::string called = message(resolve_settings({{line.name, nonsense}}));
    const std::string path = write_file(line.variable + " = " + nonsense + "\n");
    {
      Environment environment;
      environment.set("GOSSAMER_CONFIG", path);
      EXPECT_EQ(origin_of(line.name).ends_with(" from file " + path), true);
      EXPECT_EQ(without_origin(message(resolve_settings({})), "file " + path), without_origin(called, "api"));
    }
    std::remove(path.c_str());
    Environment environment;
    environment.set(line.variable, nonsense);
    EXPECT_TRUE(origin_of(line.name).ends_with(" from environment"));
    EXPECT_THAT(unknown_variables(), ::testing::IsEmpty());
    EXPECT_EQ(without_origin(message(resolve_settings({})), "environment"), without_origin(called, "api"));
    EXPECT_TRUE(resolve_settings({{line.name, line.value == "(not set)" ? "" : line.value}}).ok());
    refused += called.empty() ? 0u : 1u;
  }
  EXPECT_GE(refused, 10u) << "the rest are names and addresses, looked at where they are used";
  EXPECT_THAT(resolve_settings({{"ranks", "2"}}).error().message, HasSubstr("no setting \"ranks\""));
}

// Goal: the list that people read is that of the library. Method: the output of `gossamer info` in the docs, row by
// row.
TEST(Settings, TheDocsShowEveryOne) {
  std::ifstream docs(GOSSAMER_TRANSPORTS_PAGE);
  ASSERT_TRUE(docs.is_open()) << GOSSAMER_TRANSPORTS_PAGE;
  std::string line;
  while (std::getline(docs, line) && !line.starts_with("setting  ")) continue;
  const auto lines = describe_settings();
  ASSERT_TRUE(lines.ok());
  for (const SettingLine& setting : *lines) {
    ASSERT_TRUE(std::getline(docs, line));
    EXPECT_THAT(line, AllOf(::testing::StartsWith(setting.name + " "), HasSubstr(" " + setting.variable + " "),
                            ::testing::EndsWith("  " + setting.meaning)));
  }
  EXPECT_TRUE(std::getline(docs, line) && line == "```") << line;
}

// Goal: nanoseconds of a call are read as they are. Method: the text of some, and what becomes of it; out of range both
// ways.
TEST(Settings, NanosecondsOfACallStayAsTheyAre) {
  EXPECT_EQ(seconds_text(1'500'000'000), "1.500000000");
  EXPECT_EQ(seconds_text(-1), "-0.000000001");
  EXPECT_EQ(seconds_text(std::numeric_limits<std::int64_t>::min()), "-9223372036.854775808");
  for (const std::int64_t nanoseconds : {INT64_C(1), INT64_C(999'999'999), INT64_C(1'234'567'891),
                                         INT64_C(86'399'999'999'999), INT64_C(86'400'000'000'000)})
    EXPECT_EQ(resolve_settings({{"init_timeout", seconds_text(nanoseconds)}})->init_timeout_ns,
              static_cast<std::uint64_t>(nanoseconds));
  EXPECT_EQ(resolve_settings({{"lease", seconds_text(99'999'999)}}).error().message,
            "lease is \"0.099999999\" (from api), expected a number of seconds from 0.1 to 86400, or 0 for none");
  EXPECT_FALSE(resolve_settings({{"init_timeout", seconds_text(-1)}}).ok());
  EXPECT_FALSE(resolve_settings({{"init_timeout", seconds_text(86'400'000'000'001)}}).ok());
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
  EXPECT_THAT(resolve_settings({{"secret", "hunter2 from a call"}}).error().message,
              ::testing::Not(HasSubstr("hunter2")));
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
  const SettingsRequest request = {{"lease", seconds_text(700'000'000)}, {"secret", "none"}};
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

// Goal: a line says what a person reads in it. Method: a byte order mark, line ends of Windows, comments, a # within a
// value, quotes of both kinds.
TEST(Settings, ReadAFileAsAPersonReadsIt) {
  const std::string mark = "\xEF\xBB\xBF";
  const std::vector<std::pair<std::string, std::string>> lines = {{mark + "GOSSAMER_JOB = a", "a"},
                                                                  {"GOSSAMER_JOB = a b\r", "a b"},
                                                                  {"GOSSAMER_JOB=/x/a#b", "/x/a#b"},
                                                                  {"GOSSAMER_JOB=a #b", "a"},
                                                                  {"GOSSAMER_JOB=a\t# b", "a"},
                                                                  {"GOSSAMER_JOB = \"a #b\" # c", "a #b"},
                                                                  {"GOSSAMER_JOB = 'it is \"a\"'", "it is \"a\""},
                                                                  {"GOSSAMER_JOB = a'b\"", "a'b\""}};
  for (const auto& [line, value] : lines) {
    Environment environment;
    const std::string path = write_file(line + "\n# end");
    environment.set("GOSSAMER_CONFIG", path);
    EXPECT_EQ(origin_of("job"), value + " from file " + path) << line;
    std::remove(path.c_str());
  }
}

// Goal: a quote that does not fit is refused with file and line, and the value is not shown. Method: both mistakes.
TEST(Settings, RefuseQuotesThatDoNotFit) {
  for (const std::string line : {"GOSSAMER_SECRET = \"hunter2hunter2", "GOSSAMER_SECRET = 'hunter2' hunter3"}) {
    Environment environment;
    const std::string path = write_file(line + "\n");
    environment.set("GOSSAMER_CONFIG", path);
    const auto settings = resolve_settings({});
    ASSERT_FALSE(settings.ok());
    EXPECT_THAT(settings.error().message,
                AllOf(HasSubstr(path + ":1: the value of GOSSAMER_SECRET has "), ::testing::Not(HasSubstr("hunter"))));
    std::remove(path.c_str());
  }
}

// Goal: a folder is no file without settings. Method: a folder as GOSSAMER_CONFIG.
TEST(Settings, RefuseAFolder) {
  Environment environment;
  environment.set("GOSSAMER_CONFIG", ::testing::TempDir());
  EXPECT_THAT(resolve_settings({}).error().message, HasSubstr("it is a folder"));
}

// Goal: seconds mean the same in every language. Method: a locale with decimal commas, made for the test.
TEST(Settings, SecondsAreReadWithoutTheLocale) {
  const std::string folder = ::testing::TempDir() + text("gossamer_locales_", getpid());
  std::filesystem::create_directories(folder);
  const std::string made = text("localedef -i de_DE -f UTF-8 ", folder, "/de_DE.UTF-8 > /dev/null 2>&1");
  static_cast<void>(std::system(made.c_str()));
  Environment environment;
  environment.set("LOCPATH", folder);
  const bool commas = setlocale(LC_ALL, "de_DE.UTF-8") != nullptr;
  std::filesystem::remove_all(folder);
  if (!commas) GTEST_SKIP() << "localedef cannot make a German locale here";
  EXPECT_STREQ(localeconv()->decimal_point, ",");
  environment.set("GOSSAMER_INIT_TIMEOUT_S", "7.5");
  environment.set("GOSSAMER_LEASE_S", "0.5");
  const auto settings = resolve_settings({});
  setlocale(LC_ALL, "C");
  ASSERT_TRUE(settings.ok()) << settings.error().message;
  EXPECT_EQ(settings->init_timeout_ns, 7'500'000'000u);
  EXPECT_EQ(settings->lease_ns, 500'000'000u);
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

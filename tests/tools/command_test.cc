// The gossamer command as a user runs it: real processes, real exchange.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/base.h"
#include "command_fixture.h"
#include "tests/support/shared_memory_left.h"

namespace gossamer::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Goal: each algorithm trains with any number of peers, and all peers end with the same bits. Method: 1 to 8 peers,
// powers of two and others; the weights that every rank wrote are compared byte by byte.
TEST_F(Command, TrainingGivesEveryPeerTheSameWeightsForEveryAlgorithmAndPeerCount) {
  for (const int ranks : {1, 2, 3, 4, 6, 8}) {
    const std::string dump = folder_ / text("weights", ranks);
    nlohmann::json document;
    const Ran ran =
        train({text("--ranks=", ranks), "--algorithm=gs-sgd,shared-top-k,top-k,dense", "--dump=" + dump}, &document);
    ASSERT_EQ(ran.status, 0) << ranks << " peers\n" << ran.errors;
    ASSERT_TRUE(document.is_object());
    ASSERT_EQ(document.at("summaries").size(), 4u);
    for (const nlohmann::json& summary : document.at("summaries")) {
      const auto algorithm = summary.at("algorithm").get<std::string>();
      const std::string first = read_file(text(dump, "/", algorithm, ".rank0.f32"));
      EXPECT_EQ(first.size(), summary.at("dimension").get<std::size_t>() * 4);
      for (int rank = 1; rank < ranks; ++rank) {
        EXPECT_EQ(read_file(text(dump, "/", algorithm, ".rank", rank, ".f32")), first)
            << algorithm << ", rank " << rank << " of " << ranks;
      }
      EXPECT_EQ(summary.at("steps"), 20);
      EXPECT_EQ(summary.at("ranks"), ranks);
      if (ranks == 1) {
        EXPECT_EQ(summary.at("bytes_per_step"), 0);
      } else {
        EXPECT_GT(summary.at("bytes_per_step").get<double>(), 0);
      }
    }
  }
}

// Goal: the result has every key that readers rely on. Method: the document of a run with two algorithms.
TEST_F(Command, TrainingWritesItsDocumentTableAndPlot) {
  nlohmann::json document;
  const std::string plot = folder_ / "plot.svg";
  const Ran ran = train({"--ranks=2", "--algorithm=gs-sgd,dense", "--plot=" + plot}, &document);
  ASSERT_EQ(ran.status, 0) << ran.errors;
  EXPECT_EQ(document.at("schema"), "gossamer.train/1");
  EXPECT_EQ(document.at("configuration").at("ranks"), 2);
  for (const char* key : {"gossamer", "cpu", "cores", "simd", "hash_version"})
    EXPECT_TRUE(document.at("environment").contains(key)) << key;
  for (const nlohmann::json& row : document.at("rows")) {
    for (const char* key : {"algorithm", "epoch", "step", "accuracy", "train_loss", "bytes"})
      EXPECT_TRUE(row.contains(key)) << key;
  }
  for (const char* key :
       {"accuracy", "bytes_per_step", "exchange_p50_us", "exchange_p99_us", "waiting_p50_us", "wire_p50_us",
        "compute_p50_us", "compress_p50_us", "seconds", "control_bytes", "times_fewer_bytes"}) {
    EXPECT_TRUE(document.at("summary").at(key).is_number()) << key;
  }
  EXPECT_EQ(document.at("summary").at("weights_hash").get<std::string>().size(), 16u);
  EXPECT_GT(document.at("summary").at("times_fewer_bytes").get<double>(), 1);
  EXPECT_DOUBLE_EQ(document.at("summaries").at(1).at("times_fewer_bytes").get<double>(), 1);
  EXPECT_THAT(ran.output, HasSubstr("gs-sgd"));
  EXPECT_THAT(ran.output, HasSubstr("fewer than dense"));
  EXPECT_THAT(ran.errors, HasSubstr("gs-sgd epoch 2/"));
  EXPECT_THAT(read_file(plot), HasSubstr("</svg>"));
}

// Goal: a run is repeatable. Method: equal seeds give equal weights, another seed others.
TEST_F(Command, EqualSeedsGiveEqualWeights) {
  const auto hash = [&](const char* seed) {
    nlohmann::json document;
    const Ran ran = train({"--ranks=3", seed}, &document);
    EXPECT_EQ(ran.status, 0) << ran.errors;
    return document.is_object() ? document.at("summary").at("weights_hash").get<std::string>() : ran.errors;
  };
  const std::string one = hash("--seed=7");
  EXPECT_EQ(one, hash("--seed=7"));
  EXPECT_NE(one, hash("--seed=8"));
}

// Goal: training learns. Method: enough steps on the synthetic set to be far above chance, dense and compressed.
TEST_F(Command, TrainingLearnsTheSyntheticData) {
  nlohmann::json document;
  const Ran ran = train({"--ranks=2", "--algorithm=gs-sgd,dense", "--steps=0", "--epochs=12"}, &document);
  ASSERT_EQ(ran.status, 0) << ran.errors;
  for (const nlohmann::json& summary : document.at("summaries"))
    EXPECT_GT(summary.at("accuracy").get<double>(), 0.5) << summary;
}

// Goal: training works under `gossamer run` as well, and rank 0 alone reports. Method: two algorithms in one session.
TEST_F(Command, TrainingIsAPeerOfItsOwnLauncher) {
  const Ran ran = run({"run", "-n", "3", "--timeout", "120", "--", GOSSAMER_COMMAND, "train", "--dataset=synthetic",
                       "--samples=200", "--features=16", "--hidden=16", "--steps=5", "--density=0.2",
                       "--algorithm=dense,gs-sgd", "--json=-"});
  ASSERT_EQ(ran.status, 0) << ran.errors;
  std::string json;
  std::istringstream lines(ran.output);
  for (std::string line; std::getline(lines, line);) {
    ASSERT_EQ(line.substr(0, 4), "[0] ") << line;
    json += line.substr(4);
  }
  const nlohmann::json document = nlohmann::json::parse(json, nullptr, false);
  ASSERT_TRUE(document.is_object()) << json;
  EXPECT_EQ(document.at("summaries").size(), 2u);
  EXPECT_EQ(document.at("configuration").at("ranks"), 3);
}

// Goal: what is known to go wrong is warned of before the run. Method: one row.
TEST_F(Command, TrainingWarnsOfChoicesThatDiverged) {
  const Ran ran = train({"--ranks=1", "--rows=1", "--steps=1"});
  EXPECT_EQ(ran.status, 0) << ran.errors;
  EXPECT_THAT(ran.errors, HasSubstr("gossamer train: warning: --rows 1"));
}

// Goal: Ctrl-C ends a run, says what was interrupted, and leaves neither process nor file. Method: SIGINT once a peer
// has its first epoch; a run that would take hours.
TEST_F(Command, InterruptEndsTrainingAndLeavesNothing) {
  const pid_t pid = start({"train", "--ranks=3", "--dataset=synthetic", "--features=16", "--hidden=16", "--samples=200",
                           "--epochs=1000000", "--batch=50", "--density=0.2"});
  const SteadyClock clock;
  const std::uint64_t deadline = clock.now_ns() + 60'000'000'000;
  while (read_file(folder_ / "errors").find("epoch 1/") == std::string::npos && clock.now_ns() < deadline)
    poll(nullptr, 0, 5);
  std::vector<std::string> peers;
  std::istringstream children(read_file(text("/proc/", pid, "/task/", pid, "/children")));
  for (std::string each; children >> each;) peers.push_back(each);
  EXPECT_EQ(peers.size(), 3u);
  ASSERT_EQ(kill(pid, SIGINT), 0);
  const Ran ran = finish(pid);
  EXPECT_EQ(ran.status, 130) << ran.errors;
  EXPECT_THAT(ran.errors, HasSubstr("gs-sgd interrupted after "));
  EXPECT_THAT(ran.errors, HasSubstr("; 0 of 1 algorithms finished; what was finished follows"));
  for (const std::string& each : peers) EXPECT_FALSE(std::filesystem::exists("/proc/" + each)) << each;
  EXPECT_THAT(gossamer::testing::shared_memory_left(text("job-", pid, "-")), ::testing::IsEmpty());
}

// Goal: a run that loses a peer late keeps what was finished, and its status is not 0. Method: the second of two
// algorithms loses rank 0 itself to SIGKILL after its first epochs.
TEST_F(Command, TrainingThatLosesAPeerKeepsWhatWasFinished) {
  const std::string json = folder_ / "result.json";
  const pid_t pid =
      start({"train", "--ranks=2", "--algorithm=dense,gs-sgd", "--dataset=synthetic", "--features=4", "--hidden=4",
             "--samples=20", "--epochs=1000", "--batch=10", "--density=0.5", "--json=" + json});
  const SteadyClock clock;
  const std::uint64_t deadline = clock.now_ns() + 60'000'000'000;
  while (read_file(folder_ / "errors").find("gs-sgd epoch 2/") == std::string::npos && clock.now_ns() < deadline)
    poll(nullptr, 0, 1);
  pid_t rank_0 = 0;
  std::istringstream(read_file(text("/proc/", pid, "/task/", pid, "/children"))) >> rank_0;
  ASSERT_GT(rank_0, 0);
  ASSERT_EQ(kill(rank_0, SIGKILL), 0);
  const Ran ran = finish(pid);
  EXPECT_EQ(ran.status, 137) << ran.errors;
  EXPECT_THAT(ran.errors, HasSubstr("rank 0 (process "));
  EXPECT_THAT(ran.errors, HasSubstr("1 of 2 algorithms finished; what was finished follows"));
  EXPECT_THAT(ran.output, HasSubstr("\ndense "));
  EXPECT_THAT(ran.output, HasSubstr("\ngs-sgd, unfinished "));
  const nlohmann::json document = nlohmann::json::parse(read_file(json), nullptr, false);
  ASSERT_TRUE(document.is_object());
  ASSERT_EQ(document.at("summaries").size(), 2u);
  EXPECT_TRUE(document.at("summaries").at(0).at("finished").get<bool>());
  EXPECT_FALSE(document.at("summaries").at(1).at("finished").get<bool>());
  EXPECT_GE(document.at("summaries").at(1).at("steps").get<int>(), 4);
  EXPECT_GE(document.at("rows").size(), 1002u);
}

// Goal: a place that cannot be written is told before any work, with a status. Method: each kind of place; a program
// that would leave a file behind.
TEST_F(Command, PlacesForResultsAreLookedAtBeforeTheWork) {
  const std::string none = folder_ / "none/file";
  for (const char* where : {"--json=", "--plot="}) {
    const Ran ran = train({"--ranks=2", where + none});
    EXPECT_EQ(ran.status, 1);
    EXPECT_EQ(ran.errors, text("gossamer train: cannot write ", none, ": No such file or directory\n"));
  }
  std::ofstream(folder_ / "file") << "words";
  for (const char* where : {"--dump", "--dump-gradients"}) {
    const Ran ran = train({"--ranks=2", text(where, "=", folder_ / "file")});
    EXPECT_EQ(ran.status, 1);
    EXPECT_THAT(ran.errors, HasSubstr(text("gossamer train: ", where, ": cannot make the folder")));
    EXPECT_THAT(ran.errors, Not(HasSubstr("epoch")));
  }
  EXPECT_EQ(run({"run", "-n", "1", "--json", none, "--", "touch", folder_ / "made"}).status, 1);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "made"));
  EXPECT_EQ(run({"bench", "sketch", "--json", none}).status, 1);
  EXPECT_EQ(run({"study", "sketch", "--plot", none}).status, 1);
}

// Goal: output that nobody got is an error for every command, and the results are on stderr instead. Method: stdout
// without room.
TEST_F(Command, AFullStdoutIsAnError) {
  const auto expect_failure = [&](const std::vector<std::string>& arguments, const char* words) {
    const Ran ran = finish(start(arguments, "/dev/full"));
    EXPECT_EQ(ran.status, 1) << arguments.front() << "\n" << ran.errors;
    EXPECT_THAT(ran.errors, HasSubstr("No space left on device"));
    EXPECT_THAT(ran.errors, HasSubstr(words));
  };
  expect_failure({"info"}, "cannot write to stdout");
  expect_failure({"graph", "--ranks=4"}, "cannot write to stdout");
  expect_failure({"info", "--json"}, "cannot write to stdout");
  expect_failure({"--help"}, "cannot write to stdout");
  expect_failure({"--version"}, "cannot write to stdout");
  expect_failure({"run", "-n", "1", "--json", "-", "--", "true"}, "gossamer.run/1");
  expect_failure({"run", "-n", "1", "--", "echo", "words"}, "cannot write the peers' output");
  const std::vector<std::string> tiny = {"train",        "--ranks=1",     "--dataset=synthetic",
                                         "--samples=40", "--features=4",  "--hidden=4",
                                         "--steps=1",    "--density=0.5", "--timeout=60"};
  expect_failure(tiny, "fewer than dense");
  std::vector<std::string> as_json = tiny;
  as_json.push_back("--json=-");
  expect_failure(as_json, "gossamer.train/1");
}

// Goal: whoever starts the command with closed descriptors, as cron and some daemons do, has a job that runs and ends.
// Method: each of the three closed, and all.
TEST_F(Command, ClosedStandardDescriptorsAreNoTrap) {
  for (const std::string closed : {"<&-", ">&-", "2>&-", "<&- >&- 2>&-"}) {
    const std::string made = folder_ / "made";
    const std::string line = text(GOSSAMER_COMMAND " run -n 2 --timeout 60 -- /bin/sh -c 'echo words; echo > ", made,
                                  ".$GOSSAMER_RANK' >/dev/null ", closed);
    EXPECT_EQ(std::system(line.c_str()), 0) << closed;
    EXPECT_TRUE(std::filesystem::remove(made + ".0")) << closed;
    EXPECT_TRUE(std::filesystem::remove(made + ".1")) << closed;
  }
}

// Goal: the program begins at the first word that is no option, as with mpirun, and has its own options and its own
// "--". Method: a shell that prints its arguments.
TEST_F(Command, RunTakesTheProgramWithoutDashes) {
  const std::vector<std::string> show = {"/bin/sh", "-c", "echo $0 \"$@\"", "0.1", "-n", "7", "--", "--help"};
  for (const bool with_dashes : {false, true}) {
    std::vector<std::string> arguments = {"run", "-n", "1"};
    if (with_dashes) arguments.push_back("--");
    arguments.insert(arguments.end(), show.begin(), show.end());
    const Ran ran = run(arguments);
    EXPECT_EQ(ran.status, 0) << ran.errors;
    EXPECT_EQ(ran.output, "[0] 0.1 -n 7 -- --help\n");
  }
}

// Goal: a bench of transports says between whom it measures, and that it is no rank of a session whose variables are
// there. Method: one way, one size, with and without a launcher's variable.
TEST_F(Command, ABenchOfTransportsSaysBetweenWhomItMeasures) {
  const std::vector<std::string> bench = {"bench", "transport", "--ways=ucx posix", "--bytes=8", "--rounds=1"};
  const Ran alone = run(bench);
  EXPECT_EQ(alone.status, 0) << alone.errors;
  EXPECT_THAT(alone.output, ::testing::StartsWith("between two processes on "));
  EXPECT_THAT(alone.errors, Not(HasSubstr("warning")));
  setenv("OMPI_COMM_WORLD_SIZE", "4", 1);
  const Ran launched = run(bench);
  unsetenv("OMPI_COMM_WORLD_SIZE");
  EXPECT_EQ(launched.status, 0) << launched.errors;
  EXPECT_THAT(launched.errors, HasSubstr("OMPI_COMM_WORLD_SIZE is 4, but this bench is no rank of that session"));
}

// Goal: a bench of the engine has a row for each schedule and number of ranks, whose time grows with the steps, and
// refuses numbers that no session has. Method: three rounds, as JSON.
TEST_F(Command, ABenchOfTheEngineCountsOperationsAndSteps) {
  const Ran ran = run({"bench", "engine", "--ranks=1,64", "--rounds=3", "--json", "-"});
  ASSERT_EQ(ran.status, 0) << ran.errors;
  const auto document = nlohmann::json::parse(ran.output);
  EXPECT_EQ(document.at("schema"), "gossamer.bench.engine/1");
  const auto& rows = document.at("rows");
  ASSERT_EQ(rows.size(), 4u);
  for (const std::size_t i : {0u, 2u}) {
    EXPECT_EQ(rows[i].at("steps"), 0);
    EXPECT_FALSE(rows[i].contains("step_ns"));
    EXPECT_GT(rows[i + 1].at("steps"), 10);
    EXPECT_GT(rows[i + 1].at("operation_ns").get<double>(), rows[i].at("operation_ns").get<double>());
    EXPECT_GT(rows[i + 1].at("idle_ns"), 0);
  }
  const Ran refused = run({"bench", "engine", "--ranks=257"});
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.errors, HasSubstr("--ranks 257: expected 1 to 256"));
}

// Goal: a bench of ranks that share memory has a row for each number of ranks and size, with sums that it has checked,
// and refuses sizes that are no vectors. Method: small sizes, as JSON.
TEST_F(Command, ABenchOfAHostMeasuresEachSize) {
  const Ran ran = run({"bench", "host", "--ranks=1,3", "--bytes=8,100000", "--json", "-"});
  ASSERT_EQ(ran.status, 0) << ran.errors;
  const auto document = nlohmann::json::parse(ran.output);
  EXPECT_EQ(document.at("schema"), "gossamer.bench.host/1");
  ASSERT_EQ(document.at("rows").size(), 4u);
  for (const auto& row : document.at("rows")) {
    EXPECT_GE(row.at("p99_us").get<double>(), row.at("p50_us").get<double>());
    EXPECT_GE(row.at("copy_us").get<double>(), 0);
  }
  const Ran refused = run({"bench", "host", "--bytes=7"});
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.errors, HasSubstr("--bytes 7: expected a multiple of 4"));
}

// Goal: Ctrl-C ends a bench of transports, and leaves neither process nor file. Method: SIGINT once the first process
// has its memory; a bench that would take much longer.
TEST_F(Command, InterruptEndsABenchAndLeavesNothing) {
  const pid_t pid = start({"bench", "transport", "--ways=ucx posix", "--bytes=8", "--rounds=1000"});
  const std::string mark = text("gossamer-bench-", pid, "-");
  const auto is_there = [&] { return !gossamer::testing::shared_memory_names(mark).empty(); };
  const SteadyClock clock;
  const std::uint64_t deadline = clock.now_ns() + 60'000'000'000;
  while (!is_there() && clock.now_ns() < deadline) poll(nullptr, 0, 5);
  ASSERT_TRUE(is_there());
  std::string second;
  std::istringstream(read_file(text("/proc/", pid, "/task/", pid, "/children"))) >> second;
  EXPECT_FALSE(second.empty());
  ASSERT_EQ(kill(pid, SIGINT), 0);
  const Ran ran = finish(pid);
  EXPECT_EQ(ran.status, 130) << ran.errors;
  EXPECT_FALSE(std::filesystem::exists("/proc/" + second));
  EXPECT_THAT(gossamer::testing::shared_memory_left(mark), ::testing::IsEmpty());
}

// Goal: wrong command lines end with 2 and say what was expected. Method: one of each kind.
TEST_F(Command, WrongFlagsEndWithStatus2AndAMessage) {
  const auto expect = [&](const std::vector<std::string>& arguments, const char* words) {
    const Ran ran = run(arguments);
    EXPECT_EQ(ran.status, 2) << ran.errors;
    EXPECT_THAT(ran.errors, HasSubstr(words));
    EXPECT_EQ(ran.output, "");
  };
  expect({"fly"}, "gossamer fly: there is no such command; expected run, train, ");
  expect({"study"}, "gossamer study: which command is missing; expected frontier or sketch");
  expect({"run", "-n", "2"}, "no program: put it behind the options");
  expect({"run", "-n", "2", "--"}, "no program: put it behind the options");
  expect({"run", "--rank", "2", "./program"},
         "there is no option --rank; expected -n, --hosts, --hostfile, --launch-agent, --export, --settle, --silence, "
         "--timeout or --json");
  expect({"run", "--", "true"}, "-n or --ranks is required, before the program");
  expect({"run", "-n", "0", "--", "true"}, "-n 0: expected 1 to 256 peers");
  expect({"run", "-n", "257", "--", "true"}, "-n 257: expected 1 to 256 peers, as many as a session takes");
  expect({"run", "-n", "two", "--", "true"}, "two");
  expect({"run", "--hosts", "a:2", "--export", "=x", "--", "true"}, "--export \"=x\" names no variable");
  expect({"train", "--ranks=0"}, "--ranks 0: expected 1 to 256");
  expect({"train", "--algorithm=magic"}, "--algorithm magic: expected gs-sgd");
  expect({"train", "--no-such-flag"}, "--no-such-flag");
  expect({"train", "--schedule=spiral"}, "spiral");
  expect({"train", "--rows=2"}, "--rows 2: expected an odd number");
  expect({"graph"}, "--ranks is required, or --file");
  expect({"graph", "--kind=rings", "--ranks=4"},
         "--kind: unknown graph kind \"rings\": expected one of one-peer, ring,");
  expect({"graph", "--kind=hypercube", "--ranks=12"}, "hypercube has a power of two of ranks, as 8 or 16, not 12");
  expect({"graph", "--kind=ring", "--ranks=200", "--deaths"}, "deaths are measured for up to 128 ranks, not 200");
  expect({"info", "--", "true"}, "did you mean `gossamer run`?");
  expect({"study", "frontier", "--factors=0.5"}, "--factors 0.5: expected above 1");
  expect({"study", "frontier", "--ranks=1"}, "one peer sends nothing");
  expect({"train", "--dump-every=5"}, "--dump-every 5 without --dump-gradients");
  expect({"train", "--algorithm=dense,gs-sgd", "--dump-gradients=x"}, "expected one --algorithm");
  expect({"study", "frontier", "--dump-gradients=x"}, "--dump-gradients");
  expect({"study", "sketch", "--rows=4"}, "--rows 4: expected odd numbers from 1 to 15");
  expect({"study", "sketch", "--vectors=round"}, "round");
  expect({"study", "sketch", "--seeds=1"}, "--seeds 1: expected 2 to");
}

// Goal: missing data end with their own status, once and not once a peer. Method: an empty folder.
TEST_F(Command, MissingDataEndWithStatus3) {
  const Ran ran = run({"train", "--data=" + folder_.path()});
  EXPECT_EQ(ran.status, 3);
  EXPECT_THAT(ran.errors, HasSubstr("apt install dataset-fashion-mnist"));
  EXPECT_EQ(std::count(ran.errors.begin(), ran.errors.end(), '\n'), 1);
}

// Goal: the launcher passes statuses on and writes how peers ended. Method: a peer fails; an unknown program.
TEST_F(Command, RunPassesStatusesOnAndWritesJson) {
  const std::string json = folder_ / "run.json";
  const Ran ran = run({"run", "-n", "2", "--json", json, "--", "/bin/sh", "-c", "exit $((GOSSAMER_RANK * 5))"});
  EXPECT_EQ(ran.status, 5);
  const nlohmann::json document = nlohmann::json::parse(read_file(json), nullptr, false);
  ASSERT_TRUE(document.is_object());
  EXPECT_EQ(document.at("schema"), "gossamer.run/1");
  EXPECT_EQ(document.at("exit_code"), 5);
  EXPECT_EQ(document.at("rows").size(), 2u);
  EXPECT_EQ(run({"run", "-n", "1", "--", "no-such-program-anywhere"}).status, 127);
  EXPECT_EQ(run({"run", "-n", "1", "--timeout", "0.2", "--", "sleep", "1000"}).status, 124);
}

#ifdef GOSSAMER_WITH_LIBFABRIC
// Goal: what moves the bytes changes no bit of the weights. Method: one training over UCX, libfabric's tcp and its
// shared memory, by one schedule, whose bits sums have; a provider that is not there ends with its name.
TEST_F(Command, TrainingOverLibfabricGivesTheSameBits) {
  const auto weights = [&](const char* transport, const char* provider) {
    nlohmann::json document;
    setenv("GOSSAMER_LIBFABRIC_PROVIDER", provider, 1);
    const Ran ran =
        train({"--ranks=3", "--algorithm=gs-sgd", "--schedule=circulant", text("--transport=", transport)}, &document);
    unsetenv("GOSSAMER_LIBFABRIC_PROVIDER");
    EXPECT_EQ(ran.status, 0) << ran.errors;
    return ran.status == 0 ? document.at("summary").at("weights_hash").get<std::string>() : "none";
  };
  const std::string over_ucx = weights("ucx", "");
  for (const char* provider : {"tcp;ofi_rxm", "shm"}) EXPECT_EQ(weights("libfabric", provider), over_ucx) << provider;
  setenv("GOSSAMER_LIBFABRIC_PROVIDER", "no-such-provider", 1);
  const Ran refused = train({"--ranks=2", "--algorithm=gs-sgd", "--transport=libfabric"});
  unsetenv("GOSSAMER_LIBFABRIC_PROVIDER");
  EXPECT_NE(refused.status, 0);
  EXPECT_THAT(refused.errors, HasSubstr("no usable provider \"no-such-provider\""));
}
#endif

// Goal: info shows versions, transports, limits and where settings come from. Method: text and JSON with one setting
// given and one unknown variable.
TEST_F(Command, InfoShowsSettingsWithTheirOriginAndUnknownVariables) {
  setenv("GOSSAMER_INIT_TIMEOUT_S", "17", 1);
  setenv("GOSSAMER_NO_SUCH_THING", "1", 1);
  const Ran json = run({"info", "--json"});
  const Ran human = run({"info"});
  unsetenv("GOSSAMER_INIT_TIMEOUT_S");
  unsetenv("GOSSAMER_NO_SUCH_THING");
  ASSERT_EQ(json.status, 0) << json.errors;
  EXPECT_THAT(json.errors, HasSubstr("GOSSAMER_NO_SUCH_THING"));
  const nlohmann::json document = nlohmann::json::parse(json.output, nullptr, false);
  ASSERT_TRUE(document.is_object()) << json.output;
  EXPECT_EQ(document.at("schema"), "gossamer.info/1");
  EXPECT_EQ(document.at("transports").at(0).at("name"), "ucx");
  EXPECT_EQ(document.at("transports").at(1).at("name"), "libfabric");
  EXPECT_TRUE(document.at("transports").at(1).contains("version") ||
              document.at("transports").at(1).contains("failure"));
  bool seen = false;
  for (const nlohmann::json& each : document.at("settings")) {
    if (each.at("variable") != "GOSSAMER_INIT_TIMEOUT_S") continue;
    seen = true;
    EXPECT_EQ(each.at("origin"), "environment");
    EXPECT_THAT(each.at("value").get<std::string>(), HasSubstr("17"));
  }
  EXPECT_TRUE(seen);
  EXPECT_EQ(human.status, 0);
  for (const char* each : {"gossamer", "transport ucx", "SIMD", "/dev/shm", "locked memory", "GOSSAMER_RANK"})
    EXPECT_THAT(human.output, HasSubstr(each));
}

// Goal: the documentation shows the launchers as they are printed. Method: each line of the table, without the star and
// what it says of this process, in docs/transports.md.
TEST_F(Command, TheTableOfLaunchersIsTheDocumentedOne) {
  const auto without_stars = [](std::string words) {
    return std::replace(words.begin(), words.end(), '*', ' '), words;
  };
  const std::string documented = without_stars(read_file(GOSSAMER_TRANSPORTS));
  const std::string printed = without_stars(run({"info"}).output);
  std::istringstream table(printed.substr(std::min(printed.find("\nlauncher ") + 1, printed.size())));
  std::string line;
  const std::size_t column = std::getline(table, line) ? line.find("here") : 0;
  int seen = 0;
  for (; std::getline(table, line) && !line.empty(); ++seen)
    EXPECT_THAT(documented, HasSubstr("\n" + line.substr(0, column)));
  EXPECT_EQ(seen, 7);
}

// Goal: GOSSAMER_LOG decides how much of the library's log is seen, and a wrong word is refused before anything starts.
// Method: the line that each rank logs at info, with and without it; a word that is no level.
TEST_F(Command, TheLogShowsWhatItWasAskedFor) {
  const auto with_level = [&](const char* level, const std::vector<std::string>& arguments) {
    setenv("GOSSAMER_LOG", level, 1);
    Ran ran = arguments.empty() ? train({"--ranks=2"}) : run(arguments);
    unsetenv("GOSSAMER_LOG");
    return ran;
  };
  constexpr const char* line = "2 of 2 ranks are on this host";
  const Ran shown = with_level("info", {});
  EXPECT_EQ(shown.status, 0);
  EXPECT_THAT(shown.errors, ::testing::ContainsRegex(std::string("rank 1 of 2 on [^ ]+: ") + line));
  EXPECT_THAT(with_level("warning", {}).errors, Not(HasSubstr(line)));
  EXPECT_THAT(with_level("", {}).errors, Not(HasSubstr(line)));
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{}, {"info"}}) {
    const Ran refused = with_level("loud", arguments);
    EXPECT_EQ(refused.status, 2);
    EXPECT_THAT(refused.errors, HasSubstr("GOSSAMER_LOG is \"loud\", expected debug"));
    EXPECT_EQ(refused.output, "");
  }
}

// Goal: info says where the secret and the lease come from, and never shows what a secret is. Method: a source, then a
// secret in its place.
TEST_F(Command, InfoShowsThatASecretIsSetAndNotWhatItIs) {
  const auto info_with = [&](const char* source) {
    setenv("GOSSAMER_SECRET", source, 1);
    const Ran human = run({"info"});
    unsetenv("GOSSAMER_SECRET");
    EXPECT_EQ(human.status, 0);
    return human.output + human.errors;
  };
  const std::string named = info_with("file:/home/me/job.secret");
  EXPECT_THAT(named, HasSubstr("file:/home/me/job.secret"));
  EXPECT_THAT(named, HasSubstr("GOSSAMER_LEASE_S"));
  const std::string misplaced = info_with("hunter2hunter2hunter2");
  EXPECT_THAT(misplaced, HasSubstr("GOSSAMER_SECRET"));
  EXPECT_THAT(misplaced, ::testing::Not(HasSubstr("hunter2")));
}

// Goal: info --probe says what really travels, and a machine without a device is no failure. Method: text and JSON of
// this machine; host memory must be verified, CUDA's is there with a path or a reason.
TEST_F(Command, InfoProbesTheKindsOfMemory) {
  const Ran json = run({"info", "--probe", "--json"});
  const Ran human = run({"info", "--probe"});
  ASSERT_EQ(json.status, 0) << json.errors;
  const nlohmann::json document = nlohmann::json::parse(json.output, nullptr, false);
  ASSERT_TRUE(document.is_object()) << json.output;
  const nlohmann::json& probes = document.at("transports").at(0).at("probes");
  ASSERT_EQ(probes.size(), 2u) << probes;
  EXPECT_EQ(probes.at(0).at("memory"), "host");
  EXPECT_EQ(probes.at(0).at("path"), "direct");
  EXPECT_EQ(probes.at(0).at("verified"), true) << probes;
  EXPECT_EQ(probes.at(1).at("memory"), "cuda");
  EXPECT_EQ(probes.at(1).at("verified").get<bool>(), probes.at(1).at("path") != "none") << probes;
  EXPECT_EQ(probes.at(1).at("problem").get<std::string>().empty(), probes.at(1).at("verified").get<bool>()) << probes;
  EXPECT_EQ(human.status, 0) << human.errors;
  EXPECT_THAT(human.output, HasSubstr("moved directly, verified"));
  EXPECT_THAT(human.output, HasSubstr("memory cuda"));
  EXPECT_FALSE(nlohmann::json::parse(run({"info", "--json"}).output).at("transports").at(0).contains("probes"));
}

// Goal: the frontier study comes near the factors it was asked for. Method: a small model, two factors, two algorithms.
TEST_F(Command, FrontierComesNearTheWantedFactors) {
  const std::string json = folder_ / "study.json";
  const std::string plot = folder_ / "study.svg";
  const Ran ran = run({"study", "frontier", "--dataset=synthetic", "--samples=1000", "--features=64",
                       "--hidden=256,128", "--epochs=4", "--batch=50", "--ranks=2", "--factors=5,10",
                       "--no-exact-biases", "--timeout=120", "--json=" + json, "--plot=" + plot});
  ASSERT_EQ(ran.status, 0) << ran.errors;
  const nlohmann::json document = nlohmann::json::parse(read_file(json), nullptr, false);
  ASSERT_TRUE(document.is_object());
  EXPECT_EQ(document.at("schema"), "gossamer.study.frontier/1");
  ASSERT_EQ(document.at("rows").size(), 5u);
  for (const nlohmann::json& row : document.at("rows")) {
    ASSERT_TRUE(row.at("accuracy").is_number()) << row;
    const double wanted = row.at("target_factor").get<double>();
    EXPECT_NEAR(row.at("times_fewer_bytes").get<double>(), wanted, 0.15 * wanted) << row;
  }
  EXPECT_THAT(read_file(plot), HasSubstr("</svg>"));
}

// Goal: real gradients can be studied: training writes them, the study reads them. Method: two peers, every fifth of 20
// steps; the files have the model's length, and the study a row for each, without the biases.
TEST_F(Command, StudyReadsTheGradientsThatTrainingDumped) {
  const std::string gradients = folder_ / "new/gradients";
  const Ran trained = train({"--ranks=2", "--dump-gradients=" + gradients, "--dump-every=5", "--seed=3"});
  ASSERT_EQ(trained.status, 0) << trained.errors;
  for (const int step : {5, 10, 15, 20}) {
    const std::string path = text(gradients, "/gradient-", step);
    const nlohmann::json description = nlohmann::json::parse(read_file(path + ".json"), nullptr, false);
    ASSERT_TRUE(description.is_object()) << path;
    EXPECT_EQ(description.at("step"), step);
    EXPECT_EQ(description.at("seed"), 3);
    EXPECT_EQ(description.at("algorithm"), "gs-sgd");
    EXPECT_EQ(description.at("dimension"), 32 * 48 + 48 + 48 * 24 + 24 + 24 * 10 + 10);
    EXPECT_EQ(description.at("tensors").at(1), (nlohmann::json{{"name", "b1"}, {"count", 48}, {"exact", true}}));
    EXPECT_EQ(read_file(path + ".f32").size(), description.at("dimension").get<std::size_t>() * 4);
  }
  EXPECT_FALSE(std::filesystem::exists(gradients + "/gradient-1.json"));
  const std::string plot = folder_ / "study.svg";
  const Ran ran = run({"study", "sketch", "--vectors=gaussian", "--dimension=4096", "--columns=256", "--rows=3",
                       "--k=40", "--seeds=2", "--gradients=" + gradients, "--json=-", "--plot=" + plot});
  ASSERT_EQ(ran.status, 0) << ran.errors;
  const nlohmann::json document = nlohmann::json::parse(ran.output, nullptr, false);
  ASSERT_TRUE(document.is_object()) << ran.output;
  EXPECT_EQ(document.at("schema"), "gossamer.study.sketch/1");
  ASSERT_EQ(document.at("rows").size(), 10u);
  EXPECT_EQ(document.at("rows").at(2).at("vector"), "gradient-5");
  EXPECT_EQ(document.at("rows").at(9).at("vector"), "gradient-20");
  EXPECT_EQ(document.at("rows").at(9).at("dimension"), 32 * 48 + 48 * 24 + 24 * 10);
  EXPECT_THAT(ran.errors, HasSubstr("gradient-20: 1 shapes, 2 seeds"));
  EXPECT_THAT(read_file(plot), HasSubstr("</svg>"));
}

// Goal: a folder of gradients that cannot be used is said once, before any work. Method: a file where training should
// make one; none and an empty one for the study.
TEST_F(Command, UnusableGradientFoldersAreRefusedAtOnce) {
  std::ofstream(folder_ / "file") << "taken";
  const Ran trained = train({"--ranks=2", "--dump-gradients=" + (folder_ / "file")});
  EXPECT_EQ(trained.status, 1);
  EXPECT_THAT(trained.errors, HasSubstr("--dump-gradients: cannot make the folder"));
  EXPECT_EQ(std::count(trained.errors.begin(), trained.errors.end(), '\n'), 1) << trained.errors;
  const Ran missing = run({"study", "sketch", "--gradients=" + (folder_ / "nowhere")});
  EXPECT_EQ(missing.status, 3);
  EXPECT_THAT(missing.errors, HasSubstr("cannot read the folder"));
  std::filesystem::create_directory(folder_ / "empty");
  const Ran empty = run({"study", "sketch", "--gradients=" + (folder_ / "empty")});
  EXPECT_EQ(empty.status, 3);
  EXPECT_THAT(empty.errors, HasSubstr("write some with `gossamer train --dump-gradients"));
}

}  // namespace
}  // namespace gossamer::tools

#include "tools/topo/measurement_file.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/tools/temporary_folder.h"

namespace gossamer::tools {
namespace {

using topology::Measurement;
using topology::PairLoad;

Measurement some_measurement() {
  Measurement m;
  m.when = "2026-03-01T12:00:00Z";
  m.version = "0.1.0";
  m.transport = "ucx: tcp";
  m.memory = "host";
  m.clock_uncertainty_ns = 31'250.5;
  m.seed = 0xffff'ffff'ffff'fff1;
  m.hosts = {{"node1", 16, {"mlx5_0:1 InfiniBand 100 Gbit/s"}, "leaf \"7\"", 0.01}, {"node2,b", 16, {}, "", 0.0}};
  m.ranks = {{0, false}, {1, false}, {1, true}};
  topology::PairMeasurement pair;
  pair.from = 0;
  pair.to = 1;
  pair.passes = 2;
  pair.sizes = {{8, 100, {1'000.1, 990, 1'010}, 900, 2'000, 3'000}, {4'096, 50, {5'000.0 / 3, 1, 1e9}, 1, 2, 3}};
  pair.fit = topology::LogGp{{1, 0.5, 1.5}, {0.1, 0.09, 0.11}, {3, 2, 4}, {1.0 / 3, 0, 1}, 0.02};
  m.pairs.push_back(pair);
  pair.load = PairLoad::loaded;
  pair.fit.reset();
  m.pairs.push_back(pair);
  pair.sizes.clear();
  pair.to = 2;
  pair.missing = "rank 2 on node2,b died";
  m.pairs.push_back(pair);
  return m;
}

std::string with(const std::string& from, const std::string& to) {
  std::string content = write_measurement(some_measurement());
  const std::size_t at = content.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return content.replace(at, from.size(), to);
}

void expect_refused(const std::string& content, Code code, const std::string& words) {
  const auto read = parse_measurement(content, "m.json");
  ASSERT_FALSE(read.ok()) << words;
  EXPECT_EQ(read.error().code, code);
  EXPECT_NE(read.error().message.find(words), std::string::npos) << read.error().message;
}

// Every member has a value that no other has; the text of what was read is the text that was written, and its values
// are the same bits.
TEST(MeasurementFile, IsReadAsItWasWritten) {
  const std::string content = write_measurement(some_measurement());
  const auto read = parse_measurement(content, "m.json");
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(write_measurement(*read), content);
  EXPECT_EQ(read->seed, some_measurement().seed);
  EXPECT_EQ(read->pairs[0].sizes[1].p50_ns.value, 5'000.0 / 3);
  EXPECT_EQ(read->pairs[0].fit->overhead_ns.value, 1.0 / 3);
  EXPECT_EQ(read->pairs[2].missing, "rank 2 on node2,b died");
  EXPECT_TRUE(read->ranks[2].died);
  EXPECT_EQ(read->host_of(1), "node2,b");
  EXPECT_EQ(nlohmann::json::parse(content)["size_columns"][2], "p50_ns");
}

// Each way of being wrong, with the place and the expectation in the words.
TEST(MeasurementFile, RefusesWithWordsWhatIsNotOne) {
  const std::string whole = write_measurement(some_measurement());
  expect_refused(whole.substr(0, whole.size() / 2), Code::malformed, "m.json ends in the middle");
  expect_refused("hello", Code::malformed, "is not JSON");
  expect_refused("[1, 2]", Code::malformed, "it names no schema, expected \"gossamer.topo/1\"");
  expect_refused(R"({"schema": "gossamer.bench.sketch/1"})", Code::malformed,
                 "its schema is \"gossamer.bench.sketch/1\"");
  expect_refused(with("gossamer.topo/1", "gossamer.topo/2"), Code::mismatch, "has the schema gossamer.topo/2");
  expect_refused(with("\"to\":1", "\"to\":3"), Code::malformed, "pairs[0].to: expected a rank from 0 to 2, not 3");
  expect_refused(with("\"to\":1", "\"to\":-1"), Code::malformed, "pairs[0].to: expected a rank from 0 to 2, not -1");
  expect_refused(with("\"to\":1", "\"to\":0"), Code::malformed, "pairs[0]: expected two different ranks");
  expect_refused(with("\"idle\"", "\"busy\""), Code::malformed, "pairs[0].load: expected \"idle\" or \"loaded\"");
  expect_refused(with("\"loaded\"", "\"idle\""), Code::malformed, "pairs[1]: expected pairs in ascending order");
  expect_refused(with("\"host\":1", "\"host\":2"), Code::malformed, "ranks[1].host: expected an index of \"hosts\"");
  expect_refused(with("[[8,", "[[8192,"), Code::malformed, "pairs[0].sizes[1]: expected a larger size");
  expect_refused(with("[1.0,0.5,1.5]", "[1.0,0.5]"), Code::malformed,
                 "pairs[0].fit.alpha_ns: expected [value, low, high]");
  expect_refused(with("900.0", "null"), Code::malformed, "pairs[0].sizes[0]: expected a number");
  expect_refused(with("\"memory\"", "\"memoir\""), Code::malformed, "expected an object with \"memory\"");
  expect_refused(with("\"missing\"", "\"passing\""), Code::malformed, "pairs[2]: expected sizes, or a reason");
}

// A file that is not there and one without content are told apart.
TEST(MeasurementFile, SaysWhyAFileCannotBeRead) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/m.json";
  auto read = read_measurement(path);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code, Code::unavailable);
  EXPECT_NE(read.error().message.find("No such file"), std::string::npos) << read.error().message;
  std::ofstream(path).flush();
  read = read_measurement(path);
  ASSERT_FALSE(read.ok());
  EXPECT_NE(read.error().message.find("is empty"), std::string::npos) << read.error().message;
  std::ofstream(path) << write_measurement(some_measurement());
  EXPECT_TRUE(read_measurement(path).ok());
}

// As many fields in each line as in the first, a comma in a host's name included; a pair that is missing has its line.
TEST(MeasurementFile, BecomesATable) {
  const std::string csv = measurement_csv(some_measurement());
  std::istringstream lines(csv);
  std::vector<std::size_t> commas;
  for (std::string line; std::getline(lines, line);) {
    bool inside = false;
    std::size_t count = 0;
    for (const char each : line) {
      if (each == '"') inside = !inside;
      if (each == ',' && !inside) ++count;
    }
    commas.push_back(count);
  }
  EXPECT_EQ(commas, std::vector<std::size_t>(6, 20)) << csv;
  EXPECT_NE(csv.find("0,1,node1,\"node2,b\",idle,2,8,100,1000.1,990.0,"), std::string::npos) << csv;
  EXPECT_NE(csv.find("\"rank 2 on node2,b died\"\n"), std::string::npos) << csv;
}

}  // namespace
}  // namespace gossamer::tools

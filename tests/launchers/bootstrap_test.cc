#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "runtime/bootstrap/caller.h"
#include "runtime/bootstrap/catalogue.h"
#include "runtime/bootstrap/folder.h"
#include "runtime/bootstrap/meet.h"
#include "runtime/bootstrap/pmi.h"
#include "runtime/bootstrap/slurm.h"

namespace gossamer::runtime {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::uint64_t second_ns = 1'000'000'000;

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

class Folder {
 public:
  Folder() {
    std::string name = text(::testing::TempDir(), "gossamer-bootstrap-XXXXXX");
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& each : std::filesystem::directory_iterator(path_)) names.push_back(each.path().filename());
    return names;
  }

 private:
  std::string path_;
};

// Goal: the order is what the documentation says, and a name leads to its row. Method: the names.
TEST(Catalogue, HasTheWaysInTheirOrder) {
  std::vector<std::string_view> names;
  for (const LauncherRow& row : all_launchers()) {
    names.push_back(row.name);
    EXPECT_EQ(find_launcher(row.name), &row);
    EXPECT_FALSE(row.who.empty() || row.told_by.empty() || row.secret.empty());
  }
  EXPECT_THAT(names, ::testing::ElementsAre("caller", "pmix", "pmi", "slurm", "torchrun", "folder", "tcp"));
  EXPECT_EQ(find_launcher("mpirun"), nullptr);
}

// Goal: each launcher is known by all of its variables, the earlier row wins, and half of them are none. Method: each
// one's variables, then without each; then all together.
TEST(Catalogue, KnowsALauncherByAllOfItsVariables) {
  using Variables = std::vector<std::pair<std::string, std::string>>;
  const std::vector<std::pair<std::string, Variables>> cases = {
      {"torchrun", {{"RANK", "1"}, {"WORLD_SIZE", "2"}}},
      {"slurm",
       {{"SLURM_PROCID", "1"},
        {"SLURM_STEP_NUM_TASKS", "2"},
        {"SLURM_STEP_ID", "0"},
        {"SLURM_JOB_ID", "7"},
        {"SLURM_STEP_NODELIST", "n[1-2]"}}},
      {"pmi", {{"PMI_FD", "9"}, {"PMI_RANK", "1"}, {"PMI_SIZE", "2"}}},
      {"pmi", {{"PMI_PORT", "host:1234"}, {"PMI_ID", "1"}}},
      {"pmix", {{"PMIX_NAMESPACE", "ns"}, {"PMIX_RANK", "1"}}}};
  Environment all;
  for (const auto& [name, variables] : cases) {
    SCOPED_TRACE(name);
    for (const auto& [left_out, value] : variables) {
      Environment half;
      for (const auto& [variable, content] : variables)
        if (variable != left_out) half.set(variable, content);
      EXPECT_EQ(launcher_here(), nullptr) << "without " << left_out;
    }
    Environment environment;
    for (const auto& [variable, content] : variables) environment.set(variable, content);
    ASSERT_NE(launcher_here(), nullptr);
    EXPECT_EQ(launcher_here()->name, name);
  }
  for (const auto& [name, variables] : cases) {
    for (const auto& [variable, content] : variables) all.set(variable, content);
    EXPECT_EQ(launcher_here()->name, name);
  }
}

// Goal: an mpirun inside of a Slurm step does not pass for the step. Method: its count beside the step's.
TEST(Catalogue, AnInnerLauncherIsNotTheStep) {
  Environment environment;
  for (const auto& [name, value] :
       {std::pair{"SLURM_PROCID", "0"}, std::pair{"SLURM_STEP_NUM_TASKS", "8"}, std::pair{"SLURM_STEP_ID", "0"},
        std::pair{"SLURM_JOB_ID", "7"}, std::pair{"SLURM_STEP_NODELIST", "n1"}})
    environment.set(name, value);
  EXPECT_TRUE(slurm_signs());
  environment.set("PMI_SIZE", "2");
  EXPECT_FALSE(slurm_signs());
}

// Goal: the first host of what Slurm writes; what is no list is refused. Method: the forms of its manual.
TEST(Slurm, ReadsTheFirstHostOfAList) {
  EXPECT_EQ(first_host("n7"), "n7");
  EXPECT_EQ(first_host("a7,b[1-2]"), "a7");
  EXPECT_EQ(first_host("n[03-05,9],a"), "n03");
  EXPECT_EQ(first_host("n[9,11-12]"), "n9");
  EXPECT_EQ(first_host("r[1-2]n[4,6]-ib"), "r1n4-ib");
  for (const char* const wrong : {"", ",", "n[", "n[]", "n[1", "n]"})
    EXPECT_EQ(first_host(wrong), std::nullopt) << wrong;
}

// Goal: the port is in its range, and jobs and steps have different ones, mostly. Method: 1,000 of them.
TEST(Slurm, GivesStepsPortsOfTheirOwn) {
  std::vector<std::uint16_t> ports;
  for (int job = 0; job < 1000; ++job) ports.push_back(port_of_step(text(job), "0"));
  EXPECT_NE(port_of_step("1", "0"), port_of_step("1", "1"));
  std::sort(ports.begin(), ports.end());
  EXPECT_GE(ports.front(), 10000);
  EXPECT_LT(ports.back(), 30000);
  EXPECT_GT(std::unique(ports.begin(), ports.end()) - ports.begin(), 950);
}

// Goal: words of PMI-1's lines. Method: as hydra and Slurm write them; a value with blanks and equal signs; one that is
// part of another.
TEST(Pmi, ReadsWordsOfALine) {
  const std::string line = "cmd=get_result rc=0 msg=success value=a=b c=d";
  EXPECT_EQ(pmi_word(line, "cmd"), "get_result");
  EXPECT_EQ(pmi_word(line, "rc"), "0");
  EXPECT_EQ(pmi_word(line, "value"), "a=b c=d");
  EXPECT_EQ(pmi_word("cmd=set size=4", "size"), "4");
  EXPECT_EQ(pmi_word("cmd=maxes vallen_max=1024", "len_max"), std::nullopt);
  EXPECT_EQ(pmi_word("", "cmd"), std::nullopt);
}

// Goal: one host is told from several. Method: mappings of hydra and Slurm, and what is none.
TEST(Pmi, KnowsAMappingOfOneHost) {
  EXPECT_TRUE(is_mapping_of_one_host("(vector,(0,1,4))"));
  EXPECT_TRUE(is_mapping_of_one_host("(vector,(0,1,1),(0,1,3))"));
  for (const char* const other :
       {"(vector,(0,2,4))", "(vector,(0,1,4),(1,1,4))", "(vector)", "", "(vector,(0,1,4)", "x"})
    EXPECT_FALSE(is_mapping_of_one_host(other)) << other;
}

// A launcher at the other end of PMI_FD that answers each line with the next of `answers`, then closes.
Result<std::unique_ptr<Bootstrap>> make_against(const std::vector<std::string>& answers, bool stays = false) {
  int ends[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  Environment environment;
  environment.set("PMI_FD", text(ends[0]));
  environment.set("PMI_RANK", "1");
  environment.set("PMI_SIZE", "2");
  std::thread launcher([&] {
    char buffer[512];
    for (const std::string& answer : answers) {
      if (::read(ends[1], buffer, sizeof buffer) <= 0) break;
      if (::write(ends[1], answer.data(), answer.size()) < 0) break;
    }
    if (!stays) ::close(ends[1]);
  });
  auto made = make_pmi_bootstrap({{}, {}, {}, second_ns / 5});
  launcher.join();
  if (stays) ::close(ends[1]);
  ::close(ends[0]);
  return made;
}

// Goal: a launcher that vanishes, is silent, refuses or speaks something else is an error that says so, in time.
// Method: a launcher of the test's own.
TEST(Pmi, ALauncherThatFailsIsAnError) {
  EXPECT_THAT(make_against({""}).error().message, HasSubstr("was closed by the launcher"));
  EXPECT_EQ(make_against({""}, true).error().code, Code::deadline);
  EXPECT_THAT(make_against({"cmd=response_to_init rc=-1\n"}, true).error().message,
              HasSubstr("says \"cmd=response_to_init rc=-1\", expected cmd=response_to_init"));
  EXPECT_THAT(make_against({"000018cmd=fullinit;\n"}, true).error().message, HasSubstr("does it speak PMI-1?"));
  EXPECT_THAT(make_against({std::string(5000, 'x')}, true).error().message, HasSubstr("does not end"));
  Environment environment;
  environment.set("PMI_FD", "999");
  environment.set("PMI_RANK", "1");
  environment.set("PMI_SIZE", "2");
  EXPECT_THAT(make_pmi_bootstrap({{}, {}, {}, second_ns}).error().message, HasSubstr("is not at descriptor 999"));
}

// Goal: what rank 0 says comes through whole, fits into every key-value space, and nothing else passes for it. Method:
// the longest address; cut, foreign and empty words; trouble of rank 0.
TEST(Words, ComeThroughWholeOrNotAtAll) {
  Meeting meeting;
  meeting.rendezvous = "[fe80:1111:2222:3333:4444:5555:6666:7777]:65535";
  meeting.secret = random_hex(24);
  const std::string words = encode_words(meeting);
  EXPECT_LE(words.size(), broadcast_bytes_max);
  const auto read = decode_words(words);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read->rendezvous, meeting.rendezvous);
  EXPECT_EQ(read->secret, meeting.secret);
  for (const std::string& wrong : {std::string(), std::string("gossamer-1,"), std::string("gossamer-1,host,"),
                                   std::string("gossamer-2,h:1,s"), words + std::string(300, 'x')})
    EXPECT_FALSE(decode_words(wrong).ok()) << wrong;
  const std::string trouble = encode_trouble({Code::unavailable, text("no port is free", std::string(500, '!'))});
  EXPECT_LE(trouble.size(), broadcast_bytes_max);
  EXPECT_EQ(trouble.find(' '), std::string::npos);
  EXPECT_THAT(decode_words(trouble).error().message, HasSubstr("rank 0 cannot let the others in: no port is free!"));
}

// Goal: an id is what was made, for one session, at the rank that made it. Method: a good one; cut, changed; twice; a
// rank that does not exist.
TEST(UniqueId, IsForOneSession) {
  const auto id = make_unique_id("127.0.0.1", second_ns);
  ASSERT_TRUE(id.ok());
  EXPECT_LT(id->size(), unique_id_bytes);
  EXPECT_FALSE(make_id_bootstrap(id->substr(0, 20), {Rank{1}, 2}).ok());
  EXPECT_FALSE(make_id_bootstrap("", {Rank{1}, 2}).ok());
  EXPECT_FALSE(make_id_bootstrap(*id, {Rank{2}, 2}).ok());
  EXPECT_TRUE(make_id_bootstrap(*id, {Rank{1}, 2}).ok());
  const auto rank_0 = make_id_bootstrap(*id, {Rank{0}, 2});
  ASSERT_TRUE(rank_0.ok());
  EXPECT_GE((*rank_0)->meeting()->listener.value(), 0);
  EXPECT_THAT(make_id_bootstrap(*id, {Rank{0}, 2}).error().message, HasSubstr("a new one for each session"));
}

// All ranks of a job in a folder, each in a thread; what each got.
std::vector<Result<std::string>> meet_in(const std::string& folder, std::uint32_t came, std::uint32_t rank_count,
                                         std::uint64_t timeout_ns) {
  std::vector<std::unique_ptr<Bootstrap>> ranks;
  for (std::uint32_t r = 0; r < came; ++r)
    ranks.push_back(std::move(*make_folder_bootstrap({"a folder", folder, "job/7 x", {r, rank_count, {}, {}}, true})));
  std::vector<std::future<Result<std::string>>> going;
  for (const auto& each : ranks)
    going.push_back(
        std::async(std::launch::async, [&each, timeout_ns] { return each->broadcast("words", timeout_ns); }));
  std::vector<Result<std::string>> out;
  for (auto& each : going) out.push_back(each.get());
  return out;
}

// Goal: words come to all, and nothing is left. Method: 1, 2 and 6 ranks, two sessions one after the other.
TEST(SharedFolder, CarriesWordsAndIsLeftEmpty) {
  for (const std::uint32_t ranks : {1u, 2u, 6u}) {
    const Folder folder;
    for (int session = 0; session < 2; ++session)
      for (const auto& each : meet_in(folder.path(), ranks, ranks, 20 * second_ns)) {
        ASSERT_TRUE(each.ok()) << each.error().message;
        EXPECT_EQ(*each, "words");
      }
    EXPECT_THAT(folder.files(), ::testing::IsEmpty());
  }
}

// Goal: what an earlier job of that name left misleads nobody. Method: its words and hellos, all of them, before the
// new ranks come.
TEST(SharedFolder, IsNotMisledByAnEarlierJob) {
  const Folder folder;
  const std::string stem = text(folder.path(), "/gossamer-job_2f7_20x.0");
  const auto leave = [](const std::string& path, const std::string& content) {
    std::ofstream(path) << content;
    ::chmod(path.c_str(), 0600);
  };
  leave(stem + ".words", "old\n" + random_hex(16) + "\n");
  leave(stem + ".hello.1", random_hex(16));
  leave(stem + ".hello.2", random_hex(16));
  for (const auto& each : meet_in(folder.path(), 3, 3, 20 * second_ns)) {
    ASSERT_TRUE(each.ok()) << each.error().message;
    EXPECT_EQ(*each, "words");
  }
  EXPECT_THAT(folder.files(), ::testing::IsEmpty());
}

// Goal: ranks that do not come are named at the deadline, and files of others are not trusted. Method: two of three; a
// file that all may read in the place of rank 0's.
TEST(SharedFolder, NamesTheMissingAndTrustsNoOpenFile) {
  const Folder folder;
  const auto two = meet_in(folder.path(), 2, 3, second_ns / 2);
  EXPECT_EQ(two[0].error().code, Code::deadline);
  EXPECT_TRUE(two[0].error().message.ends_with(": 2")) << two[0].error().message;
  EXPECT_THAT(folder.files(), ::testing::IsEmpty());
  const Folder other;
  const std::string path = text(other.path(), "/gossamer-open.0.words");
  std::ofstream(path) << "words\n";
  ::chmod(path.c_str(), 0644);
  auto rank_1 = make_folder_bootstrap({"a folder", other.path(), "open", {1, 2, {}, {}}, true});
  EXPECT_THAT((*rank_1)->broadcast({}, second_ns).error().message, HasSubstr("others may read it"));
  EXPECT_FALSE(make_folder_bootstrap({"a folder", path, "open", {1, 2, {}, {}}, true}).ok());
}

}  // namespace
}  // namespace gossamer::runtime

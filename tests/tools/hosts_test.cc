#include "tools/launch/hosts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "temporary_folder.h"

namespace gossamer::tools {
namespace {

using ::testing::HasSubstr;

std::string parsed(const Result<std::vector<HostSlots>>& hosts) {
  return hosts.ok() ? hosts_text(*hosts) : "refused: " + hosts.error().message;
}

// Goal: a list says which hosts, in order, and how many ranks each has. Method: each form, and the same as text again.
TEST(Hosts, AListSaysHowManyRanksEachHas) {
  EXPECT_EQ(parsed(parse_hosts("a:4,b:2")), "a:4,b:2");
  EXPECT_EQ(parsed(parse_hosts("a,b:3,a")), "a:1,b:3,a:1");
  EXPECT_EQ(parsed(parse_hosts("me@node7.cluster:2,10.0.0.7:8")), "me@node7.cluster:2,10.0.0.7:8");
  EXPECT_EQ(parsed(parse_hosts("[fd00::7]:4,fd00::8,[::1]")), "[fd00::7]:4,[fd00::8]:1,[::1]:1");
}

// Goal: what is no list is refused with what was expected, and nothing becomes an option of ssh. Method: each mistake.
TEST(Hosts, AWrongListIsRefused) {
  for (const char* const wrong : {"", "a,", ",a", "a:", "a:0", "a:-1", "a:x", "a:4x", "a:99999999999", ":4",
                                  "-oProxy:2", "[fd00::7:4", "[fd00::7]4", "a b", "a;reboot", "$(x)"}) {
    EXPECT_THAT(parsed(parse_hosts(wrong)), HasSubstr("expected hosts like a:4,b:2")) << wrong;
  }
}

// Goal: hostfiles of Open MPI and of MPICH are read, in their order. Method: both forms, comments and blank lines.
TEST(Hosts, AHostfileHasTheFormsOfBothMPIs) {
  const TemporaryFolder folder;
  std::ofstream(folder / "hosts") << "# the first rack\n\nnode1 slots=4 max_slots=8  # rank 0\n  node2:3\r\nnode3\n"
                                     "node4\tmax-slots=2\tslots=2\nfd00::7 slots=1\n";
  EXPECT_EQ(parsed(read_hostfile(folder / "hosts")), "node1:4,node2:3,node3:1,node4:2,[fd00::7]:1");
}

// Goal: a wrong line is named with its number, and a file that cannot be read with the reason. Method: each mistake in
// the second line.
TEST(Hosts, AWrongLineOfAHostfileIsNamed) {
  const TemporaryFolder folder;
  const std::string path = folder / "hosts";
  for (const char* const wrong :
       {"node2 slots", "node2 slots=", "node2 slots=0", "node2 cpus=4", "node2 4", "node2:x"}) {
    std::ofstream(path) << "node1\n" << wrong << "\n";
    EXPECT_THAT(parsed(read_hostfile(path)), HasSubstr(path + ":2: ")) << wrong;
    EXPECT_THAT(parsed(read_hostfile(path)), HasSubstr("expected \"HOST slots=4\", \"HOST:4\" or \"HOST\"")) << wrong;
  }
  std::ofstream(path) << "# nobody\n";
  EXPECT_THAT(parsed(read_hostfile(path)), HasSubstr("no host"));
  EXPECT_THAT(parsed(read_hostfile(folder / "none")), HasSubstr("No such file"));
  EXPECT_THAT(parsed(read_hostfile(folder.path())), HasSubstr("it is a folder"));
}

// Goal: -n takes the first hosts full, and the rest of the last one. Method: each boundary.
TEST(Hosts, TheFirstRanksFillTheFirstHosts) {
  const std::vector<HostSlots> hosts = {{"a", 4}, {"b", 4}};
  EXPECT_EQ(parsed(take_ranks(hosts, 3)), "a:3");
  EXPECT_EQ(parsed(take_ranks(hosts, 4)), "a:4");
  EXPECT_EQ(parsed(take_ranks(hosts, 5)), "a:4,b:1");
  EXPECT_THAT(parsed(take_ranks(hosts, 9)), HasSubstr("9 ranks, and the hosts have room for 8"));
}

}  // namespace
}  // namespace gossamer::tools

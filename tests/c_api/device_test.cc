// Gradients in device memory through the C interface: real processes, real UCX, the fake device.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include "tests/c_api/peer_group.h"

namespace gossamer::testing {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

constexpr seconds patience{60};

std::string run_to_end(const PeerGroupOptions& options) {
  PeerGroup group(options);
  for (unsigned r = 0; r < options.rank_count; ++r) {
    EXPECT_TRUE(group.wait_for_end(r, patience)) << "rank " << r << " hangs:\n" << group.output(r);
    EXPECT_TRUE(WIFEXITED(group.status(r)) && WEXITSTATUS(group.status(r)) == 0) << "rank " << r << ":\n"
                                                                                 << group.output(r);
  }
  return group.output(0) + group.output(1);
}

PeerGroupOptions options_for(std::vector<std::string> arguments, unsigned rank_count = 3) {
  PeerGroupOptions options;
  options.rank_count = rank_count;
  options.arguments = std::move(arguments);
  options.program = DEVICE_PEER;
  return options;
}

// Goal: ranks with gradients on a device and on the host end with equal weights, whatever the mixture, with progress
// inline and in a thread. Method: every mixture of three ranks, weights compared by hash at the end.
TEST(DeviceMemory, EveryMixtureOfMemoryEndsWithEqualWeights) {
  for (const char* bits : {"0", "1", "6", "7"})
    for (const char* progress : {"1", "2"}) {
      const std::string output = run_to_end(options_for({"--device", bits, "--progress", progress, "--steps", "4"}));
      EXPECT_THAT(output, HasSubstr("done 4"));
      EXPECT_THAT(output, ::testing::Not(HasSubstr("error")));
      EXPECT_THAT(output, HasSubstr("copies under way 0"));
    }
}

// Goal: gradients that the program's stream is still to write are waited for. Method: a stream that writes them only
// for who waits for it; the weights have the bits of ranks on the host.
TEST(DeviceMemory, WorkOfTheProgramsStreamIsWaitedFor) {
  const auto weights_of = [](const std::string& output) {
    const std::size_t at = output.find("weights ");
    return at == std::string::npos ? output : output.substr(at, 24);
  };
  const std::string expected = weights_of(run_to_end(options_for({"--device", "0"}, 2)));
  EXPECT_EQ(expected.size(), 24u) << expected;
  EXPECT_EQ(weights_of(run_to_end(options_for({"--device", "3", "--stream", "1"}, 2))), expected);
}

// Goal: 16-bit cells and a schedule of slices work from device memory, too. Method: bf16 over a ring of four.
TEST(DeviceMemory, TravelsAs16BitsOverARing) {
  EXPECT_THAT(run_to_end(options_for({"--device", "13", "--values", "1", "--schedule", "4"}, 4)), HasSubstr("done 5"));
}

// Goal: NaN on the device of one rank is named everywhere and the next step works; a gradient on the host is refused by
// a compressor on the device. Method: one step of five with NaN on rank 1.
TEST(DeviceMemory, NamesWhatIsNotFiniteAndRefusesOtherMemory) {
  const std::string output = run_to_end(options_for({"--device", "3", "--nan-at", "2"}, 2));
  EXPECT_THAT(output, HasSubstr("not finite: rank 1 index 300005"));
  EXPECT_THAT(output, HasSubstr("done 4"));
  EXPECT_THAT(output, HasSubstr("gradient of tensor \"weights\" is not in fake-device memory"));
}

// Goal: the loss of a rank ends the others, with its name, while copies are under way on them. Method: one of three is
// killed in the middle of many steps.
TEST(DeviceMemory, ALostRankIsNamed) {
  PeerGroup group(options_for({"--device", "7", "--steps", "100000"}));
  ASSERT_TRUE(group.wait_for_line(1, "ready", patience)) << group.output(1);
  group.signal(1, SIGKILL);
  for (const unsigned r : {0u, 2u}) {
    ASSERT_TRUE(group.wait_for_end(r, patience)) << group.output(r);
    EXPECT_THAT(group.output(r), HasSubstr("error GOSSAMER_PEER_LOST"));
    EXPECT_THAT(group.output(r), HasSubstr("rank 1 is lost"));
  }
}

}  // namespace
}  // namespace gossamer::testing

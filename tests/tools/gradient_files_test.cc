#include "tools/train/gradient_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <limits>

#include "temporary_folder.h"

namespace gossamer::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<GradientTensor> tensors = {{"w1", 3, false}, {"b1", 2, true}, {"w2", 1, false}};

void write_file(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

class GradientFiles : public ::testing::Test {
 protected:
  void write(std::uint64_t step, const std::vector<float>& gradient) {
    const Status written = write_gradient(folder_.path(), {step, 7, 4, "gs-sgd", "synthetic"}, tensors, gradient);
    ASSERT_TRUE(written.ok()) << written.error().message;
  }

  // Reading fails with this code and these words.
  void expect_failure(Code code, const std::string& words) {
    const Result<std::vector<NamedVector>> read = read_gradients(folder_.path());
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().code, code);
    EXPECT_THAT(read.error().message, HasSubstr(words));
  }

  TemporaryFolder folder_;
};

// Goal: what was written comes back by ascending step, without the tensors that no sketch sees. Method: steps whose
// order as text is another one.
TEST_F(GradientFiles, ComeBackInOrderWithoutTheirExactTensors) {
  write(10, {1, 2, 3, 4, 5, 6});
  write(9, {-1, -2, -3, -4, -5, -6});
  const Result<std::vector<NamedVector>> read = read_gradients(folder_.path());
  ASSERT_TRUE(read.ok()) << read.error().message;
  ASSERT_EQ(read->size(), 2u);
  EXPECT_EQ((*read)[0].name, "gradient-9");
  EXPECT_THAT((*read)[0].values, ElementsAre(-1, -2, -3, -6));
  EXPECT_THAT((*read)[1].values, ElementsAre(1, 2, 3, 6));
}

// Goal: files that are not what they claim to be are refused with the reason. Method: one defect of each kind.
TEST_F(GradientFiles, DefectsAreNamed) {
  expect_failure(Code::unavailable, "gossamer train --dump-gradients");
  write(1, {1, 2, std::numeric_limits<float>::quiet_NaN(), 4, 5, 6});
  expect_failure(Code::malformed, "NaN or infinity at sketched coordinate 2");
  write_file(folder_ / "gradient-1.f32", "12345");
  expect_failure(Code::malformed, "has 5 bytes; expected 4 for each of 6");
  std::filesystem::remove(folder_ / "gradient-1.f32");
  expect_failure(Code::unavailable, "gradient-1.f32");
  write_file(folder_ / "gradient-1.json", "{\"schema\": \"other/1\"}");
  expect_failure(Code::malformed, "expected gossamer.gradient/1");
  write_file(folder_ / "gradient-1.json", "not JSON");
  expect_failure(Code::malformed, "is not a gradient's description");
  const std::string head = "{\"schema\": \"gossamer.gradient/1\", \"step\": 1, \"dimension\": 4, \"tensors\": ";
  write_file(folder_ / "gradient-1.json", head + "[{\"name\": \"w\", \"count\": -1, \"exact\": false}]}");
  expect_failure(Code::malformed, "count is -1; expected a whole number");
  write_file(folder_ / "gradient-1.json", head + "[{\"name\": \"w\", \"count\": 5, \"exact\": false}]}");
  expect_failure(Code::malformed, "longer than the dimension");
  write_file(folder_ / "gradient-1.json", head + "[{\"name\": \"w\", \"count\": 3, \"exact\": false}]}");
  expect_failure(Code::malformed, "shorter than the dimension");
  write_file(folder_ / "gradient-1.json", head + "[{\"name\": \"w\", \"count\": 4, \"exact\": true}]}");
  write_file(folder_ / "gradient-1.f32", std::string(16, '\0'));
  expect_failure(Code::malformed, "every tensor is exact");
}

// Goal: a handful of steps by default, multiples where asked. Method: all steps of long and of tiny runs.
TEST(DumpSteps, AreSpreadOverTheRunOrMultiples) {
  const auto steps = [](std::uint64_t total, std::uint64_t every) {
    std::vector<std::uint64_t> out;
    for (std::uint64_t step = 1; step <= total; ++step) {
      if (is_dump_step(step, total, every)) out.push_back(step);
    }
    return out;
  };
  EXPECT_THAT(steps(2345, 0), ElementsAre(1, 234, 1172, 2110));
  EXPECT_THAT(steps(20, 0), ElementsAre(1, 2, 10, 18));
  EXPECT_THAT(steps(1, 0), ElementsAre(1));
  EXPECT_THAT(steps(20, 7), ElementsAre(7, 14));
}

}  // namespace
}  // namespace gossamer::tools

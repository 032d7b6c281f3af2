// The conformance suite's fixture, and which of its tests say nothing over which backend.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cluster.h"

namespace gossamer::transport {

struct Skip {
  std::string backend;
  std::string test;  // of any suite over all backends
  std::string reason;
};

// All of them; a test pins their number.
[[nodiscard]] const std::vector<Skip>& all_skips();

// A test of the contract, over one backend. It is skipped, with its reason, only when the table says so.
class OverBackends : public ::testing::TestWithParam<Backend> {
 protected:
  void SetUp() override;
};

// For INSTANTIATE_TEST_SUITE_P.
[[nodiscard]] inline std::string backend_name(const ::testing::TestParamInfo<Backend>& instance) {
  return instance.param.name;
}

}  // namespace gossamer::transport

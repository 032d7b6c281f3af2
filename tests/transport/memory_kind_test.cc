// Memory that a transport cannot move is refused with a sentence, and never touched.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "cluster.h"
#include "tests/support/fake_device.h"

namespace gossamer::transport {
namespace {

using ::testing::HasSubstr;

class MemoryKinds : public ::testing::TestWithParam<Backend> {
 protected:
  [[nodiscard]] static bool moves(Transport& transport, MemoryKind kind) {
    const auto& kinds = transport.capabilities().memory_kinds;
    return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
  }
};

INSTANTIATE_TEST_SUITE_P(, MemoryKinds, ::testing::ValuesIn(all_backends()),
                         [](const auto& instance) { return instance.param.name; });

// Goal: host memory is among the kinds of every transport, and memory of a kind that is not is refused by name when it
// is registered. Method: a block of the fake device, registered as what it is and as CUDA's.
TEST_P(MemoryKinds, WhatCannotBeMovedIsNotRegistered) {
  gossamer::testing::FakeDevice device;
  gossamer::testing::DeviceArray<std::byte> block(device, 4096);
  Cluster cluster(GetParam(), 1);
  EXPECT_TRUE(moves(cluster.at(0), MemoryKind::host));
  EXPECT_FALSE(moves(cluster.at(0), MemoryKind::fake_device));
  for (const MemoryKind kind : {MemoryKind::fake_device, MemoryKind::cuda}) {
    if (moves(cluster.at(0), kind)) continue;
    const auto region = cluster.at(0).register_memory(block.data(), block.size(), kind);
    ASSERT_FALSE(region.ok());
    EXPECT_EQ(region.error().code, Code::unavailable);
    EXPECT_THAT(region.error().message, HasSubstr(text("cannot move ", memory_kind_name(kind))));
  }
}

// Goal: no start reaches memory of such a kind, whatever the caller writes into a region; the debris of it hurts
// nothing. Method: regions that claim it, of the fake device and of the host, of 0, 8 and 1 MiB bytes (a send of the
// last crashes UCX without CUDA when it is told that the memory is CUDA's); then an exchange that works.
TEST_P(MemoryKinds, NoStartTouchesWhatCannotBeMoved) {
  gossamer::testing::FakeDevice device;
  gossamer::testing::DeviceArray<std::byte> block(device, mebibyte);
  Cluster cluster(GetParam(), 2);
  cluster.open(1);
  Block out(cluster.at(0), mebibyte);
  Block in(cluster.at(1), mebibyte);
  for (const MemoryKind kind : {MemoryKind::fake_device, MemoryKind::cuda}) {
    if (moves(cluster.at(0), kind)) continue;
    for (std::byte* const base : {block.data(), out.slice().data()}) {
      for (const std::size_t bytes : {std::size_t{8}, mebibyte}) {
        const Slice slice{{out.slice().region.id, base, mebibyte, kind}, 0, bytes};
        for (const auto& token : {cluster.at(0).start_send(Rank{1}, Tag{1}, slice, 1),
                                  cluster.at(0).start_receive(Rank{1}, Tag{1}, slice, 1)}) {
          ASSERT_FALSE(token.ok());
          EXPECT_EQ(token.error().code, Code::invalid_argument);
          EXPECT_THAT(token.error().message, HasSubstr(text("as ", memory_kind_name(kind), " memory")));
        }
      }
    }
  }
  // Nothing of nowhere is fine, of whatever kind.
  ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{2}, {{0, nullptr, 0, MemoryKind::cuda}, 0, 0}, 3).ok());
  ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{2}, in.slice(0, 8), 4).ok());
  EXPECT_EQ(cluster.await(1, 4).bytes, 0u);
  EXPECT_EQ(cluster.await(0, 3).code, Code::done);
  out.fill(3);
  ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{1}, out.slice(), 1).ok());
  ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{1}, in.slice(), 2).ok());
  EXPECT_EQ(cluster.await(1, 2).code, Code::done);
  EXPECT_EQ(cluster.await(0, 1).code, Code::done);
  EXPECT_TRUE(in.holds(3, mebibyte));
  EXPECT_EQ(cluster.left_over(0) + cluster.left_over(1), 0u);
}

}  // namespace
}  // namespace gossamer::transport

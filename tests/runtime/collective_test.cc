#include "runtime/engine/collective.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/engine/tag.h"

namespace gossamer::runtime {
namespace {

// Goal: the fields of a tag do not touch each other. Method: each field at its largest, alone.
TEST(TagLayout, FieldsDoNotOverlap) {
  const std::uint64_t view = make_tag({.view = Epoch{0xfff}}).value;
  const std::uint64_t plan = make_tag({.plan = 0xfff}).value;
  const std::uint64_t sequence = make_tag({.sequence = 0xffff}).value;
  const std::uint64_t message = make_tag({.message = 0xfff}).value;
  const std::uint64_t source = make_tag({.source = Rank{0xfff}}).value;
  EXPECT_EQ(view ^ plan ^ sequence ^ message ^ source, ~std::uint64_t{0});
  EXPECT_EQ(view + plan + sequence + message + source, ~std::uint64_t{0});
}

// Goal: view and sequence wrap, as the rule says. Method: one past the end.
TEST(TagLayout, ViewAndSequenceWrap) {
  EXPECT_EQ(make_tag({.view = Epoch{0x1000}}), make_tag({.view = Epoch{0}}));
  EXPECT_EQ(make_tag({.sequence = 0x10000}), make_tag({.sequence = 0}));
}

// Goal: a transfer's id survives the transport. Method: round trip.
TEST(TransferIdentity, SurvivesPacking) {
  const TransferId id{4095, 65535, 255, 65534};
  const TransferId back = TransferId::unpack(id.pack());
  EXPECT_EQ(back.plan, id.plan);
  EXPECT_EQ(back.sequence, id.sequence);
  EXPECT_EQ(back.stage, id.stage);
  EXPECT_EQ(back.index, id.index);
}

// Goal: a message of the wrong length is malformed and says from whom, what, and both lengths. Method: a
// two-rank exchange whose receive brings too little.
TEST(CollectiveRunTest, RefusesAMessageOfTheWrongLength) {
  std::vector<std::byte> memory(1024);
  Stage stage;
  stage.label = "sketch";
  stage.schedule = {topology::ScheduleKind::butterfly, topology::Collective::all_reduce, 2, {}};
  stage.bytes_max = 256;
  stage.buffer = memory.data();
  CollectiveRun::MessageCounts counts;
  auto run = CollectiveRun::make({.epoch = Epoch{1}, .rank = Rank{0}}, stage, counts);
  ASSERT_TRUE(run.ok());
  run->bind({1, memory.data(), 512}, {2, memory.data() + 512, 512});
  run->begin(1, {{64, 0}, 0});
  std::vector<Action> actions;
  ASSERT_FALSE(run->advance(actions));
  ASSERT_EQ(actions.size(), 2u);
  for (const Action& action : actions) {
    if (action.kind != ActionKind::receive) continue;
    const Status status = run->transferred(TransferId::unpack(action.context).index, 17);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::malformed);
    EXPECT_THAT(status.error().message,
                ::testing::AllOf(::testing::HasSubstr("rank 1"), ::testing::HasSubstr("17 B"),
                                 ::testing::HasSubstr("256 B"), ::testing::HasSubstr("sketch")));
  }
}

// Goal: a schedule that needs more messages than a tag counts is refused when it is made. Method: parts of
// 4,200 ranks over a ring.
TEST(CollectiveRunTest, RefusesMoreMessagesThanATagCounts) {
  std::byte memory{};
  Stage stage;
  stage.label = "indices";
  stage.concatenating = true;
  stage.schedule = {topology::ScheduleKind::ring, topology::Collective::all_gather, 4200, {}};
  stage.bytes_max = 1;
  stage.buffer = &memory;
  CollectiveRun::MessageCounts counts;
  const auto run = CollectiveRun::make({.epoch = Epoch{1}, .rank = Rank{0}}, stage, counts);
  ASSERT_FALSE(run.ok());
  EXPECT_THAT(run.error().message, ::testing::HasSubstr("tag"));
}

}  // namespace
}  // namespace gossamer::runtime

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
  stage.schedule = topology::make_rank_schedule(
                       {topology::ScheduleKind::butterfly, topology::Collective::all_reduce, 2, {}}, Rank{0})
                       .value();
  stage.bytes_max = 256;
  stage.buffer = memory.data();
  CollectiveRun::MessageCounts counts;
  auto run = CollectiveRun::make({.epoch = Epoch{1}, .rank = Rank{0}}, stage, counts);
  ASSERT_TRUE(run.ok());
  run->bind({1, memory.data(), 512}, {2, memory.data() + 512, 512});
  run->begin(1, {sketch::PayloadShape{64, 0}, 0});
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
  stage.schedule =
      topology::make_rank_schedule({topology::ScheduleKind::ring, topology::Collective::all_gather, 4200, {}}, Rank{0})
          .value();
  stage.bytes_max = 1;
  stage.buffer = &memory;
  CollectiveRun::MessageCounts counts;
  const auto run = CollectiveRun::make({.epoch = Epoch{1}, .rank = Rank{0}}, stage, counts);
  ASSERT_FALSE(run.ok());
  EXPECT_EQ(run.error().message,
            "the ring of \"indices\" in 4200 slices needs more messages between two ranks than a tag can count (4096): "
            "choose another schedule");
}

// Goal: a run knows nothing but the program that its stage carries: who sends what where, in which place a part lands,
// and the words for it. Method: an exchange with two neighbours that no schedule of the catalogue has, in places of
// this rank's own choice: its part in slice 0, those of ranks 7 and 9 behind it.
TEST(CollectiveRunTest, RunsWhateverProgramItsStageCarries) {
  using topology::StepKind;
  constexpr std::uint64_t stride = part_stride(100);
  std::vector<std::byte> memory(3 * stride);
  Stage stage;
  stage.label = "model";
  stage.schedule.name = "neighbours";
  stage.schedule.slice_count = 3;
  stage.schedule.own_slice = 0;
  stage.schedule.moving = "neighbour exchange";
  stage.schedule.program.rounds = {{{{StepKind::send, Rank{7}, {0, 1}},
                                     {StepKind::send, Rank{9}, {0, 1}},
                                     {StepKind::receive, Rank{7}, {1, 1}},
                                     {StepKind::receive, Rank{9}, {2, 1}}}}};
  stage.concatenating = true;
  stage.bytes_max = 100;
  stage.buffer = memory.data();
  ASSERT_EQ(stage.buffer_bytes(), memory.size());
  CollectiveRun::MessageCounts counts;
  auto run = CollectiveRun::make({.epoch = Epoch{1}, .rank = Rank{8}}, stage, counts);
  ASSERT_TRUE(run.ok());
  run->bind({1, memory.data(), memory.size()}, {});
  run->begin(1, {{}, 60});
  std::vector<Action> actions;
  ASSERT_FALSE(run->advance(actions));
  ASSERT_EQ(actions.size(), 4u);
  EXPECT_EQ(run->bytes_sent(), 120u);
  for (const Action& action : actions) {
    const bool is_send = action.kind == ActionKind::send;
    EXPECT_EQ(action.slice.offset, is_send ? 0 : action.peer == Rank{7} ? stride : 2 * stride);
    EXPECT_EQ(action.slice.bytes, is_send ? 60u : 100u);
    EXPECT_EQ(action.tag, make_tag({.view = Epoch{1}, .sequence = 1, .source = is_send ? Rank{8} : action.peer}));
    EXPECT_TRUE(run->waits_for(action.peer));
  }
  EXPECT_EQ(run->wait()->what, "model neighbour exchange slice 1");
  for (const Action& action : actions)
    ASSERT_TRUE(run->transferred(TransferId::unpack(action.context).index, action.peer == Rank{7} ? 33 : 44).ok());
  EXPECT_TRUE(run->advance(actions));
  EXPECT_THAT(std::vector(run->part_bytes().begin(), run->part_bytes().end()), ::testing::ElementsAre(60u, 33u, 44u));
}

// A neighbour exchange of two rounds: rank 8 sends to 7 and takes from 9, then the other way round.
Stage two_phases(std::byte* buffer) {
  using topology::StepKind;
  Stage stage;
  stage.label = "model";
  stage.schedule.name = "neighbours";
  stage.schedule.slice_count = 2;
  stage.schedule.moving = "neighbour exchange";
  stage.schedule.program.rounds = {{{{StepKind::send, Rank{7}, {0, 1}}, {StepKind::receive, Rank{9}, {1, 1}}}},
                                   {{{StepKind::send, Rank{9}, {0, 1}}, {StepKind::receive, Rank{7}, {1, 1}}}}};
  stage.concatenating = true;
  stage.phased = true;
  stage.may_miss = true;
  stage.bytes_max = 100;
  stage.buffer = buffer;
  return stage;
}

// Goal: an operation runs the round that it names and no other, and messages of later stages are numbered alike on both
// sides, whichever rounds there are: a phase does not count on from the one before. Method: two phased stages in a
// plan; tags of the first and the second.
TEST(CollectiveRunTest, RunsOnePhaseAnOperation) {
  std::vector<std::byte> memory(2 * part_stride(100));
  const Stage stage = two_phases(memory.data());
  CollectiveRun::MessageCounts counts;
  std::vector<CollectiveRun> runs;
  for (std::uint32_t i = 0; i < 2; ++i) {
    runs.push_back(CollectiveRun::make({.epoch = Epoch{1}, .rank = Rank{8}, .stage = i}, stage, counts).value());
    runs.back().bind({1, memory.data(), memory.size()}, {});
  }
  EXPECT_EQ(counts.size(), 4u);
  for (const auto& [pair, messages] : counts) EXPECT_EQ(messages, 2u) << pair.first;
  EXPECT_EQ(runs[0].actions_max(), 2u);
  for (const std::uint32_t phase : {1u, 0u, 1u}) {
    for (std::uint32_t message = 0; message < 2; ++message) {
      CollectiveRun& run = runs[message];
      run.begin(5, {.own_bytes = 60, .phase = phase});
      std::vector<Action> actions;
      ASSERT_FALSE(run.advance(actions));
      ASSERT_EQ(actions.size(), 2u);
      for (const Action& action : actions) {
        const bool is_send = action.kind == ActionKind::send;
        EXPECT_EQ(action.peer, Rank{is_send == (phase == 0) ? 7u : 9u});
        EXPECT_EQ(
            action.tag,
            make_tag({.view = Epoch{1}, .sequence = 5, .message = message, .source = is_send ? Rank{8} : action.peer}));
        ASSERT_TRUE(run.transferred(TransferId::unpack(action.context).index, 60).ok());
      }
      EXPECT_TRUE(run.advance(actions));
    }
  }
}

// Goal: a part stays away only where its rank is known to be lost: a connection that breaks is waited for until then,
// and said so; later operations leave the lost one out. Method: a break, then the loss; an operation after it.
TEST(CollectiveRunTest, MissesWhoIsLostAndNobodyElse) {
  std::vector<std::byte> memory(2 * part_stride(100));
  CollectiveRun::MessageCounts counts;
  auto run = CollectiveRun::make({.epoch = Epoch{1}, .rank = Rank{8}}, two_phases(memory.data()), counts).value();
  run.bind({1, memory.data(), memory.size()}, {});
  run.begin(1, {.own_bytes = 60, .phase = 0});
  std::vector<Action> actions;
  ASSERT_FALSE(run.advance(actions));
  for (const Action& action : actions) {
    const std::uint32_t index = TransferId::unpack(action.context).index;
    if (action.kind == ActionKind::send)
      ASSERT_TRUE(run.transferred(index, 60).ok());
    else
      ASSERT_TRUE(run.missed(index));
  }
  EXPECT_FALSE(run.advance(actions));
  EXPECT_TRUE(run.waits_for(Rank{9}));
  EXPECT_EQ(run.wait()->what,
            "model neighbour exchange slice 1 (the connection broke; the rank is not known to be lost)");
  run.lose(Rank{9});
  EXPECT_TRUE(run.advance(actions));
  EXPECT_THAT(std::vector(run.part_bytes().begin(), run.part_bytes().end()), ::testing::ElementsAre(60u, 0u));

  run.begin(2, {.own_bytes = 60, .phase = 1});
  actions.clear();
  ASSERT_FALSE(run.advance(actions));
  ASSERT_EQ(actions.size(), 1u);
  EXPECT_EQ(actions[0].peer, Rank{7});
  EXPECT_EQ(actions[0].kind, ActionKind::receive);
}

}  // namespace
}  // namespace gossamer::runtime

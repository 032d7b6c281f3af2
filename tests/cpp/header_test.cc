// gossamer.hpp over functions of C that only take notes: which it calls, and that no mistake reaches one with a dead
// handle.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <gossamer.hpp>
#include <string>
#include <type_traits>
#include <vector>

#include "tests/cpp/recorded_c_api.h"
#include "tests/support/allocations.h"

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Header : public ::testing::Test {
 protected:
  Header() { (void)recorded::take(); }
};

// The call must be refused before it reaches C.
template <typename Call>
void expect_refused(Call call, const char* words) {
  (void)recorded::take();
  try {
    call();
    ADD_FAILURE() << "nothing was thrown; expected " << words;
  } catch (const gossamer::Exception& exception) {
    EXPECT_EQ(exception.status(), GOSSAMER_INVALID_ARGUMENT);
    EXPECT_THAT(exception.error().message(), HasSubstr(words));
  }
  EXPECT_THAT(recorded::take(), IsEmpty());
}

// Goal: no cost over C. Method: the calls of a step, and its allocations, in C and in both policies.
TEST_F(Header, AStepMakesTheCallsOfCAndAllocatesNothing) {
  const std::vector<std::string> in_c = {"compress", "reduce", "test", "wait", "recover", "apply", "start", "wait"};
  std::vector<float> weights(3), gradient(3);
  {
    auto session = gossamer::Session::init();
    auto compressor = session.make_compressor({{"weights", 3, 0}});
    auto collective = session.make_all_reduce(weights, gossamer::Op::sum);
    (void)recorded::take();
    const std::size_t before = gossamer::testing::allocation_count();
    compressor.compress(gradient);
    auto operation = compressor.reduce();
    const bool ended = operation.test();
    operation.wait();
    compressor.recover().apply(-1.0f, weights);
    collective.start().wait();
    EXPECT_EQ(gossamer::testing::allocation_count(), before);
    EXPECT_TRUE(ended);
    EXPECT_EQ(recorded::take(), in_c);
  }
  auto session = gossamer::results::Session::init();
  auto compressor = session->make_compressor({{"weights", 3, 0}});
  auto collective = session->make_all_reduce(weights, gossamer::Op::sum);
  (void)recorded::take();
  const std::size_t before = gossamer::testing::allocation_count();
  bool well = compressor->compress(gradient).ok();
  auto operation = compressor->reduce();
  well = well && *operation->test() && operation->wait().ok();
  well = well && compressor->recover()->apply(-1.0f, weights).ok();
  well = well && collective->start()->wait().ok();
  EXPECT_EQ(gossamer::testing::allocation_count(), before);
  EXPECT_TRUE(well);
  EXPECT_EQ(recorded::take(), in_c);
}

// Goal: elements have the type that C calls them by. Method: one of each.
TEST_F(Header, VectorsAreTyped) {
  auto session = gossamer::Session::init();
  (void)recorded::take();
  std::vector<float> f32(1);
  std::array<double, 2> f64{};
  std::int64_t i64[3] = {};
  long long ll[3] = {};
  std::vector<std::byte> u8(4);
  std::vector<signed char> i8(5);
  std::vector<std::int32_t> i32(6);
  std::vector<gossamer::Bf16> bf16(7);
  std::vector<gossamer::F16> f16(8);
  session.all_reduce(f32, gossamer::Op::sum);
  session.all_reduce(f64, gossamer::Op::min);
  session.all_reduce(i64, gossamer::Op::max);
  session.all_reduce(ll, gossamer::Op::sum);
  session.all_reduce(u8, gossamer::Op::bit_or);
  session.all_reduce(i8, gossamer::Op::sum);
  session.all_reduce(gossamer::Span<std::int32_t>(i32), gossamer::Op::sum);
  session.all_reduce(bf16, gossamer::Op::mean);
  session.all_reduce(f16, gossamer::Op::mean);
  EXPECT_THAT(
      recorded::take(),
      ElementsAre("all_reduce 1 of type 0, op 0", "all_reduce 2 of type 1, op 1", "all_reduce 3 of type 6, op 2",
                  "all_reduce 3 of type 6, op 0", "all_reduce 4 of type 7, op 4", "all_reduce 5 of type 4, op 0",
                  "all_reduce 6 of type 5, op 0", "all_reduce 7 of type 2, op 3", "all_reduce 8 of type 3, op 3"));
}

// Goal: the two policies say the same. Method: one failure each.
TEST_F(Header, AnErrorIsAnExceptionOrAResult) {
  auto session = gossamer::Session::init();
  recorded::next_status = GOSSAMER_PEER_LOST;
  try {
    session.barrier();
    FAIL() << "nothing was thrown";
  } catch (const gossamer::Exception& exception) {
    EXPECT_STREQ(exception.what(), "LOST: the sentence");
    EXPECT_EQ(exception.error().rank(), 5);
    EXPECT_EQ(exception.error().index(), 7);
  }
  auto reporting = gossamer::results::Session::init();
  recorded::next_status = GOSSAMER_PEER_LOST;
  const auto done = reporting->barrier();
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.status(), GOSSAMER_PEER_LOST);
  EXPECT_EQ(done.error().message(), "the sentence");
  EXPECT_EQ(done.error().rank(), 5);
  EXPECT_EQ(done.error().index(), 7);
  recorded::next_status = GOSSAMER_DEADLINE;
  EXPECT_EQ(gossamer::results::Session::init().status(), GOSSAMER_DEADLINE);
}

// Goal: an operation that has not ended is no error. Method: one that is asked early.
TEST_F(Header, PendingIsNotYet) {
  auto session = gossamer::Session::init();
  auto compressor = session.make_compressor({{"weights", 3, 0}});
  auto operation = compressor.reduce();
  recorded::next_status = GOSSAMER_PENDING;
  EXPECT_FALSE(operation.test());
  EXPECT_TRUE(operation.test());
}

// Goal: the session may end before what it made. Method: it does, and each is used afterwards; nothing reaches C.
TEST_F(Header, WhatOutlivesItsSessionIsRefusedAndNotDestroyedTwice) {
  auto session = std::make_unique<gossamer::Session>(gossamer::Session::init());
  std::vector<float> weights(3);
  auto compressor = session->make_compressor({{"weights", 3, 0}});
  auto collective = session->make_all_reduce(weights, gossamer::Op::sum);
  auto group = session->make_group({0});
  auto memory = session->allocate<double>(4);
  auto operation = compressor.reduce();
  auto update = compressor.recover();
  EXPECT_EQ(memory.size(), 4u);
  (void)recorded::take();
  session.reset();
  EXPECT_THAT(recorded::take(), ElementsAre("finalize"));
  EXPECT_EQ(memory.size(), 0u);
  EXPECT_EQ(memory.data(), nullptr);
  EXPECT_TRUE(update.values().empty());
  expect_refused([&] { compressor.compress(weights); }, "compressor is over");
  expect_refused([&] { (void)compressor.reduce(); }, "compressor is over");
  expect_refused([&] { (void)collective.start(); }, "collective is over");
  expect_refused([&] { operation.wait(); }, "operation is over");
  expect_refused([&] { update.apply(1.0f, weights); }, "update is over");
  auto other = gossamer::Session::init();
  gossamer::Place place;
  place.group = &group;
  expect_refused([&] { (void)other.make_barrier(place); }, "group is over");
  {
    const auto gone = std::move(compressor);
    const auto gone_too = std::move(collective);
    const auto gone_group = std::move(group);
    const auto gone_memory = std::move(memory);
  }
  // Handles outlive the session; its memory does not.
  EXPECT_THAT(recorded::take(), ElementsAre("group_destroy", "collective_destroy", "compressor_destroy"));
}

// Goal: handles of C that were freed are never used. Method: operations and updates after their maker, or its next
// start.
TEST_F(Header, OperationsAndUpdatesEndWithTheNextStart) {
  auto session = gossamer::Session::init();
  std::vector<float> weights(3);
  auto compressor = std::make_unique<gossamer::Compressor>(session.make_compressor({{"weights", 3, 0}}));
  auto first = compressor->reduce();
  first.wait();
  auto update = compressor->recover();
  auto second = compressor->reduce();
  expect_refused([&] { first.wait(); }, "operation is over");
  expect_refused([&] { update.apply(1.0f, weights); }, "update is over");
  second.wait();
  auto moved = std::move(second);
  moved.wait();
  expect_refused([&] { second.wait(); }, "operation is over");  // NOLINT: moved from on purpose
  compressor.reset();
  EXPECT_THAT(recorded::take(), ElementsAre("compressor_destroy"));
  expect_refused([&] { moved.wait(); }, "operation is over");
}

// Goal: each object ends once. Method: moved, moved over another, moved to itself.
TEST_F(Header, MovesEndWhatTheyReplace) {
  static_assert(!std::is_copy_constructible_v<gossamer::Session> &&
                std::is_nothrow_move_constructible_v<gossamer::Session>);
  static_assert(!std::is_copy_constructible_v<gossamer::Operation> &&
                !std::is_copy_constructible_v<gossamer::Compressor>);
  {
    auto a = gossamer::Session::init();
    auto b = gossamer::Session::init();
    auto first = a.make_compressor({{"weights", 3, 0}});
    auto second = a.make_compressor({{"weights", 3, 0}});
    (void)recorded::take();
    first = std::move(second);
    EXPECT_THAT(recorded::take(), ElementsAre("compressor_destroy"));
    auto& same = a;
    a = std::move(same);
    EXPECT_EQ(a.rank(), 0);
    EXPECT_THAT(recorded::take(), IsEmpty());
    b = std::move(a);
    EXPECT_THAT(recorded::take(), ElementsAre("finalize"));
    EXPECT_EQ(a.rank(), -1);  // NOLINT: moved from on purpose
    first.compress(std::vector<float>(3));
  }
  EXPECT_THAT(recorded::take(), ElementsAre("compress", "compressor_destroy", "finalize"));
}

// Goal: lengths are those of the tensors. Method: too few, too short.
TEST_F(Header, GradientsAndWeightsHaveTheLengthsOfTheTensors) {
  auto session = gossamer::Session::init();
  auto compressor = session.make_compressor({{"weights", 3, 0}, {"bias", 2, 1}});
  std::vector<float> three(3), two(2);
  expect_refused([&] { compressor.compress(three); }, "one gradient for each tensor");
  expect_refused([&] { compressor.compress(two, two); }, "not as many elements");
  compressor.compress(three, two);
  compressor.compress_each(std::vector<std::vector<float>>{three, two});
  auto operation = compressor.reduce();
  auto update = compressor.recover();
  expect_refused([&] { update.apply(1.0f, three); }, "one vector of weights for each tensor");
  expect_refused([&] { update.apply(1.0f, three, three); }, "not as many elements");
  std::vector<gossamer::Span<float>> all{three, two};
  update.apply_each(1.0f, all);
  EXPECT_THAT(recorded::take(), ElementsAre("apply"));
  expect_refused([&] { (void)session.make_all_reduce_into(two, three, gossamer::Op::sum); }, "as many elements");
}

// Goal: a checkpoint, a report and completions cost what they cost in C. Method: one of each.
TEST_F(Header, StatesReportsAndCompletionsAreCallsOfC) {
  auto session = gossamer::Session::init();
  auto compressor = session.make_compressor({{"weights", 3, 0}});
  (void)recorded::take();
  const auto state = compressor.save();
  EXPECT_EQ(state.size(), 3u);
  compressor.save_file("state");
  compressor.load(state);
  compressor.load_files(std::vector<const char*>{"state"}, true);
  auto operation = compressor.reduce();
  operation.on_complete([](void*, std::int32_t) {}, nullptr);
  operation.notify(3);
  EXPECT_EQ(session.report(), "{}");
  session.abort();
  EXPECT_THAT(recorded::take(), ElementsAre("state_size", "save", "save_file", "load", "load_files", "reduce",
                                            "on_complete", "notify", "report", "abort"));
}

// Goal: memory is freed after the collectives on it, in whichever order they end. Method: it ends first.
TEST_F(Header, ACollectiveKeepsItsMemory) {
  auto session = gossamer::Session::init();
  {
    auto memory = std::make_unique<gossamer::Memory<float>>(session.allocate<float>(8));
    auto collective = session.make_all_reduce(*memory, gossamer::Op::sum);
    (void)recorded::take();
    memory.reset();
    EXPECT_THAT(recorded::take(), IsEmpty());
  }
  EXPECT_THAT(recorded::take(), ElementsAre("collective_destroy", "free"));
}

// Goal: the library never writes to a vector that is gone. Method: after PEER_LOST, seen or not, a collective ends: on
// the program's vector it ends the session; on the session's memory that stays until the session's end.
TEST_F(Header, ALostPeersCollectiveNeverWritesToVectorsThatAreGone) {
  for (const bool seen : {true, false}) {
    auto session = gossamer::Session::init();
    {
      std::vector<float> vector(8);
      auto memory = session.allocate<float>(8);
      auto on_memory = session.make_all_reduce(memory, gossamer::Op::sum);
      auto on_vector = session.make_all_reduce(vector, gossamer::Op::sum);
      (void)recorded::take();
      for (auto* collective : {&on_memory, &on_vector}) {
        auto operation = collective->start();
        if (!seen) continue;
        recorded::next_status = GOSSAMER_PEER_LOST;
        EXPECT_THROW(operation.wait(), gossamer::Exception);
      }
      (void)recorded::take();
      if (!seen) recorded::next_status = GOSSAMER_PEER_LOST;  // what the test before the end says
    }
    if (seen) {
      EXPECT_THAT(recorded::take(), ElementsAre("collective_destroy", "finalize", "collective_destroy"));
    } else {
      EXPECT_THAT(recorded::take(), ElementsAre("test", "collective_destroy", "finalize", "collective_destroy"));
    }
    EXPECT_EQ(session.rank(), -1);
  }
  auto session = gossamer::Session::init();
  {
    auto memory = session.allocate<float>(8);
    auto collective = session.make_all_reduce(memory, gossamer::Op::sum);
    auto operation = collective.start();
    recorded::next_status = GOSSAMER_PEER_LOST;
    EXPECT_THROW(operation.wait(), gossamer::Exception);
    (void)recorded::take();
  }
  EXPECT_THAT(recorded::take(), ElementsAre("collective_destroy"));
}

}  // namespace

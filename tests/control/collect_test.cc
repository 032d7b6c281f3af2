// Rank 0's judgement and the words it uses, without a network.
#include "runtime/control/collect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "runtime/control/address.h"
#include "runtime/control/fields.h"
#include "runtime/control/verdict_reader.h"
#include "runtime/control/watchers.h"

namespace gossamer::runtime {
namespace {

using testing::HasSubstr;

wire::Collect part(std::uint64_t sequence, const std::string& subject, const std::string& columns = "64",
                   std::uint64_t deadline_ns = 1000) {
  wire::Collect out;
  out.set_sequence(sequence);
  out.set_subject(subject);
  out.set_deadline_ns(deadline_ns);
  wire::Field* field = out.add_fields();
  field->set_name("columns");
  field->set_value(columns);
  return out;
}

// Goal: nobody hears a verdict before all came, then all hear the same. Method: three parts.
TEST(Collector, VerdictGoesToAllWhenTheLastCame) {
  Collector collector(3);
  EXPECT_TRUE(collector.add(Rank{2}, part(0, "plan"), 0)->empty());
  EXPECT_TRUE(collector.add(Rank{0}, part(0, "plan"), 0)->empty());
  const auto answers = collector.add(Rank{1}, part(0, "plan"), 0);
  ASSERT_TRUE(answers.ok());
  ASSERT_EQ(answers->size(), 3u);
  for (std::uint32_t rank = 0; rank < 3; ++rank) {
    EXPECT_EQ((*answers)[rank].to, Rank{rank});
    EXPECT_EQ((*answers)[rank].verdict.code(), 0);
  }
  EXPECT_FALSE(collector.next_deadline_ns().has_value());
}

// Goal: the earliest deadline ends the wait, late ones hear the same, and the next collective is sound.
// Method: two of three come with deadlines 1000 and 400; the third comes after the verdict.
TEST(Collector, LateRankHearsTheSameDeadlineAndStaysInStep) {
  Collector collector(3);
  ASSERT_TRUE(collector.add(Rank{0}, part(0, "plan \"a\""), 0).ok());
  ASSERT_TRUE(collector.add(Rank{1}, part(0, "plan \"a\"", "64", 400), 100).ok());
  EXPECT_EQ(collector.next_deadline_ns(), 500u);
  EXPECT_TRUE(collector.expire(499).empty());
  const auto expired = collector.expire(500);
  ASSERT_EQ(expired.size(), 2u);
  EXPECT_EQ(expired[0].verdict.message(), "plan \"a\": rank 2 of 3 did not come within 400 ns");
  const auto late = collector.add(Rank{2}, part(0, "plan \"a\""), 9999);
  ASSERT_EQ(late->size(), 1u);
  EXPECT_EQ((*late)[0].to, Rank{2});
  EXPECT_EQ((*late)[0].verdict.message(), expired[0].verdict.message());
  ASSERT_TRUE(collector.add(Rank{0}, part(1, "next"), 0).ok());
  ASSERT_TRUE(collector.add(Rank{1}, part(1, "next"), 0).ok());
  EXPECT_EQ(collector.add(Rank{2}, part(1, "next"), 0)->size(), 3u);
}

// Goal: a peer that left does not spoil what it had finished. Method: it leaves after giving its part of
// collective 0; 0 succeeds, 1 fails at once and names it.
TEST(Collector, OneThatLeftFailsOnlyWhatItHadNotComeTo) {
  Collector collector(3);
  ASSERT_TRUE(collector.add(Rank{1}, part(0, "plan"), 0).ok());
  EXPECT_TRUE(collector.lose({Rank{1}, "it left the session", true}).empty());
  ASSERT_TRUE(collector.add(Rank{0}, part(0, "plan"), 0).ok());
  const auto whole = collector.add(Rank{2}, part(0, "plan"), 0);
  ASSERT_EQ(whole->size(), 3u);
  EXPECT_EQ((*whole)[0].verdict.code(), 0);
  const auto next = collector.add(Rank{0}, part(1, "next"), 0);
  ASSERT_EQ(next->size(), 1u);
  const Error error = error_of((*next)[0].verdict);
  EXPECT_EQ(error.code, Code::peer_lost);
  EXPECT_EQ(error.rank, Rank{1});
  EXPECT_EQ(error.message, "next: rank 1 is lost: it left the session");
}

// Goal: a death fails whatever is open, whoever had come. Method: the dead one had given its part.
TEST(Collector, DeathFailsWhatIsOpen) {
  Collector collector(3);
  ASSERT_TRUE(collector.add(Rank{1}, part(0, "plan"), 0).ok());
  ASSERT_TRUE(collector.add(Rank{2}, part(0, "plan"), 0).ok());
  const auto answers = collector.lose({Rank{1}, "its process ended (connection reset)"});
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(error_of(answers[1].verdict).rank, Rank{1});
}

// Goal: a rank that cannot take part as it should fails the collective on all, with its rank and words: a mismatch
// where it was called wrongly, its own code otherwise; even where it does not know what the collective is called.
// Method: rank 1 of three with trouble; then all are in step.
TEST(Collector, TroubleOfOneRankIsToldToAll) {
  struct Case {
    Error trouble;
    Code code;
    const char* words;
  };
  for (const Case& each : {Case{{Code::invalid_argument, "rows is 2"}, Code::mismatch, "was called wrongly: rows is 2"},
                           Case{{Code::out_of_resources, "no memory"}, Code::out_of_resources, "failed: no memory"}}) {
    Collector collector(3);
    wire::Collect troubled = part(0, "other");
    set_error(*troubled.mutable_trouble(), each.trouble);
    ASSERT_TRUE(collector.add(Rank{1}, std::move(troubled), 0)->empty());
    ASSERT_TRUE(collector.add(Rank{0}, part(0, "plan"), 0)->empty());
    const auto answers = collector.add(Rank{2}, part(0, "plan"), 0);
    ASSERT_EQ(answers->size(), 3u);
    const Error error = error_of((*answers)[2].verdict);
    EXPECT_EQ(error.code, each.code);
    EXPECT_EQ(error.rank, Rank{1});
    EXPECT_EQ(error.message, text("other: rank 1 ", each.words));
    for (std::uint32_t rank = 0; rank < 3; ++rank) ASSERT_TRUE(collector.add(Rank{rank}, part(1, "next"), 0).ok());
  }
}

// Goal: an agreement brings blobs along, in rank order, and none where none were given. Method: one rank gives one.
TEST(Collector, AgreementBringsBlobsAlong) {
  Collector collector(2);
  wire::Collect with = part(0, "plan");
  with.set_blob("abc");
  ASSERT_TRUE(collector.add(Rank{1}, std::move(with), 0).ok());
  const auto answers = collector.add(Rank{0}, part(0, "plan"), 0);
  ASSERT_EQ((*answers)[0].verdict.blobs_size(), 2);
  EXPECT_EQ((*answers)[0].verdict.blobs(0), "");
  EXPECT_EQ((*answers)[0].verdict.blobs(1), "abc");
  ASSERT_TRUE(collector.add(Rank{0}, part(1, "plan"), 0).ok());
  EXPECT_EQ((*collector.add(Rank{1}, part(1, "plan"), 0))[0].verdict.blobs_size(), 0);
}

// Goal: blobs that are too many for one frame come in several that all members share, in the order of the ranks, each
// small enough to send. Method: 100 ranks, each with another number of bytes, one of them with as many as a part may
// have.
TEST(Collector, BlobsBeyondAFrameComeInSharedFrames) {
  constexpr std::uint32_t ranks = 100;
  const auto blob_of = [](std::uint32_t rank) {
    return std::string(rank == 7 ? part_bytes_max - 1000 : rank * 100, static_cast<char>('a' + rank % 26));
  };
  Collector collector(ranks);
  std::vector<Answer> answers;
  for (std::uint32_t rank = 0; rank < ranks; ++rank) {
    wire::Collect with = part(0, "addresses");
    with.set_kind(wire::Collect::ALL_GATHER);
    with.set_blob(blob_of(rank));
    auto more = collector.add(Rank{rank}, std::move(with), 0);
    ASSERT_TRUE(more.ok());
    answers = *std::move(more);
  }
  ASSERT_EQ(answers.size(), ranks);
  for (const Answer& answer : answers) {
    EXPECT_EQ(answer.more, answers[0].more);
    EXPECT_EQ(answer.verdict.more(), answer.more->size());
  }
  for (const wire::Blobs& frame : *answers[0].more) EXPECT_LE(frame.ByteSizeLong(), part_bytes_max);
  const wire::Verdict whole = whole_verdict(answers[0]);
  ASSERT_EQ(whole.blobs_size(), static_cast<int>(ranks));
  for (std::uint32_t rank = 0; rank < ranks; ++rank)
    EXPECT_EQ(whole.blobs(static_cast<int>(rank)), blob_of(rank)) << rank;
}

// Goal: all that is gathered together is bounded, and so is what rank 0 keeps of it until the last has come. Method: 20
// ranks, each with nearly the largest part; then the next collective.
TEST(Collector, WhatIsGatheredTogetherIsBounded) {
  constexpr std::uint32_t ranks = 20;
  Collector collector(ranks);
  std::vector<Answer> answers;
  for (std::uint32_t rank = 0; rank < ranks; ++rank) {
    wire::Collect with = part(0, "blobs");
    with.set_blob(std::string(part_bytes_max - 1000, 'x'));
    answers = *collector.add(Rank{rank}, std::move(with), 0);
  }
  ASSERT_EQ(answers.size(), ranks);
  const Error error = error_of(answers[3].verdict);
  EXPECT_EQ(error.code, Code::out_of_resources);
  EXPECT_THAT(error.message,
              HasSubstr("blobs: the parts of all ranks have 19.7 MiB together, and the limit is 1008.0 KiB "
                        "each and 16.5 MiB together; rank 0 gave most"));
  for (std::uint32_t rank = 0; rank < ranks; ++rank) answers = *collector.add(Rank{rank}, part(1, "next"), 0);
  EXPECT_EQ(answers.size(), ranks);
  EXPECT_EQ(answers[0].verdict.code(), 0);
}

// Goal: a verdict is whole with its last frame, and frames that cannot be right are refused before they take memory
// without bounds. Method: a session of three ranks; one right verdict, then each way of being wrong.
TEST(VerdictReader, TakesWholeVerdictsAndRefusesWhatIsNone) {
  const auto verdict_of = [](std::uint32_t more) {
    wire::Verdict verdict;
    verdict.set_more(more);
    return verdict;
  };
  const auto blobs_of_bytes = [](std::vector<std::size_t> sizes) {
    wire::Blobs blobs;
    for (const std::size_t bytes : sizes) blobs.add_blobs(std::string(bytes, 'x'));
    return blobs;
  };
  VerdictReader reader(3);
  EXPECT_TRUE(reader.take(verdict_of(0))->has_value());
  EXPECT_FALSE(reader.take(verdict_of(2))->has_value());
  EXPECT_FALSE(reader.take(blobs_of_bytes({1}))->has_value());
  const auto whole = reader.take(blobs_of_bytes({2, 0}));
  ASSERT_TRUE(whole.ok() && whole->has_value());
  EXPECT_EQ((*whole)->blobs_size(), 3);
  EXPECT_EQ((*whole)->more(), 0u);

  EXPECT_EQ(reader.take(blobs_of_bytes({1})).error().code, Code::malformed);
  EXPECT_EQ(reader.take(verdict_of(4)).error().code, Code::malformed);
  VerdictReader empty(3);
  ASSERT_TRUE(empty.take(verdict_of(1)).ok());
  EXPECT_EQ(empty.take(blobs_of_bytes({})).error().code, Code::malformed);
  VerdictReader early(3);
  ASSERT_TRUE(early.take(verdict_of(1)).ok());
  EXPECT_EQ(early.take(verdict_of(0)).error().code, Code::malformed);
  VerdictReader many(3);
  ASSERT_TRUE(many.take(verdict_of(2)).ok());
  EXPECT_EQ(many.take(blobs_of_bytes({1, 1, 1, 1})).error().code, Code::malformed);
  VerdictReader large(3);
  ASSERT_TRUE(large.take(verdict_of(2)).ok());
  EXPECT_EQ(large.take(blobs_of_bytes({gathered_bytes_max + 1})).error().code, Code::malformed);
}

// Goal: watching is mutual, every rank is watched, by few in a large session, and the watchers of any rank that dies or
// stops are others. Method: every rank count up to the limit.
TEST(Watchers, AreMutualAndFew) {
  for (std::uint32_t count = 2; count <= session_ranks_max; ++count) {
    std::uint32_t most = 0;
    for (std::uint32_t a = 0; a < count; ++a) {
      std::uint32_t watchers = 0;
      for (std::uint32_t b = 0; b < count; ++b) {
        const bool watches = watch_each_other(Rank{a}, Rank{b}, count);
        ASSERT_EQ(watches, watch_each_other(Rank{b}, Rank{a}, count));
        ASSERT_FALSE(watches && a == b);
        watchers += watches ? 1u : 0u;
      }
      ASSERT_GE(watchers, std::min(count - 1, 10u)) << count;
      most = std::max(most, watchers);
    }
    if (count <= watch_all_max) {
      EXPECT_EQ(most, count - 1);
    } else {
      EXPECT_LE(most, 16u) << count;
    }
  }
}

// Goal: a sequence that repeats or skips is refused, since it would break the step of all. Method: both.
TEST(Collector, SequenceWithAGapIsRefused) {
  Collector collector(2);
  EXPECT_EQ(collector.add(Rank{1}, part(1, "plan"), 0).error().code, Code::malformed);
  ASSERT_TRUE(collector.add(Rank{1}, part(0, "plan"), 0).ok());
  EXPECT_EQ(collector.add(Rank{1}, part(0, "plan"), 0).error().code, Code::malformed);
}

// Goal: the difference is named whichever side has it. Method: value, missing on the right, on the left,
// and another order, which is no difference.
TEST(Fields, DifferenceIsNamedWithBothValues) {
  const std::array a = {Field{"columns", "4096"}, Field{"rows", "5"}};
  const std::array value = {Field{"columns", "8192"}, Field{"rows", "5"}};
  const std::array order = {Field{"rows", "5"}, Field{"columns", "4096"}};
  const std::array less = {Field{"columns", "4096"}};
  const auto difference = [](std::span<const Field> left, std::span<const Field> right) {
    return first_difference({Rank{0}, left}, {Rank{2}, right});
  };
  EXPECT_EQ(difference(a, value), "columns: rank 0 has 4096, rank 2 has 8192");
  EXPECT_EQ(difference(a, less), "rows: rank 0 has 5, rank 2 does not have this field");
  EXPECT_EQ(difference(less, a), "rows: rank 0 does not have this field, rank 2 has 5");
  EXPECT_EQ(difference(a, order), std::nullopt);
}

// Goal: sentences about ranks read well, and a peer's bytes cannot spoil a terminal. Method: examples.
TEST(Fields, WordsAreFitToShow) {
  EXPECT_EQ(name_ranks(std::array{Rank{2}}), "rank 2");
  EXPECT_EQ(name_ranks(std::array{Rank{2}, Rank{3}}), "ranks 2 and 3");
  EXPECT_EQ(name_ranks(std::array{Rank{0}, Rank{2}, Rank{3}}), "ranks 0, 2 and 3");
  EXPECT_EQ(shown("a\x1b[31m\n"), "a?[31m?");
  EXPECT_EQ(shown(""), "(empty)");
  EXPECT_EQ(shown(std::string(1000, 'x')).size(), 203u);
}

// Goal: of two long values, what differs is shown. Method: a difference before, about and behind the cut, and one that
// is the other's beginning.
TEST(Fields, LongValuesAreShownWhereTheyPart) {
  const std::string same(1000, 's');
  EXPECT_EQ(shown_against("short", "other"), "short");
  EXPECT_EQ(shown_against("a" + same, "b" + same), shown("a" + same));
  EXPECT_EQ(shown_against(same + "left", same + "right"), "..." + std::string(60, 's') + "left");
  EXPECT_EQ(shown_against(same + "more", same), "..." + std::string(60, 's') + "more");
  EXPECT_EQ(shown_against(same, same + "more"), "..." + std::string(60, 's'));
  EXPECT_EQ(shown_against(same + "a" + same, same + "b").size(), 3u + 203u);
}

// Goal: an address that cannot be meant is refused with the form that is. Method: good and bad ones.
TEST(Address, WrongAddressesAreRefusedWithTheExpectedForm) {
  EXPECT_EQ(parse_host_port("127.0.0.1:4711")->port, 4711);
  EXPECT_EQ(parse_host_port("[::1]:80")->host, "::1");
  for (const char* wrong : {"", "host", "host:", "host:0", "host:65536", "host:12x", ":80", "::1:80", "host:-1"}) {
    const auto parsed = parse_host_port(wrong);
    ASSERT_FALSE(parsed.ok()) << wrong;
    EXPECT_EQ(parsed.error().code, Code::invalid_argument);
    EXPECT_THAT(parsed.error().message, HasSubstr("expected \"host:port\""));
  }
}

}  // namespace
}  // namespace gossamer::runtime

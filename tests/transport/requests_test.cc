// The records of starts: from start to completion, tokens, orphans.
#include "transport/requests.h"

#include <gtest/gtest.h>

#include <vector>

namespace gossamer::transport {
namespace {

// Goal: a record is used again, its old token finds nothing, and completions come in order. Method:
// records alone, without a library, more of them than one block.
TEST(StartRecords, RecordsComeAndGo) {
  Requests requests;
  RecordList pending;
  std::vector<Record*> records;
  for (std::uint64_t i = 0; i < 300; ++i) {
    records.push_back(&requests.acquire(StartKind::send, Rank{1}, i, pending));
  }
  EXPECT_EQ(requests.pending_count(), 300u);
  const Token token = Requests::token(*records[7]);
  EXPECT_EQ(requests.find(token), records[7]);
  EXPECT_EQ(requests.find(Token{}), nullptr);
  for (std::uint64_t i = 0; i < 300; ++i) requests.finish(*records[i], pending, Code::done, i);
  EXPECT_EQ(requests.find(token), nullptr);
  Completion completion;
  for (std::uint64_t i = 0; i < 300; ++i) {
    ASSERT_TRUE(requests.pop_finished(completion));
    EXPECT_EQ(completion.context, i);
    EXPECT_EQ(completion.bytes, i);
  }
  EXPECT_FALSE(requests.pop_finished(completion));
  EXPECT_TRUE(pending.empty());
}

// Goal: an orphan completes at once, and its record returns when the library lets go of it. Method: as above.
TEST(StartRecords, AnOrphanCompletesWithoutItsRecord) {
  Requests requests;
  RecordList pending;
  Record& record = requests.acquire(StartKind::receive, Rank{1}, 5, pending);
  requests.orphan(record, pending, Code::peer_lost);
  EXPECT_EQ(requests.pending_count(), 0u);
  EXPECT_EQ(requests.orphan_count(), 1u);
  EXPECT_TRUE(pending.empty());
  Completion completion;
  ASSERT_TRUE(requests.pop_finished(completion));
  EXPECT_EQ(completion.context, 5u);
  EXPECT_EQ(completion.code, Code::peer_lost);
  EXPECT_FALSE(requests.pop_finished(completion));
  requests.end_orphan(record);
  EXPECT_EQ(requests.orphan_count(), 0u);
  EXPECT_EQ(&requests.acquire(StartKind::send, Rank{1}, 6, pending), &record);
}

}  // namespace
}  // namespace gossamer::transport

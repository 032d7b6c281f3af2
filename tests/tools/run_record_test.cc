#include "tools/train/run_record.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

namespace gossamer::tools {
namespace {

// Goal: the epochs of a rank that died are there, and what it had begun to write does no harm. Method: notes of two
// epochs and half a line.
TEST(RunRecord, KeepsWhatARankNotedBeforeItDied) {
  const UniqueDescriptor file(memfd_create("notes", MFD_CLOEXEC));
  for (const int epoch : {1, 2}) {
    ASSERT_TRUE(append_note(file.value(), {{"row", {{"epoch", epoch}}}, {"summary", {{"steps", 10 * epoch}}}}).ok());
  }
  ASSERT_EQ(write(file.value(), "{\"row\": {\"ep", 12), 12);
  const RunRecord record = read_notes(file.value(), "dense");
  EXPECT_FALSE(record.is_finished());
  EXPECT_EQ(record.epochs(), 2u);
  EXPECT_EQ(record.run().at("algorithm"), "dense");
  EXPECT_EQ(record.run().at("rows").at(1).at("epoch"), 2);
  EXPECT_EQ(record.run().at("summary").at("steps"), 20);
}

// Goal: only a run that says so has finished. Method: its last note.
TEST(RunRecord, HasFinishedWhenItSaysSo) {
  RunRecord record("dense");
  EXPECT_FALSE(record.is_finished());
  record.take({{"summary", {{"finished", true}}}});
  EXPECT_TRUE(record.is_finished());
}

}  // namespace
}  // namespace gossamer::tools

#include "tools/launch/line_relay.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/base.h"

namespace gossamer::tools {
namespace {

// Goal: however a stream is cut into reads, the same lines come out. Method: one text in all pieces of 1 to 20 bytes.
TEST(LineRelay, PutsThePrefixBeforeEachLineHoweverItArrives) {
  const std::string stream = "first\n\nthird line\nlast without end";
  for (std::size_t piece = 1; piece <= 20; ++piece) {
    LineRelay relay("[2] ");
    std::string out;
    for (std::size_t at = 0; at < stream.size(); at += piece) out += relay.feed(stream.substr(at, piece));
    EXPECT_EQ(out, "[2] first\n[2] \n[2] third line\n") << piece;
    EXPECT_EQ(relay.finish(), "[2] last without end\n");
    EXPECT_EQ(relay.finish(), "");
  }
}

// Goal: a peer that never ends its line cannot fill the memory, a line that a program may well write (a megabyte of
// JSON) stays whole, and a part of a longer one cannot be taken for a line. Method: a line of four times the bound, and
// lines of the bound and one above.
TEST(LineRelay, BreaksLinesThatAreTooLong) {
  LineRelay relay("> ");
  const std::size_t bound = LineRelay::line_bytes_max;
  EXPECT_EQ(bound, std::size_t{1} << 20);
  const std::string part(bound, 'x'), more = "> [continued] ";
  std::string out = relay.feed(part + part + part + part);
  out += relay.finish();
  EXPECT_TRUE(out == "> " + part + "\n" + more + part + "\n" + more + part + "\n" + more + part + "\n");
  EXPECT_TRUE(relay.feed(part + "\n") == "> " + part + "\n");
  EXPECT_TRUE(relay.feed(part + "z\nnext\n") == "> " + part + "\n" + more + "z\n> next\n");
}

// Goal: blocks come out whole and in order over both descriptors, and a closed one loses only its own. Method: pipes.
TEST(OutputQueue, WritesWholeBlocksInOrderAndDropsAClosedDescriptorsOnly) {
  int good[2], bad[2];
  ASSERT_EQ(pipe(good), 0);
  ASSERT_EQ(pipe(bad), 0);
  OutputQueue queue;
  queue.push(good[1], std::string(6000, 'a') + "\n");
  queue.push(good[1], "");
  queue.push(good[1], "b\n");
  EXPECT_EQ(queue.bytes(), 6003u);
  while (!queue.empty()) ASSERT_EQ(queue.write_some(), 0);
  std::string got(7000, '\0');
  got.resize(static_cast<std::size_t>(read(good[0], got.data(), got.size())));
  EXPECT_EQ(got, std::string(6000, 'a') + "\nb\n");

  signal(SIGPIPE, SIG_IGN);
  close(bad[0]);
  queue.push(bad[1], "lost\n");
  queue.push(good[1], "kept\n");
  queue.push(bad[1], "lost too\n");
  EXPECT_EQ(queue.write_some(), EPIPE);
  EXPECT_EQ(queue.bytes(), 5u);
  EXPECT_EQ(queue.front_descriptor(), good[1]);
  EXPECT_EQ(queue.write_some(), 0);
  EXPECT_TRUE(queue.empty());
  signal(SIGPIPE, SIG_DFL);
  for (const int each : {good[0], good[1], bad[1]}) close(each);
}

}  // namespace
}  // namespace gossamer::tools

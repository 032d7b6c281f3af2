#include "tools/launch/frames.h"

#include <gtest/gtest.h>

#include <random>

namespace gossamer::tools {
namespace {

// Goal: frames come out as they were said, however the stream is cut. Method: three frames, one of them with line feeds
// and one empty, in all pieces of 1 to 20 bytes.
TEST(Frames, ComeOutHoweverTheStreamIsCut) {
  const std::string stream = frame_text("out", "a\nline\n") + frame_text("beat") + frame_text("end", "{}");
  for (std::size_t piece = 1; piece <= 20; ++piece) {
    FrameReader reader;
    std::string seen;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      reader.feed(stream.substr(at, piece));
      for (;;) {
        const auto frame = reader.next();
        ASSERT_TRUE(frame.ok()) << piece;
        if (!*frame) break;
        seen += text((*frame)->kind, "=", (*frame)->body, ";");
      }
    }
    EXPECT_EQ(seen, "out=a\nline\n;beat=;end={};") << piece;
    EXPECT_EQ(reader.held(), "");
  }
}

// Goal: bytes that are no frame end the conversation, and take no memory. Method: wrong heads, and random bytes.
TEST(Frames, OtherBytesAreRefused) {
  for (const std::string wrong : {"\n", " 1\n", "out\n", "out x\n", "out -1\n", "out 99999999999\n", "out 1 2\n"}) {
    FrameReader reader;
    reader.feed(wrong);
    EXPECT_FALSE(reader.next().ok()) << wrong;
  }
  std::mt19937 random(7);
  for (int run = 0; run < 1'000; ++run) {
    FrameReader reader;
    std::string bytes(200, '\0');
    for (char& each : bytes) each = static_cast<char>(random());
    reader.feed(bytes);
    const auto frame = reader.next();
    EXPECT_TRUE(!frame.ok() || !*frame || (*frame)->body.size() < 200);
  }
}

// Goal: what a shell says before the agent speaks is told apart by lines. Method: two lines, and a part of one.
TEST(Frames, LinesBeforeTheFirstFrameAreRead) {
  FrameReader reader;
  reader.feed("Welcome to node7\ngossamer-agent 1\nbeat 0\n");
  EXPECT_EQ(reader.next_line(), "Welcome to node7");
  EXPECT_EQ(reader.next_line(), "gossamer-agent 1");
  const auto frame = reader.next();
  ASSERT_TRUE(frame.ok() && *frame);
  EXPECT_EQ((*frame)->kind, "beat");
  reader.feed("half");
  EXPECT_EQ(reader.next_line(), std::nullopt);
}

}  // namespace
}  // namespace gossamer::tools

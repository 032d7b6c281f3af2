// Keys and codes of authenticated connections, and where the secret comes from. No network.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "control_testing.h"

namespace gossamer::runtime {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* good = "a secret of more than sixteen bytes";

// What both ends derive when the initiator said `a`, the acceptor `b`, and each heard the other.
std::pair<SealPair, SealPair> both_ends(const std::string& a, const std::string& b, const Secret& first,
                                        const Secret& second) {
  Transcript initiator, acceptor;
  initiator.said(a);
  initiator.heard(b);
  acceptor.heard(a);
  acceptor.said(b);
  return {initiator.derive(first.key(), Side::initiator), acceptor.derive(second.key(), Side::acceptor)};
}

bool passes(Seal& from, Seal& to, const std::string& body) {
  const Seal::FrameCode code = from.next("4444", body);
  return to.check_next("4444", body, {reinterpret_cast<const char*>(code.data()), code.size()});
}

// Goal: equal secrets and transcripts pass frames both ways; any difference passes none. Method: one thing differs
// at a time.
TEST(Seal, OnlyEqualSecretsAndTranscriptsPass) {
  const Secret secret = test_secret();
  auto [a, b] = both_ends("hello", "challenge", secret, secret);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(passes(a.sending, b.receiving, "up"));
    EXPECT_TRUE(passes(b.sending, a.receiving, "down"));
  }
  auto [c, d] = both_ends("hello", "challenge", secret, Secret::of(good));
  EXPECT_FALSE(passes(c.sending, d.receiving, "up"));
  EXPECT_FALSE(passes(d.sending, c.receiving, "down"));
  auto [e, f] = both_ends("hello", "challenge", secret, secret);
  auto [g, h] = both_ends("hello", "challengE", secret, secret);
  EXPECT_FALSE(passes(e.sending, h.receiving, "up"));
  auto [i, j] = both_ends("hellochallenge", "", secret, secret);
  EXPECT_FALSE(passes(g.sending, j.receiving, "up"));
  EXPECT_FALSE(passes(i.sending, f.receiving, "up"));
}

// Goal: a frame counts once, in its place, in its direction, as it was. Method: replay, gap, reflection, and each bit
// of length, body and code flipped.
TEST(Seal, FrameCountsOnceInItsPlaceAsItWas) {
  const Secret secret = test_secret();
  const auto ends = [&] { return both_ends("hello", "challenge", secret, secret); };
  const auto words = [](const Seal::FrameCode& code) { return std::string(code.begin(), code.end()); };
  {
    auto [a, b] = ends();
    const std::string code = words(a.sending.next("4444", "body"));
    EXPECT_TRUE(b.receiving.check_next("4444", "body", code));
    EXPECT_FALSE(b.receiving.check_next("4444", "body", code));
  }
  {
    auto [a, b] = ends();
    static_cast<void>(a.sending.next("4444", "lost"));
    EXPECT_FALSE(b.receiving.check_next("4444", "body", words(a.sending.next("4444", "body"))));
  }
  {
    auto [a, b] = ends();
    EXPECT_FALSE(a.receiving.check_next("4444", "body", words(a.sending.next("4444", "body"))));
  }
  const std::string length = "4444", body = "body";
  for (std::size_t bit = 0; bit < 8 * (length.size() + body.size() + frame_code_bytes); ++bit) {
    auto [a, b] = ends();
    std::string all = length + body + words(a.sending.next(length, body));
    all[bit / 8] = static_cast<char>(all[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(b.receiving.check_next(all.substr(0, 4), all.substr(4, 4), all.substr(8))) << "bit " << bit;
  }
  auto [a, b] = ends();
  EXPECT_FALSE(b.receiving.check_next(length, body, words(a.sending.next(length, body)).substr(0, 15)));
}

// Goal: the codes are HMAC-SHA-256 as written in secret/seal.h, so that another implementation can be one's peer.
// Method: a vector computed with Python's hmac and hashlib from those formulas.
TEST(Seal, CodeIsThatOfTheFormula) {
  Transcript initiator;
  initiator.said("hello");
  initiator.heard("challenge");
  SealPair pair = initiator.derive(Secret::of(good).key(), Side::initiator);
  const Seal::FrameCode code = pair.sending.next(std::string("\x04\0\0\0", 4), "body");
  std::string digits;
  for (const unsigned char byte : code) {
    digits += "0123456789abcdef"[byte >> 4];
    digits += "0123456789abcdef"[byte & 15];
  }
  EXPECT_EQ(digits, "0f572d9c586722a748b4a820f8000caa");
}

class SecretFile {
 public:
  SecretFile(const std::string& contents, mode_t mode)
      : path_(testing::TempDir() + "gossamer_secret_" + std::to_string(::getpid())) {
    std::ofstream(path_) << contents;
    ::chmod(path_.c_str(), mode);
  }
  ~SecretFile() { ::unlink(path_.c_str()); }
  SecretFile(const SecretFile&) = delete;
  SecretFile& operator=(const SecretFile&) = delete;
  [[nodiscard]] std::string source() const { return "file:" + path_; }

 private:
  std::string path_;
};

// Goal: a file's secret is its text without the line end. Method: with and without, compared by key.
TEST(SecretSource, FileIsReadWithoutItsLineEnd) {
  for (const char* end : {"", "\n", " \r\n"}) {
    const SecretFile file(std::string(good) + end, 0600);
    const auto secret = Secret::read(file.source());
    ASSERT_TRUE(secret.ok()) << secret.error().message;
    EXPECT_EQ(secret->key().bytes, Secret::of(good).key().bytes);
  }
}

// Goal: a file that all users can read or write is refused, and one that a group can read is not. Method: modes.
TEST(SecretSource, FileOfEverybodyIsRefused) {
  for (const mode_t mode : {0644u, 0602u}) {
    const SecretFile file(good, mode);
    const auto refused = Secret::read(file.source());
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, Code::invalid_argument);
    EXPECT_THAT(refused.error().message, HasSubstr("chmod 600"));
  }
  EXPECT_TRUE(Secret::read(SecretFile(good, 0440).source()).ok());
}

// Goal: secrets that are too short or too long are refused with the bounds, and their bytes are not shown. Method:
// 0, 15 and 5,000 bytes.
TEST(SecretSource, LengthIsChecked) {
  for (const std::size_t length : {0u, 15u, 5000u}) {
    const SecretFile file(std::string(length, 'q'), 0600);
    const auto refused = Secret::read(file.source());
    ASSERT_FALSE(refused.ok());
    EXPECT_THAT(refused.error().message, HasSubstr("expected 16 to 4096 B"));
    EXPECT_THAT(refused.error().message, Not(HasSubstr("qqq")));
  }
}

// Goal: a descriptor is read from its beginning, twice, and not inherited by later children. Method: sealed memory.
TEST(SecretSource, DescriptorIsReadAgainAndKeptFromChildren) {
  const UniqueDescriptor memory(::memfd_create("secret", 0));
  ASSERT_EQ(::write(memory.value(), good, std::string_view(good).size()),
            static_cast<ssize_t>(std::string_view(good).size()));
  for (int i = 0; i < 2; ++i) {
    const auto secret = Secret::read(text("fd:", memory.value()));
    ASSERT_TRUE(secret.ok()) << secret.error().message;
    EXPECT_EQ(secret->key().bytes, Secret::of(good).key().bytes);
    EXPECT_NE(::fcntl(memory.value(), F_GETFD) & FD_CLOEXEC, 0);
  }
  EXPECT_THAT(Secret::read("fd:987654").error().message,
              HasSubstr("does a program between the launcher and this one close the descriptors"));
}

// Goal: a secret that was put in the place of its source is refused and not repeated. Method: some words.
TEST(SecretSource, WhatIsNoSourceIsRefusedAndNotRepeated) {
  for (const char* wrong : {"hunter2-hunter2-hunter2", "file:", "fd:", "fd:x", "fd:-1", "None", " none"}) {
    const auto refused = Secret::read(wrong);
    ASSERT_FALSE(refused.ok()) << wrong;
    EXPECT_EQ(refused.error().code, Code::invalid_argument);
    EXPECT_THAT(refused.error().message, Not(HasSubstr("hunter2")));
    EXPECT_THAT(refused.error().message, HasSubstr("expected file:PATH, fd:NUMBER or none"));
  }
  EXPECT_THAT(Secret::read("file:/no/such/file").error().message, HasSubstr("/no/such/file"));
  EXPECT_FALSE(Secret::read("")->is_set());
  EXPECT_FALSE(Secret::read("")->is_declined());
  EXPECT_TRUE(Secret::read("none")->is_declined());
}

}  // namespace
}  // namespace gossamer::runtime

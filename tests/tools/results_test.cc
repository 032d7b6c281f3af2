#include "tools/command/results.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "temporary_folder.h"

namespace gossamer::tools {
namespace {

using ::testing::HasSubstr;

std::string read_file(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}

std::size_t file_count(const std::string& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

// One of the standard descriptors stands for another file while this lives.
class Redirected {
 public:
  Redirected(int descriptor, int file) : descriptor_(descriptor), kept_(dup(descriptor)) { dup2(file, descriptor); }
  ~Redirected() {
    dup2(kept_, descriptor_);
    close(kept_);
  }
  Redirected(const Redirected&) = delete;
  Redirected& operator=(const Redirected&) = delete;

 private:
  int descriptor_;
  int kept_;
};

// Goal: a place that cannot be written is known before the work, with the reason, and looking leaves nothing behind.
// Method: no such folder, a folder itself, a new file, and one that is there.
TEST(Results, APlaceThatCannotBeWrittenIsKnownBefore) {
  const TemporaryFolder folder;
  std::ofstream(folder / "old") << "before";
  EXPECT_THAT(check_writable(folder / "none/a").error().message, HasSubstr("none/a: No such file"));
  EXPECT_THAT(check_writable(folder.path()).error().message, HasSubstr(folder.path() + ": Is a directory"));
  EXPECT_THAT(check_writable(folder / "old/a").error().message, HasSubstr("Not a directory"));
  EXPECT_TRUE(check_writable(folder / "new").ok());
  EXPECT_TRUE(check_writable(folder / "old").ok());
  EXPECT_TRUE(check_writable("-").ok());
  EXPECT_EQ(file_count(folder.path()), 1u);
  EXPECT_EQ(read_file(folder / "old"), "before");
  EXPECT_THAT(write_whole(folder / "none/a", "words").error().message, HasSubstr("none/a: No such file"));
}

// Goal: a folder that cannot be is refused before any work. Method: a file stands there, or above it.
TEST(Results, AFolderThatCannotBeMadeIsRefused) {
  const TemporaryFolder folder;
  std::ofstream(folder / "file") << "words";
  for (const char* where : {"file", "file/below"}) {
    const Status made = make_output_folder(folder / where);
    ASSERT_FALSE(made.ok()) << where;
    EXPECT_EQ(made.error().code, Code::unavailable);
    EXPECT_THAT(made.error().message, HasSubstr("cannot make the folder"));
    EXPECT_THAT(made.error().message, HasSubstr("Not a directory"));
  }
  EXPECT_TRUE(make_output_folder(folder / "new/below").ok());
  EXPECT_TRUE(make_output_folder(folder / "new/below").ok());
}

// Goal: a file is written whole or stays what it was. Method: no file may grow beyond 64 KiB, as on a disk without
// room, and one of 100 KiB is written, over another and as a new one.
TEST(Results, AFileIsWrittenWholeOrNotAtAll) {
  const TemporaryFolder folder;
  const std::string old_path = folder / "old", new_path = folder / "new";
  ASSERT_TRUE(write_whole(old_path, "before").ok());
  ASSERT_EQ(chmod(old_path.c_str(), 0640), 0);
  rlimit before = {};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small = {64 << 10, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const Status over_old = write_whole(old_path, std::string(100 << 10, 'x'));
  const Status as_new = write_whole(new_path, std::string(100 << 10, 'x'));
  setrlimit(RLIMIT_FSIZE, &before);
  ASSERT_FALSE(over_old.ok());
  EXPECT_THAT(over_old.error().message, HasSubstr(old_path + ": File too large"));
  ASSERT_FALSE(as_new.ok());
  EXPECT_EQ(read_file(old_path), "before");
  EXPECT_EQ(file_count(folder.path()), 1u);

  ASSERT_TRUE(write_whole(old_path, "after").ok());
  EXPECT_EQ(read_file(old_path), "after");
  struct stat state = {};
  stat(old_path.c_str(), &state);
  EXPECT_EQ(state.st_mode & 0777u, 0640u);
}

// Goal: a name that leads elsewhere goes on leading there. Method: a link to a file of another folder, and a pipe's
// end.
TEST(Results, LinksAndPipesAreWrittenThrough) {
  const TemporaryFolder folder, other;
  std::ofstream(other / "target") << "before";
  std::filesystem::create_symlink(other / "target", folder / "link");
  ASSERT_TRUE(write_whole(folder / "link", "after").ok());
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  EXPECT_EQ(read_file(other / "target"), "after");

  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  const int reading = open((folder / "pipe").c_str(), O_RDONLY | O_NONBLOCK);
  EXPECT_TRUE(write_whole(folder / "pipe", "words").ok());
  char bytes[16] = {};
  EXPECT_EQ(read(reading, bytes, sizeof bytes), 5);
  close(reading);
}

// Goal: results that have no way out are on stderr, and the status says so. Method: stdout without room, a file that
// cannot be, and both.
TEST(Results, WhatCannotBeWrittenGoesToStderr) {
  const TemporaryFolder folder;
  const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
  ASSERT_GE(full, 0);
  const auto publish_to = [&](const ResultPaths& paths) {
    const int errors = memfd_create("errors", MFD_CLOEXEC);
    Status told;
    {
      const Redirected output(1, full), error_output(2, errors);
      told = publish(paths, "the table\n", {{"the", "document"}}, [] { return "<svg/>"; });
    }
    std::string text(4096, '\0');
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, pread(errors, text.data(), text.size(), 0))));
    close(errors);
    return std::pair(told.ok() ? "" : told.error().message, text);
  };
  const std::string json = "{\n  \"the\": \"document\"\n}\n";
  EXPECT_EQ(publish_to({}),
            std::pair(std::string("cannot write to stdout: No space left on device"), std::string("the table\n")));
  EXPECT_EQ(publish_to({"-", ""}).second, json);
  const auto [kept_message, kept] = publish_to({folder / "a.json", folder / "a.svg"});
  EXPECT_THAT(kept_message, HasSubstr("stdout"));
  EXPECT_EQ(kept, "");  // the document is in its file
  EXPECT_EQ(read_file(folder / "a.json"), json);
  EXPECT_EQ(read_file(folder / "a.svg"), "<svg/>");
  EXPECT_EQ(publish_to({folder / "none/a.json", ""}).second, "the table\n" + json);
  close(full);
}

}  // namespace
}  // namespace gossamer::tools

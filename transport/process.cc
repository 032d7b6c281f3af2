#include "transport/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <span>
#include <string_view>

#include "base/base.h"

namespace gossamer::transport {

namespace {

// Fields 3, 9 and 22 of /proc/<pid>/stat (proc(5)).
struct ProcessStat {
  char state = 0;
  std::uint64_t flags = 0;
  std::uint64_t start_time = 0;
};

constexpr std::uint64_t exiting_flag = 0x4;  // PF_EXITING of linux/sched.h: set before anything is released

// All of a small file, as far as it fits; bytes, not characters of a locale.
std::string_view read_whole(const char* path, std::span<char> buffer) {
  const UniqueDescriptor file(::open(path, O_RDONLY | O_CLOEXEC));
  std::size_t bytes = 0;
  while (file.is_open() && bytes < buffer.size()) {
    const ssize_t got = ::read(file.value(), buffer.data() + bytes, buffer.size() - bytes);
    if (got <= 0) break;
    bytes += static_cast<std::size_t>(got);
  }
  return {buffer.data(), bytes};
}

// `who`: a process id in digits, or "self".
std::optional<ProcessStat> read_stat(const char* who) {
  std::array<char, 64> path{};
  std::array<char, 2048> buffer{};
  std::snprintf(path.data(), path.size(), "/proc/%s/stat", who);
  std::string_view line = read_whole(path.data(), buffer);
  const std::size_t name_end = line.rfind(')');  // field 2 may hold blanks and parentheses
  if (name_end == std::string_view::npos || name_end + 2 >= line.size()) return std::nullopt;
  line.remove_prefix(name_end + 2);
  ProcessStat stat;
  stat.state = line.front();
  for (int field = 3; field <= 22; ++field) {
    const std::string_view word = line.substr(0, line.find(' '));
    std::uint64_t* const number = field == 9 ? &stat.flags : field == 22 ? &stat.start_time : nullptr;
    if (number != nullptr &&
        std::from_chars(word.data(), word.data() + word.size(), *number).ptr != word.data() + word.size())
      return std::nullopt;
    if (word.empty()) return std::nullopt;
    line.remove_prefix(std::min(word.size() + 1, line.size()));
  }
  return stat;
}

std::optional<ProcessStat> read_stat(pid_t pid) {
  std::array<char, 16> digits{};
  *std::to_chars(digits.data(), digits.data() + digits.size() - 1, pid).ptr = '\0';
  return read_stat(digits.data());
}

bool has_ended(const std::optional<ProcessStat>& stat) { return !stat || stat->state == 'Z' || stat->state == 'X'; }

}  // namespace

std::optional<std::uint64_t> process_start_time(pid_t pid) {
  const auto stat = read_stat(pid);
  return stat ? std::optional(stat->start_time) : std::nullopt;
}

std::optional<std::uint64_t> own_start_time() {
  const auto stat = read_stat("self");
  return stat ? std::optional(stat->start_time) : std::nullopt;
}

std::uint64_t process_namespace() {
  struct stat about {};
  return ::stat("/proc/self/ns/pid", &about) == 0 ? about.st_ino : 0;
}

bool process_runs(pid_t pid, int limit_ms) {
  const auto stat = read_stat(pid);
  if (has_ended(stat)) return false;
  if ((stat->flags & exiting_flag) == 0) return true;
  const auto descriptor = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));  // readable when the process has ended
  if (descriptor < 0) return !has_ended(read_stat(pid));
  pollfd wait{descriptor, POLLIN, 0};
  static_cast<void>(::poll(&wait, 1, limit_ms));
  ::close(descriptor);
  return !has_ended(read_stat(pid));
}

}  // namespace gossamer::transport

#include "transport/process.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

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

std::optional<ProcessStat> read_stat(pid_t pid) {
  std::ifstream file(text("/proc/", pid, "/stat"));
  const std::string line{std::istreambuf_iterator<char>(file), {}};
  const std::size_t name_end = line.rfind(')');  // field 2 may hold blanks and parentheses
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(line.substr(name_end + 1));
  ProcessStat stat;
  std::string skipped;
  fields >> stat.state;
  for (int field = 4; field < 9; ++field) fields >> skipped;
  fields >> stat.flags;
  for (int field = 10; field < 22; ++field) fields >> skipped;
  if (!(fields >> stat.start_time)) return std::nullopt;
  return stat;
}

bool has_ended(const std::optional<ProcessStat>& stat) { return !stat || stat->state == 'Z' || stat->state == 'X'; }

}  // namespace

std::optional<std::uint64_t> process_start_time(pid_t pid) {
  const auto stat = read_stat(pid);
  return stat ? std::optional(stat->start_time) : std::nullopt;
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

#include "tools/command/results.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>

namespace gossamer::tools {
namespace {

Error cannot_write(const std::string& path, int error) {
  return {Code::unavailable, text("cannot write ", path == "-" ? "to stdout" : path, ": ", std::strerror(error))};
}

// 0, or the errno. Blocks, also where the descriptor would not.
int write_all(int descriptor, std::string_view content) {
  while (!content.empty()) {
    const ssize_t wrote = ::write(descriptor, content.data(), content.size());
    if (wrote >= 0) {
      content.remove_prefix(static_cast<std::size_t>(wrote));
    } else if (errno == EAGAIN) {
      pollfd ready = {descriptor, POLLOUT, 0};
      ::poll(&ready, 1, -1);
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

// A file that would grow beyond the limit of this process is an error like a full disk (EFBIG), not a signal that ends
// it, while this lives.
class NoSizeSignal {
 public:
  NoSizeSignal() {
    struct sigaction ignore = {};
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGXFSZ, &ignore, &former_);
  }
  ~NoSizeSignal() { sigaction(SIGXFSZ, &former_, nullptr); }
  NoSizeSignal(const NoSizeSignal&) = delete;
  NoSizeSignal& operator=(const NoSizeSignal&) = delete;

 private:
  struct sigaction former_;
};

// What stands at the path, behind links; nothing where there is nothing yet.
std::optional<struct stat> state_of(const std::string& path) {
  struct stat state = {};
  if (::stat(path.c_str(), &state) != 0) return std::nullopt;
  return state;
}

// A new file beside the one that it will replace, gone again unless it is moved there.
class NewFile {
 public:
  explicit NewFile(const std::string& path) : target_(std::filesystem::weakly_canonical(path, failure_).string()) {
    if (failure_) target_ = path;
    const std::filesystem::path folder = std::filesystem::path(target_).parent_path();
    name_ =
        (folder.empty() ? "." : folder.string()) + text("/.gossamer-", ::getpid(), "-", hex(SteadyClock().now_ns()));
    file_ = UniqueDescriptor(::open(name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    error_ = file_.is_open() ? 0 : errno;
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  ~NewFile() {
    if (file_.is_open() || is_closed_) ::unlink(name_.c_str());
  }
  [[nodiscard]] int error() const { return error_; }
  // 0, or the errno; then the target is as it was.
  [[nodiscard]] int replace_target(std::string_view content, const std::optional<struct stat>& before) {
    if (const int error = write_all(file_.value(), content)) return error;
    if (before) {
      if (::fchmod(file_.value(), before->st_mode & 07777) != 0) return errno;
      // Whose file it was it stays, where this user may decide that.
      static_cast<void>(::fchown(file_.value(), before->st_uid, before->st_gid) == 0);
    }
    // Some file systems say only now that there was no room.
    if (::fsync(file_.value()) != 0 && errno != EINVAL && errno != EROFS) return errno;
    is_closed_ = true;
    file_.close();
    if (::rename(name_.c_str(), target_.c_str()) != 0) return errno;
    is_closed_ = false;
    return 0;
  }

 private:
  std::error_code failure_;
  std::string target_;
  std::string name_;
  UniqueDescriptor file_;
  int error_ = 0;
  bool is_closed_ = false;  // and not moved yet
};

}  // namespace

Status check_writable(const std::string& path) {
  if (path.empty() || path == "-") return {};
  const std::optional<struct stat> state = state_of(path);
  if (state && S_ISDIR(state->st_mode)) return cannot_write(path, EISDIR);
  if (state && ::access(path.c_str(), W_OK) != 0) return cannot_write(path, errno);
  if (state) return {};  // in place, if nothing can be made beside it
  const NewFile made(path);
  return made.error() == 0 ? Status() : cannot_write(path, made.error());
}

Status write_whole(const std::string& path, std::string_view content) {
  const NoSizeSignal no_signal;
  if (path == "-") {
    const int error = write_all(STDOUT_FILENO, content);
    return error == 0 ? Status() : cannot_write(path, error);
  }
  const std::optional<struct stat> state = state_of(path);
  if (!state || S_ISREG(state->st_mode)) {
    NewFile made(path);
    if (made.error() == 0) {
      const int error = made.replace_target(content, state);
      return error == 0 ? Status() : cannot_write(path, error);
    }
    if (!state) return cannot_write(path, made.error());
  }
  const UniqueDescriptor file(::open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
  const int error = file.is_open() ? write_all(file.value(), content) : errno;
  return error == 0 ? Status() : cannot_write(path, error);
}

Status make_output_folder(const std::string& folder) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (!failed && !std::filesystem::is_directory(folder, failed) && !failed) {
    failed = std::make_error_code(std::errc::not_a_directory);
  }
  if (failed) return Error{Code::unavailable, text("cannot make the folder ", folder, ": ", failed.message())};
  if (::access(folder.c_str(), W_OK | X_OK) != 0) {
    return Error{Code::unavailable, text("cannot write into the folder ", folder, ": ", std::strerror(errno))};
  }
  return {};
}

std::string json_text(const nlohmann::json& document) {
  return document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

Status check_writable(const ResultPaths& paths) {
  GOSSAMER_TRY(check_writable(paths.json));
  return check_writable(paths.plot);
}

Status publish(const ResultPaths& paths, const std::string& table, const nlohmann::json& document,
               const std::function<std::string()>& svg) {
  const bool wants_json = !paths.json.empty();
  const std::string json = json_text(document);
  const Status written = wants_json ? write_whole(paths.json, json) : Status();
  const Status drawn = paths.plot.empty() || !svg ? Status() : write_whole(paths.plot, svg());
  // The table last: where nobody reads stdout any more, SIGPIPE ends this program here.
  const Status printed = paths.json == "-" ? Status() : write_whole("-", table);
  if (!printed.ok() && (!wants_json || !written.ok())) write_all(STDERR_FILENO, table);
  const bool saved = wants_json && written.ok();
  if (!saved && (!written.ok() || !drawn.ok())) write_all(STDERR_FILENO, json);
  for (const Status* each : {&printed, &written, &drawn}) GOSSAMER_TRY(*each);
  return {};
}

}  // namespace gossamer::tools

#include "runtime/bootstrap/folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/bootstrap/meet.h"
#include "runtime/control/address.h"

namespace gossamer::runtime {
namespace {

constexpr std::size_t file_bytes_max = 64 * 1024;
constexpr std::size_t nonce_digits = 32;

// At first often, since all of one host begin at once; then so that 256 ranks do not burden a file server.
class Pace {
 public:
  void rest() {
    std::this_thread::sleep_for(pause_);
    pause_ = std::min(pause_ * 2, std::chrono::milliseconds(64));
  }

 private:
  std::chrono::milliseconds pause_{1};
};

Error cannot(std::string_view what, const std::string& path) {
  const int reason = errno;
  return Error{Code::unavailable, text("the shared folder: cannot ", what, " ", path, ": ", std::strerror(reason),
                                       "; GOSSAMER_FOLDER must be a folder that every rank may read and write")};
}

Status write_whole(const std::string& path, std::string_view bytes) {
  const std::string beside = text(path, ".", ::getpid(), ".", hex(static_cast<std::uint64_t>(::getuid())), ".new");
  const UniqueDescriptor file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (file.value() < 0) return cannot("write", beside);
  const auto written = ::write(file.value(), bytes.data(), bytes.size());
  if (written != static_cast<ssize_t>(bytes.size()) || ::fsync(file.value()) != 0 ||
      ::rename(beside.c_str(), path.c_str()) != 0) {
    if (written >= 0 && written != static_cast<ssize_t>(bytes.size())) errno = ENOSPC;
    auto error = cannot("write", path);
    ::unlink(beside.c_str());
    return error;
  }
  return {};
}

// Nothing where there is no such file, or it is no one that this user alone may write.
Result<std::optional<std::string>> read_own(const std::string& path) {
  const UniqueDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (file.value() < 0) {
    if (errno == ENOENT || errno == ESTALE) return std::optional<std::string>();
    return cannot("read", path);
  }
  struct stat status {};
  if (::fstat(file.value(), &status) != 0) return cannot("read", path);
  if (!S_ISREG(status.st_mode) || status.st_uid != ::geteuid() || (status.st_mode & 077) != 0)
    return Error{Code::unavailable, text("the shared folder: ", path,
                                         " is not this user's, or others may read it: whose is it? It is not trusted; "
                                         "remove it, or use another folder")};
  std::string bytes(file_bytes_max, '\0');
  const ssize_t got = ::read(file.value(), bytes.data(), bytes.size());
  if (got < 0) return cannot("read", path);
  bytes.resize(static_cast<std::size_t>(got));
  return std::optional(std::move(bytes));
}

// Letters and digits of any job's name, so that it is one file's.
std::string file_name(std::string_view job) {
  std::string name;
  for (const char letter : job.substr(0, 100)) {
    const bool plain = (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'z') ||
                       (letter >= 'A' && letter <= 'Z') || letter == '-';
    name += plain ? std::string(1, letter) : text("_", hex(static_cast<unsigned char>(letter), 2));
  }
  return name;
}

// The same on all ranks, which join in one order: how many sessions a rank has begun by these files.
std::uint64_t next_session(const std::string& rank) {
  static std::mutex mutex;
  static auto* const sessions = new std::map<std::string, std::uint64_t>;  // never destroyed: used at exit, perhaps
  const std::lock_guard lock(mutex);
  return (*sessions)[rank]++;
}

class FolderBootstrap final : public Bootstrap {
 public:
  explicit FolderBootstrap(FolderJob job) : job_(std::move(job)) {}
  std::string name() const override { return job_.title; }
  Rank rank() const override { return Rank{job_.place.rank}; }
  std::uint32_t rank_count() const override { return job_.place.rank_count; }
  std::string job() const override { return job_.job; }
  bool is_one_host() const override { return job_.is_one_host; }

  Result<std::string> broadcast(std::string_view words, std::uint64_t timeout_ns) override {
    const std::string start = text(job_.folder, "/gossamer-", file_name(job_.job), ".");
    const std::string stem = text(start, next_session(text(start, job_.place.rank)));
    const Deadline deadline{time_after(timeout_ns), timeout_ns};
    return job_.place.rank == 0 ? give(stem, words, deadline) : take(stem, deadline);
  }

 private:
  struct Deadline {
    Time at;
    std::uint64_t timeout_ns;
    [[nodiscard]] bool has_passed() const { return std::chrono::steady_clock::now() >= at; }
  };

  // What a file says to others goes with this.
  class Removed {
   public:
    explicit Removed(std::string path) : path_(std::move(path)) {}
    Removed(const Removed&) = delete;
    Removed& operator=(const Removed&) = delete;
    ~Removed() { ::unlink(path_.c_str()); }

   private:
    const std::string path_;
  };

  Result<std::string> take(const std::string& stem, const Deadline& deadline) {
    const std::string nonce = random_hex(nonce_digits / 2);
    const std::string hello = text(stem, ".hello.", job_.place.rank);
    const std::string path = stem + ".words";
    const Removed removed(hello);
    GOSSAMER_TRY(write_whole(hello, nonce));
    for (Pace pace; !deadline.has_passed(); pace.rest()) {
      GOSSAMER_ASSIGN(const auto content, read_own(path));
      if (!content) continue;
      const std::size_t line = content->find('\n');
      if (line != std::string::npos && content->find(nonce, line) != std::string::npos) return content->substr(0, line);
    }
    return Error{Code::deadline, text("rank 0 of job \"", job_.job, "\" did not come to the folder ", job_.folder,
                                      " within ", format_duration(deadline.timeout_ns))};
  }

  Result<std::string> give(const std::string& stem, std::string_view words, const Deadline& deadline) {
    struct Peer {
      std::string nonce;  // the latest that is among the words
      bool done = false;
    };
    const std::string path = stem + ".words";
    const Removed removed(path);
    std::vector<Peer> peers(job_.place.rank_count);
    peers[0].done = true;
    const auto all_done = [&] {
      return std::all_of(peers.begin(), peers.end(), [](const Peer& peer) { return peer.done; });
    };
    for (Pace pace; !all_done(); pace.rest()) {
      if (deadline.has_passed()) return missing(peers, deadline);
      bool news = false;
      for (std::uint32_t r = 1; r < peers.size(); ++r) {
        if (peers[r].done) continue;
        GOSSAMER_ASSIGN(const auto hello, read_own(text(stem, ".hello.", r)));
        if (!hello) {
          peers[r].done = !peers[r].nonce.empty();
        } else if (hello->size() == nonce_digits && *hello != peers[r].nonce) {
          peers[r].nonce = *hello;
          news = true;
        }
      }
      if (!news) continue;
      std::string content = text(words, "\n");
      for (const Peer& peer : peers) content += peer.nonce + "\n";
      GOSSAMER_TRY(write_whole(path, content));
      pace = Pace();
    }
    return std::string(words);
  }

  template <typename Peers>
  Error missing(const Peers& peers, const Deadline& deadline) const {
    std::string ranks;
    for (std::size_t r = 0; r < peers.size(); ++r)
      if (!peers[r].done) ranks += text(ranks.empty() ? "" : ", ", r);
    return Error{Code::deadline,
                 text("of ", peers.size(), " ranks of job \"", job_.job, "\", these did not come to the folder ",
                      job_.folder, " within ", format_duration(deadline.timeout_ns), ": ", ranks)};
  }

  const FolderJob job_;
};

}  // namespace

Result<std::unique_ptr<Bootstrap>> make_folder_bootstrap(FolderJob job) {
  struct stat status {};
  if (::mkdir(job.folder.c_str(), 0700) != 0 && errno != EEXIST) return cannot("make", job.folder);
  if (::stat(job.folder.c_str(), &status) != 0) return cannot("look at", job.folder);
  if (!S_ISDIR(status.st_mode)) {
    errno = ENOTDIR;
    return cannot("use", job.folder);
  }
  return std::unique_ptr<Bootstrap>(std::make_unique<FolderBootstrap>(std::move(job)));
}

Result<std::string> private_folder() {
  const std::string folder = text("/tmp/gossamer-", ::geteuid());
  struct stat status {};
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return cannot("make", folder);
  if (::lstat(folder.c_str(), &status) != 0) return cannot("look at", folder);
  if (!S_ISDIR(status.st_mode) || status.st_uid != ::geteuid() || (status.st_mode & 077) != 0)
    return Error{Code::unavailable, text(folder,
                                         " is another user's, or open to others: remove it, or name a folder of "
                                         "yours in GOSSAMER_FOLDER")};
  return folder;
}

}  // namespace gossamer::runtime

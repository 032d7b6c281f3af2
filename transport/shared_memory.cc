#include "transport/shared_memory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <system_error>

#include "transport/process.h"
#include "transport/transport.h"

namespace gossamer::transport {
namespace {

constexpr const char* root = "/dev/shm";
constexpr const char* lock_name = "alive";
constexpr int exit_limit_ms = 200;  // what a killed process may take to end once its sockets are closed

constexpr std::size_t shared_name_max = 192;  // NAME_MAX is 255, and libfabric adds to it

bool is_plain(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

std::string folder_prefix(std::string_view job) { return text("gossamer-", clean_job_name(job), "-"); }

// The owner that a name gives after its prefix: "<pid>-<start time>" of a folder, and that with
// ".fi<n>-<view>[_<message>]" behind it of a file.
struct Owner {
  pid_t pid = 0;
  std::uint64_t start_time = 0;
};

// Whether all of `name` is a file's ending. Strict, as job names may hold anything that stands in a name.
bool is_file_ending(std::string_view name) {
  const auto take = [&](std::string_view mark) {
    if (!name.starts_with(mark)) return false;
    name.remove_prefix(mark.size());
    const std::size_t digits = std::min(name.find_first_not_of("0123456789"), name.size());
    name.remove_prefix(digits);
    return digits > 0;
  };
  return take(".fi") && take("-") && (name.empty() || take("_")) && name.empty();
}

std::optional<Owner> parse_owner(std::string_view name) {
  Owner owner;
  const char* const end = name.data() + name.size();
  const auto pid = std::from_chars(name.data(), end, owner.pid);
  if (pid.ec != std::errc{} || pid.ptr == end || *pid.ptr != '-' || owner.pid <= 0) return std::nullopt;
  const auto start = std::from_chars(pid.ptr + 1, end, owner.start_time);
  if (start.ec != std::errc{}) return std::nullopt;
  const std::string_view rest(start.ptr, static_cast<std::size_t>(end - start.ptr));
  if (!rest.empty() && !is_file_ending(rest)) return std::nullopt;
  return owner;
}

// Whether a process of another process-id namespace may own the folder or file: the folder's lock is still held.
bool is_locked(const std::string& prefix, const Owner& owner) {
  const std::filesystem::path folder = text(root, "/", prefix, owner.pid, "-", owner.start_time);
  const int descriptor = ::open((folder / lock_name).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (descriptor < 0) return false;
  const bool locked = ::flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(descriptor);
  return locked;
}

// Segments of UCX's sysv transport: no key, nobody attached, ours, made by the dead process.
void remove_sysv_segments(pid_t dead, std::vector<std::string>& removed) {
  shmid_ds segment{};
  const int last = ::shmctl(0, SHM_INFO, &segment);
  for (int i = 0; i <= last; ++i) {
    const int id = ::shmctl(i, SHM_STAT, &segment);
    if (id < 0 || segment.shm_perm.__key != 0 || segment.shm_nattch != 0) continue;
    if (segment.shm_perm.uid != ::geteuid() || segment.shm_cpid != dead) continue;
    if (::shmctl(id, IPC_RMID, nullptr) == 0) removed.push_back(text("sysv:", id));
  }
}

// The folders that this process has open.
struct OpenFolder {
  int users = 0;
  int lock_descriptor = -1;
  pid_t owner = ::getpid();
};

struct Registry {
  std::mutex mutex;
  std::map<std::string, OpenFolder> folders;
};

// For a process that exits without closing its transports. A forked child must not remove its parent's folders:
// it runs the parent's handlers when it exits.
void remove_open_folders();

Registry& registry() {
  static Registry* const instance = [] {
    std::atexit(remove_open_folders);
    return new Registry;  // never destroyed: transports may live until the process ends
  }();
  return *instance;
}

void remove_open_folders() {
  Registry& known = registry();
  const std::lock_guard lock(known.mutex);
  std::error_code ignored;
  for (const auto& [path, folder] : known.folders) {
    if (folder.owner == ::getpid()) std::filesystem::remove_all(path, ignored);
  }
}

// Makes the folder and takes its lock. Returns 0 or an errno, and then leaves nothing behind.
int make_folder(const std::string& path, OpenFolder& folder) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return errno;
  const std::string lock_path = text(path, "/", lock_name);
  folder.lock_descriptor = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (folder.lock_descriptor >= 0 && ::flock(folder.lock_descriptor, LOCK_EX | LOCK_NB) == 0) return 0;
  const int error = errno;
  if (folder.lock_descriptor >= 0) ::close(folder.lock_descriptor);
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
  return error;
}

}  // namespace

std::string clean_job_name(std::string_view job) {
  std::string name(job.substr(0, 64));
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !is_plain(c); }, '_');
  return name.empty() ? "job" : name;
}

std::string process_shared_name(std::string_view job) {
  const pid_t pid = ::getpid();
  return text(folder_prefix(job), pid, "-", process_start_time(pid).value_or(0));
}

bool is_shared_name(std::string_view name) {
  return name.starts_with("gossamer-") && name.size() <= shared_name_max &&
         std::all_of(name.begin(), name.end(), is_plain);
}

Result<std::string> shared_folder_path(std::string_view name) {
  if (!is_shared_name(name)) {
    return Error{Code::malformed, "the region key names no shared-memory folder of Gossamer"};
  }
  return text(root, "/", name);
}

Result<std::unique_ptr<SharedFolder>> SharedFolder::open(std::string_view job) {
  const pid_t pid = ::getpid();
  std::string path = text(root, "/", process_shared_name(job));

  Registry& known = registry();
  const std::lock_guard lock(known.mutex);
  OpenFolder& folder = known.folders[path];
  if (folder.users == 0) {
    const int error = make_folder(path, folder);
    if (error != 0) {
      known.folders.erase(path);
      const Code code = error == ENOSPC || error == ENOMEM ? Code::out_of_resources : Code::unavailable;
      return Error{code, text("cannot make the shared-memory folder ", path, ": ", std::strerror(error), "; make ",
                              root, " writable, name another folder in UCX_POSIX_DIR, or choose UCX_TLS=tcp")};
    }
  }
  ++folder.users;
  return std::unique_ptr<SharedFolder>(new SharedFolder(std::move(path), pid));
}

SharedFolder::~SharedFolder() {
  if (owner_ != ::getpid()) return;
  Registry& known = registry();
  const std::lock_guard lock(known.mutex);
  const auto entry = known.folders.find(path_);
  if (--entry->second.users > 0) return;
  std::error_code ignored;  // the next sweep of the job removes what could not be removed here
  std::filesystem::remove_all(path_, ignored);
  ::close(entry->second.lock_descriptor);
  known.folders.erase(entry);
}

Status check_shared_memory(const std::string& folder) {
  struct statvfs room {};
  if (::statvfs(folder.c_str(), &room) != 0) {
    return Error{Code::unavailable, text(folder, " cannot be used for shared memory: ", std::strerror(errno),
                                         "; mount a tmpfs there or choose UCX_TLS=tcp")};
  }
  const std::uint64_t free_bytes = std::uint64_t{room.f_bavail} * room.f_frsize;
  const std::uint64_t need_bytes = shared_memory_start_bytes + shared_memory_reserve_bytes;
  if (free_bytes >= need_bytes) return {};
  return Error{
      Code::out_of_resources,
      text(folder, " has ", format_bytes(free_bytes), " free, each rank needs about ", format_bytes(need_bytes),
           "; enlarge it (docker run --shm-size=1g, mount -o remount,size=1g /dev/shm) or choose UCX_TLS=tcp")};
}

Status check_locked_memory(std::uint64_t limit_bytes) {
  if (limit_bytes >= locked_memory_bytes) return {};
  return Error{
      Code::out_of_resources,
      text("this process may lock ", format_bytes(limit_bytes), " of memory, InfiniBand needs about ",
           format_bytes(locked_memory_bytes),
           "; raise the limit (ulimit -l unlimited, docker run --ulimit memlock=-1) or choose UCX_TLS=sm,tcp,self")};
}

std::vector<std::string> sweep_shared_memory(std::string_view job) {
  std::vector<std::string> removed;
  const std::string prefix = folder_prefix(job);
  std::error_code failure;
  std::vector<std::filesystem::path> found;
  for (std::filesystem::directory_iterator entry(root, failure), end; !failure && entry != end;
       entry.increment(failure)) {
    if (entry->path().filename().string().starts_with(prefix)) found.push_back(entry->path());
  }
  std::sort(found.begin(), found.end());
  for (const std::filesystem::path& each : found) {
    const auto owner = parse_owner(each.filename().string().substr(prefix.size()));
    if (!owner) continue;
    const auto start_time = process_start_time(owner->pid);
    const bool reused = start_time && *start_time != owner->start_time;
    if (!reused && process_runs(owner->pid, exit_limit_ms)) continue;
    if (is_locked(prefix, *owner)) continue;
    // A living process that got the dead one's id may be setting up its own segments.
    if (!reused) remove_sysv_segments(owner->pid, removed);
    const std::uintmax_t count = std::filesystem::remove_all(each, failure);
    if (!failure && count > 0) removed.push_back(each.string());
  }
  return removed;
}

}  // namespace gossamer::transport

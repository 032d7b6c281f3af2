#include "transport/shared_memory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <system_error>
#include <utility>

#include "transport/flat_folder.h"
#include "transport/process.h"
#include "transport/shared_name.h"
#include "transport/transport.h"

namespace gossamer::transport {
namespace {

constexpr const char* root = "/dev/shm";
constexpr const char* lock_name = "alive";
constexpr int exit_limit_ms = 200;  // what a killed process may take to end once its sockets are closed

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

// Whether somebody holds the lock of the folder `name`.
bool is_locked(int shared, const char* name) {
  const UniqueDescriptor folder(::openat(shared, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  const UniqueDescriptor lock(::openat(folder.value(), lock_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  return folder.is_open() && lock.is_open() && ::flock(lock.value(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

// Of a folder whose lock is free; one that somebody makes at this moment is not harmed:
//
//   maker   mkdir ──► make the lock's file ──► lock it ──► is the file still there? ──► the folder is mine
//   sweep             make the lock's file ──► lock it ──► remove all, the file last
//
// Whoever locks first has it. A maker who comes second takes another name.
bool remove_unlocked(int shared, const char* name) {
  const UniqueDescriptor folder(::openat(shared, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder.is_open()) return false;
  const UniqueDescriptor lock(::openat(folder.value(), lock_name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!lock.is_open() || ::flock(lock.value(), LOCK_EX | LOCK_NB) != 0) return false;
  return remove_flat_folder(shared, name, lock_name);
}

// The folders that this process has open, by job. A forked child's entries of its parent are not its own.
struct OpenFolder {
  std::string path;
  int users = 0;
  UniqueDescriptor lock;
  int exit_slot = -1;
};

struct Registry {
  std::mutex mutex;
  std::map<std::pair<std::string, pid_t>, OpenFolder> folders;
};

Registry& registry() {
  static Registry* const instance = new Registry;  // never destroyed: transports may live until the process ends
  return *instance;
}

// Makes a folder of a new name and takes its lock. Returns 0 or an errno, and then leaves nothing behind.
int make_folder(const std::string& job, OpenFolder& folder) {
  constexpr int tries = 16;  // each is lost to another process that did something within microseconds
  for (int i = 0; i < tries; ++i) {
    folder.path = text(root, "/", make_shared_name(job));
    if (::mkdir(folder.path.c_str(), 0700) != 0) {
      if (errno == EEXIST) continue;
      return errno;
    }
    const std::string path = text(folder.path, "/", lock_name);
    UniqueDescriptor lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    const int error = lock.is_open() ? 0 : errno;
    if (error != 0 && error != ENOENT) {
      ::rmdir(folder.path.c_str());
      return error;
    }
    struct stat about {};
    if (error != 0 || ::flock(lock.value(), LOCK_EX | LOCK_NB) != 0 || ::fstat(lock.value(), &about) != 0 ||
        about.st_nlink == 0)
      continue;  // a sweep was here first
    folder.lock = std::move(lock);
    folder.exit_slot = remove_at_exit(folder.path.c_str(), lock_name);
    return 0;
  }
  return EAGAIN;
}

// What this process may write to one file.
std::uint64_t file_bytes_max() {
  rlimit limit{};
  return ::getrlimit(RLIMIT_FSIZE, &limit) == 0 ? limit.rlim_cur : RLIM_INFINITY;
}

}  // namespace

Result<std::string> shared_folder_path(std::string_view name) {
  if (!is_shared_name(name)) {
    return Error{Code::malformed, "the region key names no shared-memory folder of Gossamer"};
  }
  return text(root, "/", name);
}

Result<std::unique_ptr<SharedFolder>> SharedFolder::open(std::string_view job) {
  const pid_t pid = ::getpid();
  std::string name = clean_job_name(job);
  Registry& known = registry();
  const std::lock_guard lock(known.mutex);
  const auto entry = known.folders.try_emplace({name, pid}).first;
  OpenFolder& folder = entry->second;
  if (folder.users == 0) {
    const int error = make_folder(name, folder);
    if (error != 0) {
      const std::string path = std::move(folder.path);
      known.folders.erase(entry);
      const Code code = error == ENOSPC || error == ENOMEM || error == EMFILE || error == ENFILE
                            ? Code::out_of_resources
                            : Code::unavailable;
      return Error{code, text("cannot make the shared-memory folder ", path, ": ", std::strerror(error), "; make ",
                              root, " writable, name another folder in UCX_POSIX_DIR, or choose UCX_TLS=tcp")};
    }
  }
  ++folder.users;
  return std::unique_ptr<SharedFolder>(new SharedFolder(std::move(name), folder.path, pid));
}

SharedFolder::~SharedFolder() {
  if (owner_ != ::getpid()) return;
  Registry& known = registry();
  const std::lock_guard lock(known.mutex);
  const auto entry = known.folders.find({job_, owner_});
  if (--entry->second.users > 0) return;
  cancel_exit_removal(entry->second.exit_slot);
  remove_flat_folder(AT_FDCWD, path_.c_str(), lock_name);  // the next sweep removes what could not be removed here
  known.folders.erase(entry);                              // and with it the lock
}

Status check_file_size(std::uint64_t bytes) {
  const std::uint64_t limit_bytes = file_bytes_max();
  if (bytes <= limit_bytes) return {};
  return Error{Code::out_of_resources, text("this process may write files of at most ", format_bytes(limit_bytes),
                                            ", and shared memory of ", format_bytes(bytes),
                                            " is such a file; raise the limit (ulimit -f unlimited), or choose "
                                            "UCX_TLS=tcp")};
}

Status check_shared_memory(const std::string& folder) {
  GOSSAMER_TRY(check_file_size(shared_memory_start_bytes));
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

std::vector<std::string> sweep_shared_memory() {
  std::vector<std::string> removed;
  std::vector<std::string> found;
  const UniqueDescriptor shared(::open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::error_code failure;
  for (std::filesystem::directory_iterator entry(root, failure), end; !failure && entry != end;
       entry.increment(failure)) {
    std::string name = entry->path().filename().string();
    if (parse_shared_name(name)) found.push_back(std::move(name));
  }
  if (found.empty()) return removed;
  std::sort(found.begin(), found.end());
  const std::uint64_t own_namespace = process_namespace();
  for (const std::string& name : found) {
    struct stat about {};
    // Another user's is that user's to sweep, root's sweep included: another container's root may have mapped it.
    if (::fstatat(shared.value(), name.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0 || about.st_uid != ::geteuid())
      continue;
    const SharedOwner owner = *parse_shared_name(name);
    const bool ours = owner.pid_namespace == own_namespace && own_namespace != 0;  // else the lock alone tells
    const auto start_time = ours ? process_start_time(owner.pid) : std::nullopt;
    const bool reused = start_time && *start_time != owner.start_time;
    if (ours && !reused && process_runs(owner.pid, exit_limit_ms)) continue;
    const bool is_folder = S_ISDIR(about.st_mode);
    if (!is_folder && is_locked(shared.value(), std::string(folder_of(name)).c_str())) continue;
    const bool gone =
        is_folder ? remove_unlocked(shared.value(), name.c_str()) : ::unlinkat(shared.value(), name.c_str(), 0) == 0;
    if (!gone) continue;
    // A living process that got the dead one's id may be setting up its own segments.
    if (ours && !reused) remove_sysv_segments(owner.pid, removed);
    removed.push_back(text(root, "/", name));
  }
  return removed;
}

}  // namespace gossamer::transport

#include "transport/flat_folder.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace gossamer::transport {
namespace {

// struct linux_dirent64 of getdents64(2), which is in no header; its name follows behind these.
struct DirectoryEntry {
  std::uint64_t inode;
  std::int64_t offset;
  std::uint16_t bytes;
  std::uint8_t type;
};
constexpr std::size_t name_offset = offsetof(DirectoryEntry, type) + 1;

// Unlinks once over; how many went.
int unlink_entries(int folder, const char* last) noexcept {
  alignas(DirectoryEntry) std::array<char, 4096> buffer;
  int removed = 0;
  ::lseek(folder, 0, SEEK_SET);
  for (long count = 0; (count = ::syscall(SYS_getdents64, folder, buffer.data(), buffer.size())) > 0;) {
    for (long at = 0; at < count;) {
      const char* const entry = buffer.data() + at;
      std::uint16_t bytes = 0;
      std::memcpy(&bytes, entry + offsetof(DirectoryEntry, bytes), sizeof bytes);
      const char* const name = entry + name_offset;
      at += bytes;
      if (std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0 || std::strcmp(name, last) == 0) continue;
      if (::unlinkat(folder, name, 0) == 0) ++removed;
    }
  }
  return removed;
}

// Owners of a slot that are no process.
constexpr pid_t nobody = 0;
constexpr pid_t changing = -1;

struct Slot {
  std::atomic<pid_t> owner{nobody};
  std::array<char, 256> path{};
  const char* last = nullptr;
};
constinit std::array<Slot, 64> slots{};

}  // namespace

bool remove_flat_folder(int parent, const char* name, const char* last) noexcept {
  const int folder = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (folder < 0) return false;
  while (unlink_entries(folder, last) > 0) {  // again: what is removed meanwhile may hide what follows
  }
  ::unlinkat(folder, last, 0);
  ::close(folder);
  return ::unlinkat(parent, name, AT_REMOVEDIR) == 0;
}

int remove_at_exit(const char* path, const char* last) noexcept {
  static const int registered = std::atexit([] { remove_folders_of_exit(); });
  const pid_t me = ::getpid();
  if (registered != 0 || std::strlen(path) >= slots[0].path.size()) return -1;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    pid_t owner = slots[i].owner.load();
    const bool taken = owner == me || owner == changing;  // what a parent owns is a copy here
    if (taken || !slots[i].owner.compare_exchange_strong(owner, changing)) continue;
    std::strcpy(slots[i].path.data(), path);
    slots[i].last = last;
    slots[i].owner.store(me);
    return static_cast<int>(i);
  }
  return -1;
}

void cancel_exit_removal(int slot) noexcept {
  pid_t me = ::getpid();
  if (slot >= 0) slots[static_cast<std::size_t>(slot)].owner.compare_exchange_strong(me, nobody);
}

void remove_folders_of_exit() noexcept {
  for (Slot& slot : slots) {
    pid_t me = ::getpid();
    // It stays taken: another thread may still run, and would write a path where this one reads.
    if (slot.owner.compare_exchange_strong(me, changing)) remove_flat_folder(AT_FDCWD, slot.path.data(), slot.last);
  }
}

}  // namespace gossamer::transport

#include "transport/ucx/shared_block.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "transport/shared_memory.h"

namespace gossamer::transport::ucx {
namespace {

std::string file_path(const std::string& folder, std::uint64_t name) { return text(folder, "/block-", hex(name, 16)); }

std::size_t whole_pages(std::size_t bytes) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return std::max(page, (bytes + page - 1) / page * page);
}

Error no_memory_error(const std::string& folder, std::size_t bytes, int error) {
  return {Code::out_of_resources,
          text("no ", format_bytes(bytes), " of shared memory in ", folder, ": ", std::strerror(error),
               "; enlarge it (docker run --shm-size=1g, mount -o remount,size=1g /dev/shm)")};
}

std::byte* map(int descriptor, int access, std::size_t bytes) {
  const int kind = descriptor < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
  void* const memory = ::mmap(nullptr, bytes, access, kind, descriptor, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<std::byte*>(memory);
}

// A new file with room for `bytes`, and its name.
Result<UniqueDescriptor> make_file(const std::string& folder, std::size_t bytes, std::uint64_t& name) {
  GOSSAMER_TRY(check_file_size(bytes));
  do {
    if (::getrandom(&name, sizeof name, 0) != sizeof name) {
      return Error{Code::unavailable, text("no random numbers of the system: ", std::strerror(errno))};
    }
  } while (name == 0);
  const std::string path = file_path(folder, name);
  UniqueDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.is_open()) return no_memory_error(folder, bytes, errno);
  // The pages are taken now: touched later, a full file system would be a SIGBUS.
  const int error = ::posix_fallocate(file.value(), 0, static_cast<off_t>(bytes));
  if (error == 0) return file;
  ::unlink(path.c_str());
  return no_memory_error(folder, bytes, error);
}

}  // namespace

Result<std::unique_ptr<SharedBlock>> SharedBlock::make(const std::string& folder, std::size_t bytes) {
  std::unique_ptr<SharedBlock> block(new SharedBlock);
  block->mapped_bytes_ = whole_pages(bytes);
  block->owner_ = ::getpid();
  UniqueDescriptor file;
  if (!folder.empty()) {
    GOSSAMER_ASSIGN(file, make_file(folder, block->mapped_bytes_, block->name_));
    block->folder_ = folder;
  }
  block->data_ = map(file.value(), PROT_READ | PROT_WRITE, block->mapped_bytes_);
  if (block->data_ == nullptr) return no_memory_error("this process", bytes, errno);
  return block;
}

Result<std::unique_ptr<SharedBlock>> SharedBlock::open(const std::string& folder, std::uint64_t name,
                                                       std::size_t bytes) {
  const std::string path = file_path(folder, name);
  const UniqueDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file.is_open()) {
    return Error{Code::unavailable, text("cannot map the peer's memory ", path, ": ", std::strerror(errno))};
  }
  std::unique_ptr<SharedBlock> block(new SharedBlock);
  block->mapped_bytes_ = whole_pages(bytes);
  block->name_ = name;
  struct stat about {};
  if (::fstat(file.value(), &about) != 0 || !S_ISREG(about.st_mode) || about.st_uid != ::geteuid() ||
      static_cast<std::uint64_t>(about.st_size) != block->mapped_bytes_) {
    return Error{Code::unavailable, text(path, " is not a file of this user with ", block->mapped_bytes_, " B")};
  }
  block->data_ = map(file.value(), PROT_READ, block->mapped_bytes_);
  if (block->data_ == nullptr) return no_memory_error("this process", bytes, errno);
  return block;
}

void SharedBlock::unlink() const {
  if (name_ != 0 && owner_ == ::getpid()) ::unlink(file_path(folder_, name_).c_str());
}

SharedBlock::~SharedBlock() {
  unlink();
  if (data_ != nullptr && !keep_mapped_) ::munmap(data_, mapped_bytes_);
}

}  // namespace gossamer::transport::ucx

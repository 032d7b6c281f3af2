// A second process of this program, and a socket to it.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>

#include "base/base.h"
#include "tools/bench/channel.h"

namespace gossamer::tools {

class PairSocket {
 public:
  explicit PairSocket(UniqueDescriptor descriptor) : descriptor_(std::move(descriptor)) {}
  // Block. False when the other end is gone.
  [[nodiscard]] bool read(void* data, std::size_t bytes);
  [[nodiscard]] bool write(const void* data, std::size_t bytes);
  // Nobody reads or writes any more, at either end.
  void end();
  // Gives and takes a blob; valid while the socket lives.
  [[nodiscard]] Exchange exchange();

 private:
  UniqueDescriptor descriptor_;
};

class ProcessPair {
 public:
  // Forks. `body` runs in the second process, which then ends; its error goes to stderr. Call it before this process
  // has threads or libraries that do not survive a fork.
  [[nodiscard]] static Result<std::unique_ptr<ProcessPair>> start(const std::function<Status(PairSocket&)>& body);
  // Ends the socket, and kills the second process if it still runs two seconds later.
  ~ProcessPair();
  ProcessPair(const ProcessPair&) = delete;
  ProcessPair& operator=(const ProcessPair&) = delete;

  [[nodiscard]] PairSocket& socket() { return socket_; }
  // Waits for the end of the second process; an error when that failed.
  Status finish();

 private:
  ProcessPair(pid_t pid, UniqueDescriptor descriptor) : pid_(pid), socket_(std::move(descriptor)) {}
  pid_t pid_;
  PairSocket socket_;
};

}  // namespace gossamer::tools

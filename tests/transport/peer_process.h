// A rank in another process, which a test can kill.
//
// The process (transport_peer.cc) makes a transport, writes its address to its standard output, reads
// the view from its standard input and does what its mode says; it writes one byte for each thing
// that the test waits for.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <vector>

#include "make_transport.h"
#include "transport/transport.h"

namespace gossamer::transport {

class PeerProcess {
 public:
  PeerProcess(const std::string& job, const TransportChoice& choice, const std::string& mode);
  ~PeerProcess();  // kills it
  PeerProcess(const PeerProcess&) = delete;
  PeerProcess& operator=(const PeerProcess&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  // Blocks until it has written its address, 20 s at most; empty when it did not.
  [[nodiscard]] Address read_address();
  // Sends the addresses of both ranks; the process is rank 1.
  [[nodiscard]] bool write_view(const Address& rank_0, const Address& rank_1);
  // Whether the next byte of progress has come; does not block.
  [[nodiscard]] bool has_signalled();
  // SIGKILL, and waits until it is gone.
  void kill();

 private:
  [[nodiscard]] bool read_exactly(void* data, std::size_t bytes);

  pid_t pid_ = -1;
  int to_ = -1;
  int from_ = -1;
};

}  // namespace gossamer::transport

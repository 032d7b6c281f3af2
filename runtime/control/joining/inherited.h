// The rendezvous listener that a launcher opened and left to this process, for all its sessions one after the other.
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/base.h"
#include "runtime/control/address.h"

namespace gossamer::runtime {

// The right to let ranks in at the listener: one joining at a time has it.
class ListenerTurn {
 public:
  explicit ListenerTurn(SocketAddress where) : where_(std::move(where)) {}
  ListenerTurn(const ListenerTurn&) = delete;
  ListenerTurn& operator=(const ListenerTurn&) = delete;
  ~ListenerTurn();

 private:
  const SocketAddress where_;
};

struct LentListener {
  UniqueDescriptor listener;  // the borrower's: another number for the same socket
  std::unique_ptr<ListenerTurn> turn;
};

// `descriptor` is the launcher's listener if it is a TCP socket that listens at one of `rendezvous` (or, at that
// port, at all addresses), and the same socket as at the first call that found one there: its number may meanwhile be a
// file or socket of the program. Nothing where it is not. The socket under that number stays open, closed to
// programs that this process executes. Errors: `busy` while another joining has it.
[[nodiscard]] Result<std::optional<LentListener>> borrow_listener(int descriptor,
                                                                  const std::vector<SocketAddress>& rendezvous);

}  // namespace gossamer::runtime

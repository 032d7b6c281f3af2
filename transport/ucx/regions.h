// Regions of this view: those that this process has given keys for, and those of peers that it reaches.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/base.h"
#include "transport/region_key.h"
#include "transport/transport.h"
#include "transport/ucx/notices.h"
#include "transport/ucx/shared_block.h"

namespace gossamer::transport::ucx {

// What a put may write to. A serial number is given once in the life of the transport, so a key of a former
// view or of a released region finds nothing.
class Exports {
 public:
  // The same serial for the same region, as long as it is exported.
  std::uint64_t add(const Region& region);
  // Null for a serial that is not of this view, or whose region was released.
  [[nodiscard]] const Region* find(std::uint64_t serial) const;
  [[nodiscard]] bool has(const Region& region) const;
  void forget(const Region& region);
  void clear();

 private:
  std::uint64_t first_serial_ = 1;  // of regions_[0]
  std::vector<Region> regions_;     // id 0: released
};

// A peer's region. Where `memory` is set it is reached by load and store, else by messages.
struct Remote {
  Rank peer;
  std::uint64_t serial = 0;
  std::size_t bytes = 0;
  std::byte* memory = nullptr;
  std::unique_ptr<SharedBlock> block;  // that memory, when it is a peer's
  std::uint32_t generation = 1;        // so that what was released is not found
  bool used = false;
};

// A peer's board, and how often this process has counted there.
struct PeerBoard {
  std::unique_ptr<SharedBlock> block;
  Board board;
  std::array<std::uint32_t, notice_count> counted{};
};

class Imports {
 public:
  void open(std::size_t rank_count) { boards_.resize(rank_count); }
  void close();

  // Maps what can be mapped. `malformed` when the peer has another board than its former keys said.
  Result<RemoteRegion> add(Rank peer, const RegionKeyFields& fields, std::size_t rank_count);
  // The own region, reached where it is.
  RemoteRegion add_own(Rank self, const RegionKeyFields& fields, std::byte* memory);
  void release(const RemoteRegion& remote);
  [[nodiscard]] Remote* find(const RemoteRegion& remote);
  // Of a peer with mapped regions.
  [[nodiscard]] PeerBoard& board(Rank peer) { return *boards_[peer.value]; }

 private:
  [[nodiscard]] Status map(Remote& remote, const RegionKeyFields& fields, std::size_t rank_count);
  [[nodiscard]] RemoteRegion keep(Remote remote);

  std::vector<Remote> remotes_;
  std::vector<std::unique_ptr<PeerBoard>> boards_;
  std::uint32_t generation_ = 0;
};

}  // namespace gossamer::transport::ucx

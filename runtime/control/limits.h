// What the control plane bounds. What depends on how many ranks there are follows from session_ranks_max.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "runtime/control/control.h"

namespace gossamer::runtime {

// A message behind its length.
constexpr std::size_t frame_bytes_max = std::size_t{1} << 20;
// The largest first message of a connection: bounds what all strangers together can make us hold.
constexpr std::size_t hello_bytes_max = std::size_t{64} << 10;

// One rank's part in a collective travels in one frame.
constexpr std::size_t part_bytes_max = frame_bytes_max - (std::size_t{16} << 10);
// The blobs of all parts together travel in as many frames as they need; room for the largest introduction of every
// rank (session/introduction.h).
constexpr std::size_t gathered_bytes_max = session_ranks_max * (std::size_t{66} << 10);
// Up to here they are in the verdict itself, which each member gets a copy of; beyond, in frames that all members'
// queues share, of about so many bytes.
constexpr std::size_t blobs_frame_bytes = std::size_t{64} << 10;
// A welcome and a verdict without blobs are one frame, with some 130 B and a few a rank.
static_assert(session_ranks_max * std::size_t{256} <= frame_bytes_max, "what names all ranks fits into a frame");

// Connections that wait at a door before they have said who they are: all ranks at once, and as many strangers.
constexpr std::size_t strangers_max = 64;
constexpr std::size_t waiting_max(std::uint32_t rank_count) { return strangers_max + rank_count; }

// Up to here every two ranks watch each other; beyond, those of watchers.h.
constexpr std::uint32_t watch_all_max = 32;

}  // namespace gossamer::runtime

#include "runtime/algorithms/parts/device_pump.h"

#include <algorithm>

namespace gossamer::runtime {

Result<DevicePump> DevicePump::make(DeviceMemory& memory) {
  DevicePump pump;
  for (std::unique_ptr<CopyQueue>* queue : {&pump.down_, &pump.up_}) {
    GOSSAMER_ASSIGN(*queue, memory.make_queue());
  }
  GOSSAMER_ASSIGN(pump.pinned_, DeviceBlock::make_pinned(memory, place_count * vectors_max * piece_bytes));
  return pump;
}

Status DevicePump::copy(void* to, const void* from, std::size_t bytes) {
  GOSSAMER_TRY(down_->start(to, from, bytes));
  return wait_for_copies(*down_, down_->started());
}

Status DevicePump::run(std::uint64_t count, std::span<const Vector> vectors, Compute compute) {
  const Status status = run_pieces(count, vectors, compute);
  // Nothing may land later, whatever went wrong.
  const Status down = wait_for_copies(*down_, down_->started());
  const Status up = wait_for_copies(*up_, up_->started());
  return !status.ok() ? status : !down.ok() ? down : up;
}

Status DevicePump::run_pieces(std::uint64_t count, std::span<const Vector> vectors, Compute compute) {
  GOSSAMER_CHECK(!vectors.empty() && vectors.size() <= vectors_max, "a pass over too many vectors");
  std::size_t widest = 1;
  for (const Vector& vector : vectors) widest = std::max<std::size_t>(widest, vector.element_bytes);
  const std::uint64_t length = piece_bytes / widest;
  const std::uint64_t pieces = (count + length - 1) / length;
  std::array<std::uint64_t, place_count> down_marks{};  // copies of the queue when a place's were started
  std::array<std::uint64_t, place_count> up_marks{};

  const auto place_of = [&](std::uint64_t piece, std::size_t vector) {
    return pinned_.data() + (piece % place_count * vectors_max + vector) * piece_bytes;
  };
  const auto device_of = [&](std::uint64_t piece, const Vector& vector) {
    return static_cast<std::byte*>(vector.data) + piece * length * vector.element_bytes;
  };
  const auto length_of = [&](std::uint64_t piece) {
    return static_cast<std::size_t>(std::min(length, count - piece * length));
  };
  const auto start_down = [&](std::uint64_t piece) -> Status {
    GOSSAMER_TRY(wait_for_copies(*up_, up_marks[piece % place_count]));  // the piece before in this place has left
    for (std::size_t v = 0; v < vectors.size(); ++v)
      if (vectors[v].is_read)
        GOSSAMER_TRY(down_->start(place_of(piece, v), device_of(piece, vectors[v]),
                                  length_of(piece) * vectors[v].element_bytes));
    down_marks[piece % place_count] = down_->started();
    return {};
  };

  if (pieces > 0) GOSSAMER_TRY(start_down(0));
  for (std::uint64_t piece = 0; piece < pieces; ++piece) {
    if (piece + 1 < pieces) GOSSAMER_TRY(start_down(piece + 1));
    GOSSAMER_TRY(wait_for_copies(*down_, down_marks[piece % place_count]));
    std::array<std::byte*, vectors_max> at{};
    for (std::size_t v = 0; v < vectors.size(); ++v) at[v] = place_of(piece, v);
    compute(piece * length, length_of(piece), std::span(at).first(vectors.size()));
    for (std::size_t v = 0; v < vectors.size(); ++v)
      if (vectors[v].is_written)
        GOSSAMER_TRY(up_->start(device_of(piece, vectors[v]), at[v], length_of(piece) * vectors[v].element_bytes));
    up_marks[piece % place_count] = up_->started();
  }
  return {};
}

}  // namespace gossamer::runtime

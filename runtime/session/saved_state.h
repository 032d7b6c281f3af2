// What of a compressor outlives a step, as bytes: one rank's residual and momentum by named tensor, and the step.
//
//   | "GOSSSTAT" 8 B | version 4 | flags 4 | bytes in all 8 | checksum 8 |
//   | algorithm 4 | rank 4 | rank count 4 | 0 4 | step 8 | tensor count 8 |
//   | first element 8 (0) | elements 8 | bytes of the name 4 | exact 4 | name, zeros up to 8 |    of each tensor
//   | residual, f32 |                                                                            of each tensor
//   | momentum, f32 |                                                                            of each tensor
//
// Integers and floats as the machine has them, little-endian. The checksum (XXH3) is over all but itself.
//
// Other ranks. Updates are made of sums over ranks, so the sum over ranks of residual and of momentum is what a session
// of another size has to begin with, and who holds which part does not matter:
//
//   saved by 5   0 1 2 3 4          rank r of P takes the saved ranks s with s mod P = r, and adds them up;
//   loaded by 2  0 1 0 1 0          where P is the larger one, the ranks that are left begin with zeros
//
// A momentum that is equal on all ranks (dense) is taken once.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/base.h"
#include "runtime/algorithms/algorithm.h"

namespace gossamer::runtime {

inline constexpr std::uint32_t saved_state_version = 1;

struct SavedTensor {
  std::string name;
  std::uint64_t count = 0;
  bool exact = false;
  std::size_t residual_at = 0;  // where they begin in the bytes, if the state has them
  std::size_t momentum_at = 0;
};

struct SavedState {
  AlgorithmKind algorithm = AlgorithmKind::gs_sgd;
  Rank rank;
  std::uint32_t rank_count = 1;
  KeptVectors kept;
  std::uint64_t step = 0;
  std::vector<SavedTensor> tensors;
  std::span<const std::byte> bytes;  // all of them, somebody else's
};

[[nodiscard]] std::size_t saved_state_bytes(const Algorithm& algorithm);
// Into that many bytes. `unavailable` where device memory cannot be copied.
Status save_state(Algorithm& algorithm, std::span<std::byte> bytes);

// `malformed`: cut short, damaged, of something else, or not finite; `mismatch`: of a newer version. `subject` begins
// the sentence: "state 0", a path.
[[nodiscard]] Result<SavedState> read_state(std::string_view subject, std::span<const std::byte> bytes);

// What this rank goes on with.
struct TakenState {
  std::uint64_t step = 0;
  std::uint32_t rank_count = 0;  // of those who saved
  std::vector<bool> found;       // by tensor; the others begin with zeros
  std::vector<float> residual;   // tensor by tensor; empty where the algorithm has none
  std::vector<float> momentum;
};

// `mismatch`: another algorithm or tensor, states of several sizes of session, a part that is missing or there twice.
// With `allows_new`, tensors that nobody saved are no mistake.
[[nodiscard]] Result<TakenState> take_states(const Algorithm& algorithm, std::span<const SavedState> states,
                                             bool allows_new);
// Into the algorithm, which has no operation in flight.
Status load_state(Algorithm& algorithm, const TakenState& taken);

}  // namespace gossamer::runtime

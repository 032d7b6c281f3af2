// The first pass of algorithms that name indices openly: every rank's part, gathered on every rank.
//
//   part of a rank   | non-finite flag, 8 B | count of values, 8 B | values, 4 B each | index list |
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/base.h"
#include "runtime/algorithms/parts/agreement.h"
#include "runtime/algorithms/parts/context.h"
#include "runtime/algorithms/parts/stages.h"
#include "runtime/engine/buffer.h"

namespace gossamer::runtime {

class IndexGather {
 public:
  // `count_max` indices a rank; `with_values`: each with its value.
  [[nodiscard]] static Result<IndexGather> make(const AlgorithmContext& context, std::uint64_t count_max,
                                                bool with_values);
  [[nodiscard]] Result<Stage> stage(const AlgorithmContext& context, std::string label) const;

  // Writes this rank's part: indices (ascending) and, with values, v at these indices.
  void fill(Rank rank, std::uint64_t flag, std::span<const std::uint32_t> indices, std::span<const float> v);
  [[nodiscard]] StageSize size() const { return {{}, own_bytes_}; }

  // The lowest rank's non-finite flag over all parts, as an error. `malformed` names the rank.
  [[nodiscard]] Status check_flags(std::span<const std::uint64_t> part_bytes, const Layout& layout) const;

  // One rank's part, decoded. Valid until the next read.
  struct Part {
    std::span<const std::uint32_t> indices;
    std::span<const float> values;
  };
  [[nodiscard]] Result<Part> read(Rank rank, std::uint64_t part_bytes);
  // All of it: flags, then every rank's part in the order of ranks, given to `visit`. `named` gets the union of their
  // indices, ascending; it does not allocate where it has room for all of them.
  [[nodiscard]] Status unite(std::span<const std::uint64_t> part_bytes, const Layout& layout,
                             std::vector<std::uint32_t>& named, FunctionRef<void(const Part&)> visit);

 private:
  [[nodiscard]] std::byte* part(Rank rank) const { return buffer_.data() + rank.value * part_stride(bytes_max_); }

  Buffer buffer_;
  std::uint64_t bytes_max_ = 0;
  std::uint64_t own_bytes_ = 0;
  std::uint64_t dimension_ = 0;
  bool with_values_ = false;
  std::vector<std::uint32_t> indices_;
  std::vector<float> values_;
};

}  // namespace gossamer::runtime

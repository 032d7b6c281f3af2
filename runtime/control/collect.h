// Rank 0's book of collectives: who gave what, and the verdict for each. No network, no clock.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/base.h"
#include "runtime/control/control.h"
#include "runtime/control/wire.h"

namespace gossamer::runtime {

// Bytes that the parts of one collective may have together: the verdict of an all_gather holds them all.
constexpr std::size_t collect_bytes_max = frame_bytes_max - (std::size_t{16} << 10);

struct Answer {
  Rank to;
  wire::Verdict verdict;
};

// The n-th collective of one rank belongs with the n-th of every other; a different subject there is a
// mismatch. Once decided, whoever still comes to it gets the same verdict, so that ranks stay in step.
class Collector {
 public:
  explicit Collector(std::uint32_t rank_count) : next_(rank_count, 0), rank_count_(rank_count) {}

  // `rank`'s part. The earliest deadline of those that came ends the wait. `malformed`: a rank's
  // sequence has a gap or repeats.
  [[nodiscard]] Result<std::vector<Answer>> add(Rank rank, wire::Collect part, std::uint64_t now_ns);

  // A peer that died ends every collective; one that left ends those that it had not come to. The
  // first of either stays.
  [[nodiscard]] std::vector<Answer> lose(const Loss& loss);

  [[nodiscard]] std::vector<Answer> expire(std::uint64_t now_ns);
  [[nodiscard]] std::optional<std::uint64_t> next_deadline_ns() const;

 private:
  struct Collective {
    std::vector<std::optional<wire::Collect>> parts;  // in rank order; emptied of their content by a verdict
    std::uint32_t came = 0;
    std::uint64_t deadline_ns = 0;  // on the caller's clock
    std::uint64_t allowed_ns = 0;   // as the rank whose deadline it is asked
    std::optional<wire::Verdict> verdict;
  };
  using Book = std::map<std::uint64_t, Collective>;

  [[nodiscard]] wire::Verdict judge(const Collective& collective) const;
  [[nodiscard]] std::optional<Loss> loss_for(std::uint64_t sequence) const;
  void decide(Book::iterator entry, wire::Verdict verdict, std::vector<Answer>& answers);

  Book open_;
  std::vector<std::uint64_t> next_;  // each rank's next sequence
  std::uint32_t rank_count_;
  std::optional<Loss> death_;
  std::vector<Loss> left_;
};

// What the others read of a rank that came with trouble: "compressor: rank 1 was called wrongly: rows is 2, ...".
[[nodiscard]] Error trouble_error(std::string_view subject, Rank rank, const Error& trouble);

// What both the caller and rank 0 call a loss in an error: "plan \"x\": rank 2 is lost: its process ended".
[[nodiscard]] Error loss_error(std::string_view subject, const Loss& loss);

}  // namespace gossamer::runtime

// The end of a call that blocks in several places: each gets what is left.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/base.h"

namespace gossamer::runtime {

class Deadline {
 public:
  Deadline(const Clock& clock, std::uint64_t limit_ns) : clock_(clock), begin_ns_(clock.now_ns()) {
    end_ns_ = limit_ns > UINT64_MAX - begin_ns_ ? UINT64_MAX : begin_ns_ + limit_ns;
  }
  // At least 1, so that whoever is asked with nothing left still answers.
  [[nodiscard]] std::uint64_t left_ns() const { return left_before_ns(0); }
  // The same with `reserve_ns` kept for what comes after.
  [[nodiscard]] std::uint64_t left_before_ns(std::uint64_t reserve_ns) const {
    const std::uint64_t now_ns = clock_.now_ns() + reserve_ns;
    return now_ns < end_ns_ ? end_ns_ - now_ns : 1;
  }
  [[nodiscard]] std::uint64_t passed_ns() const { return clock_.now_ns() - begin_ns_; }

 private:
  const Clock& clock_;
  std::uint64_t begin_ns_;
  std::uint64_t end_ns_;
};

}  // namespace gossamer::runtime

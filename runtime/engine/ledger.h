// What is known of a plan number's traffic, so that the number can be used again.
//
// A message of an earlier plan that is still on its way must never meet a receive of a later one. So a number is free
// again where every rank has the same ledger of it: each has run the same operations to the same stage, and none has
// ended in the middle of a stage. Then every message that was sent has been received, and none can be late.
#pragma once

#include <cstdint>

namespace gossamer::runtime {

struct Ledger {
  std::uint32_t operations = 0;  // ended under this number, by all its plans; the next one's sequence is one more
  std::uint64_t hash = 0;        // over the count of complete stages of each
  bool torn = false;             // an operation ended in the middle of a stage: the number is never used again

  // An operation has ended with this many stages complete, and no message of another begun.
  void note(std::uint32_t stages) {
    ++operations;
    hash = (hash ^ (stages + 1)) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 32;
  }
  friend bool operator==(const Ledger&, const Ledger&) = default;
};

// A number for a plan that all ranks have drawn, and what earlier plans of that number did.
struct PlanDraw {
  std::uint32_t number = 0;
  Ledger ledger;
  friend bool operator==(const PlanDraw&, const PlanDraw&) = default;
};

}  // namespace gossamer::runtime

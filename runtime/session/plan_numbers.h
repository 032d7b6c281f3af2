// Plan numbers: each rank's book of them, and the draw of the next one, the same on every rank.
//
//   every rank                       agreement                       every rank
//   free numbers with their ledgers ───────────► all ranks' offers ───────────► draw: the lowest number that is free
//   lowest number never used                                                    everywhere with one ledger, else a new
//   one
//
// Drawn before anything can fail, so a rank that fails later is in step with the others. What a rank missed (it gave up
// waiting for the agreement) its next offer shows: the others have used the number, or count past it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "base/base.h"
#include "runtime/control/control.h"
#include "runtime/engine/ledger.h"

namespace gossamer::runtime {

// What one rank brings to a draw.
//
//   | lowest unused, 4 B | flags, 4 B | held: 16 B | free: 16 B each |
//   16 B: | number, 4 B | operations, 4 B | hash, 8 B |
struct PlanOffer {
  std::uint32_t unused = 0;
  std::optional<PlanDraw> held;  // a plan that lives, not torn, and could be used instead of a new one
  std::vector<PlanDraw> free;    // ascending by number, none torn
};

class PlanNumbers {
 public:
  // Plans that may live at once.
  static constexpr std::uint32_t plans_max = 4096;

  // At most `free_max` numbers, the lowest.
  [[nodiscard]] PlanOffer offer(std::size_t free_max) const;
  void take(std::uint32_t number);
  // Of a plan that was removed, or could not be made; a torn one is not given out again.
  void give_back(std::uint32_t number, const Ledger& ledger);

 private:
  std::uint32_t unused_ = 0;              // lowest number that was never given out here
  std::map<std::uint32_t, Ledger> free_;  // removed, and none of them torn
};

// How many free numbers an offer may name, so that all ranks' offers fit into one agreement.
[[nodiscard]] std::size_t offered_max(std::uint32_t rank_count);

// The same for the same offers. `out_of_resources` where 4,096 plans live.
[[nodiscard]] Result<PlanDraw> draw_plan(std::span<const PlanOffer> offers);
// The plan that every rank holds, with one ledger; nothing where any has none or another one.
[[nodiscard]] std::optional<PlanDraw> common_plan(std::span<const PlanOffer> offers);

[[nodiscard]] Blob encode_offer(const PlanOffer& offer);
// Of `rank`. `malformed`: cut short, not ascending, or numbers that no plan has.
[[nodiscard]] Result<PlanOffer> decode_offer(std::span<const std::byte> bytes, Rank rank);
// Of these ranks, whose blobs they are; empty: of all.
[[nodiscard]] Result<std::vector<PlanOffer>> decode_offers(std::span<const Blob> blobs,
                                                           std::span<const Rank> members = {});

}  // namespace gossamer::runtime

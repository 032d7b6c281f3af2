#include "runtime/algorithms/parts/agreement.h"

namespace gossamer::runtime {

namespace {
// "index 7 of tensor "fc1.bias" (coordinate 235153)"
std::string place_in_words(std::uint64_t position, const Layout& layout) {
  const Layout::Place place = layout.place_outside(position);
  return text("index ", place.offset, " of tensor \"", layout.tensor(place.tensor).name, "\" (coordinate ", position,
              ")");
}
}  // namespace

Status check_flag(std::uint64_t flag, std::uint32_t rank_count, const Layout& layout) {
  if (flag == no_flag) return {};
  const Rank rank{static_cast<std::uint32_t>(flag >> 40)};
  const std::uint64_t index = flag & ((std::uint64_t{1} << 40) - 1);
  if (rank.value >= rank_count || index >= layout.dimension())
    return Error{Code::malformed,
                 text("the flag of a payload names rank ", rank.value, " of ", rank_count, " and coordinate ", index,
                      " of ", layout.dimension(), ": its bytes were changed on the way; nothing was applied")};
  return Error{
      Code::not_finite,
      text("the gradient of rank ", rank.value, " is NaN or infinite, first at ", place_in_words(index, layout),
           "; no rank committed anything: mend that gradient (a smaller rate or loss scale) or skip the step"),
      rank, index};
}

Error overflow(std::string_view what, std::optional<std::uint64_t> position, const Layout& layout) {
  return Error{
      Code::not_finite,
      text(what, " is NaN or infinite", position ? ", first at " : "",
           position ? place_in_words(*position, layout) : "",
           ", though each rank's gradient is finite: it went beyond the range of the numbers; no rank committed "
           "anything: lower the loss scale or the rate, set clip, or skip the step"),
      {},
      position};
}

Status check_hash_words(const HashWords& merged, std::uint64_t own) {
  const std::uint64_t most = ~merged.most_inverted;
  if (merged.least == most) return {};
  return Error{Code::disagreement,
               text("ranks recovered different coordinates: hashes from ", hex(merged.least), " to ", hex(most),
                    ", this rank's is ", hex(own),
                    "; the merged payload had different bits on different ranks, so nothing was applied")};
}

}  // namespace gossamer::runtime

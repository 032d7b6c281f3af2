#include "runtime/agreement.h"

namespace gossamer::runtime {

Status check_flag(std::uint64_t flag, std::uint32_t rank_count) {
  if (flag == no_flag) return {};
  const Rank rank{static_cast<std::uint32_t>(flag >> 40)};
  if (rank.value >= rank_count)
    return Error{Code::malformed, text("the flag of a payload names rank ", rank.value, " of ", rank_count,
                                       ": its bytes were changed on the way; nothing was applied")};
  const std::uint64_t index = flag & ((std::uint64_t{1} << 40) - 1);
  return Error{Code::not_finite,
               text("the gradient of rank ", rank.value, " is NaN or infinite, first at index ", index,
                    "; no rank committed anything: mend that gradient (a smaller rate or loss scale) or skip the step"),
               rank, index};
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

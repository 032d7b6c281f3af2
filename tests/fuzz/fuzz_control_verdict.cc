// Goal: whatever frames come from rank 0, a verdict becomes whole with exactly the blobs that were announced for it,
// and what is held stays bounded. Method: frames of the input, beside a plain count of what is still to come.
//
//   input   | ranks, 1 B | frame | frame | ...
//   frame   | kind, 1 B | length, 1 B | Verdict or Blobs |     with a large blob besides, where the kind says so
#include <optional>
#include <string>
#include <vector>

#include "fuzz.h"
#include "runtime/control/verdict_reader.h"

namespace {

using namespace gossamer;
namespace wire = runtime::wire;

struct Expected {
  std::vector<std::string> blobs;
  std::uint32_t more = 0;
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint32_t rank_count = 1 + input.take<std::uint8_t>() % 8;
  runtime::VerdictReader reader(rank_count);
  std::optional<Expected> expected;
  while (!input.empty()) {
    const auto kind = input.take<std::uint8_t>();
    const auto bytes = input.take_bytes(input.take<std::uint8_t>());
    Result<std::optional<wire::Verdict>> whole = std::optional<wire::Verdict>();
    if (kind % 2 == 0) {
      wire::Verdict verdict;
      if (!verdict.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) continue;
      if (!expected) expected = Expected{{verdict.blobs().begin(), verdict.blobs().end()}, verdict.more()};
      whole = reader.take(verdict);
    } else {
      wire::Blobs blobs;
      if (!blobs.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) continue;
      if (kind & 64) blobs.add_blobs(std::string(std::size_t{kind} << 15, 'x'));
      whole = reader.take(blobs);
      if (whole.ok()) {
        GOSSAMER_CHECK(expected && expected->more > 0, "blobs that nobody announced");
        expected->blobs.insert(expected->blobs.end(), blobs.blobs().begin(), blobs.blobs().end());
        --expected->more;
      }
    }
    if (!whole.ok()) {
      fuzz::check_refusal(whole.error(), Code::malformed);
      return 0;  // the connection ends
    }
    std::uint64_t held = 0;
    for (const std::string& blob : expected->blobs) held += blob.size();
    GOSSAMER_CHECK(held <= runtime::gathered_bytes_max && expected->blobs.size() <= rank_count, "more than is allowed");
    GOSSAMER_CHECK(whole->has_value() == (expected->more == 0), "whole too early, or not at all");
    if (!whole->has_value()) continue;
    GOSSAMER_CHECK((*whole)->blobs_size() == static_cast<int>(expected->blobs.size()), "blobs are missing");
    for (int i = 0; i < (*whole)->blobs_size(); ++i)
      GOSSAMER_CHECK((*whole)->blobs(i) == expected->blobs[static_cast<std::size_t>(i)], "other blobs");
    expected.reset();
  }
  return 0;
}

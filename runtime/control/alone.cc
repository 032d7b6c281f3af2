#include "runtime/control/alone.h"

namespace gossamer::runtime {
namespace {

class Alone final : public QuietControl {
 public:
  Status agree(std::string_view, std::span<const Field>, std::uint64_t) override { return {}; }
  Result<std::vector<Blob>> agree_and_gather(std::string_view, std::span<const Field>, const Contribution& mine,
                                             std::uint64_t) override {
    if (mine.trouble) return *mine.trouble;
    return std::vector<Blob>{mine.blob};
  }
  Result<std::vector<Blob>> all_gather(std::string_view, const Blob& mine, std::uint64_t) override {
    return std::vector<Blob>{mine};
  }
};

}  // namespace

std::unique_ptr<Control> make_control_alone() { return std::make_unique<Alone>(); }

}  // namespace gossamer::runtime

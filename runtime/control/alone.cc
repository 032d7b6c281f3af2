#include "runtime/control/alone.h"

#include "runtime/control/members.h"

namespace gossamer::runtime {
namespace {

class Alone final : public QuietControl {
 public:
  Result<std::vector<Blob>> agree_among(std::span<const Rank> members, std::string_view subject, std::span<const Field>,
                                        const Contribution& mine, std::uint64_t) override {
    GOSSAMER_TRY(members_of(subject, members, {Rank{0}, 1}));
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

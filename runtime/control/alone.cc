#include "runtime/control/alone.h"

#include "runtime/control/collect.h"
#include "runtime/control/members.h"

namespace gossamer::runtime {
namespace {

class Alone final : public QuietControl {
 public:
  Result<std::vector<Blob>> agree_among(std::span<const Rank> members, std::string_view subject, std::span<const Field>,
                                        const Contribution& mine, std::uint64_t) override {
    GOSSAMER_TRY(members_of(subject, members, {Rank{0}, 1}));
    if (const auto lost = loss()) return loss_error(subject, *lost);
    if (mine.trouble) return *mine.trouble;
    return std::vector<Blob>{mine.blob};
  }
  Result<std::vector<Blob>> all_gather(std::string_view subject, const Blob& mine, std::uint64_t) override {
    if (const auto lost = loss()) return loss_error(subject, *lost);
    return std::vector<Blob>{mine};
  }
  [[nodiscard]] std::optional<Loss> loss() const override {
    if (!is_aborted_.load(std::memory_order_acquire)) return std::nullopt;
    return Loss{.rank = Rank{0}, .reason = std::string(abort_reason), .given_up = true, .aborted = true};
  }
  [[nodiscard]] std::vector<Loss> losses(std::size_t known) const override {
    const auto lost = known == 0 ? loss() : std::nullopt;
    return lost ? std::vector<Loss>{*lost} : std::vector<Loss>();
  }
  void abort() override { is_aborted_.store(true, std::memory_order_release); }

 private:
  std::atomic<bool> is_aborted_{false};
};

}  // namespace

std::unique_ptr<Control> make_control_alone() { return std::make_unique<Alone>(); }

}  // namespace gossamer::runtime

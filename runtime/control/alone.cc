#include "runtime/control/alone.h"

namespace gossamer::runtime {
namespace {

class Alone final : public Control {
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
  [[nodiscard]] std::optional<Loss> loss() const override { return std::nullopt; }
  [[nodiscard]] int event_descriptor() const override { return -1; }
  void watch(std::shared_ptr<const std::atomic<std::uint32_t>>) override {}
  void settle(std::uint64_t, const std::function<bool()>&) override {}
  void leave() override {}
  [[nodiscard]] std::uint64_t bytes_sent() const override { return 0; }
};

}  // namespace

std::unique_ptr<Control> make_control_alone() { return std::make_unique<Alone>(); }

}  // namespace gossamer::runtime

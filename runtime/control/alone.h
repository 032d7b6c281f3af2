// Control planes without a network.
#pragma once

#include <memory>

#include "base/base.h"
#include "runtime/control/control.h"

namespace gossamer::runtime {

// Nobody dies, leaves, aborts or is waited for, and nothing is sent: what is left to say is how ranks agree.
class QuietControl : public Control {
 public:
  [[nodiscard]] std::optional<Loss> loss() const override { return std::nullopt; }
  [[nodiscard]] std::vector<Loss> losses(std::size_t) const override { return {}; }
  [[nodiscard]] int event_descriptor() const override { return -1; }
  void watch(std::shared_ptr<const std::atomic<std::uint32_t>>) override {}
  void settle(std::uint64_t, const std::function<bool()>&) override {}
  void abort() override {}
  void leave() override {}
  [[nodiscard]] std::uint64_t bytes_sent() const override { return 0; }
};

// Of a session with one rank: every call succeeds at once.
[[nodiscard]] std::unique_ptr<Control> make_control_alone();

}  // namespace gossamer::runtime

#include "runtime/bootstrap/torchrun.h"

#include <charconv>
#include <cstdlib>

#include "runtime/bootstrap/folder.h"

namespace gossamer::runtime {
namespace {

class TorchrunBootstrap final : public Bootstrap {
 public:
  explicit TorchrunBootstrap(LaunchedPlace place) : place_(std::move(place)) {}
  std::string name() const override { return "torchrun's variables"; }
  Rank rank() const override { return Rank{place_.rank}; }
  std::uint32_t rank_count() const override { return place_.rank_count; }
  std::string job() const override { return {}; }
  bool is_one_host() const override { return false; }
  // Without MASTER_ADDR, where the settings say.
  std::optional<Meeting> meeting() override {
    Meeting meeting;
    if (const auto rendezvous = beside_master()) {
      meeting.rendezvous = *rendezvous;
      meeting.advice = torchrun_advice;
    }
    return meeting;
  }
  Result<std::string> broadcast(std::string_view, std::uint64_t) override {
    return Error{Code::internal, "torchrun's variables carry no words"};
  }

 private:
  const LaunchedPlace place_;
};

}  // namespace

std::optional<std::string> beside_master() {
  const char* const host = std::getenv("MASTER_ADDR");
  const char* const port = std::getenv("MASTER_PORT");
  if (host == nullptr || port == nullptr) return std::nullopt;
  const std::string_view name(host), digits(port);
  std::uint16_t value = 0;
  const auto [at, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool bare_v6 = name.find(':') != std::string_view::npos && !name.starts_with('[');
  const std::string where = bare_v6 ? text("[", name, "]:") : text(name, ":");
  if (error != std::errc{} || at != digits.data() + digits.size() || value == 0) return text(where, digits);
  return text(where, value == 65535 ? value - 1 : value + 1);
}

std::optional<LaunchedPlace> torchrun_place() { return place_of("RANK", "WORLD_SIZE"); }

std::optional<std::string> torchrun_signs() {
  if (!torchrun_place()) return std::nullopt;
  return "RANK and WORLD_SIZE are set";
}

Result<std::unique_ptr<Bootstrap>> make_torchrun_bootstrap(const BootstrapRequest& request) {
  const auto place = torchrun_place();
  if (!place) return Error{Code::invalid_argument, "RANK or WORLD_SIZE is no number"};
  if (!request.folder.empty())
    return make_folder_bootstrap({text("torchrun's variables and the folder ", request.folder), request.folder,
                                  request.job, *place, launch_number("LOCAL_WORLD_SIZE") == place->rank_count});
  return std::unique_ptr<Bootstrap>(std::make_unique<TorchrunBootstrap>(*place));
}

}  // namespace gossamer::runtime

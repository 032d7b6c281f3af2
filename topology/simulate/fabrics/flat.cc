// Flat: one switch that never is what anybody waits for, so nothing is shared but the adapters.
#include "topology/simulate/fabrics.h"

namespace gossamer::topology {
namespace {

class Flat final : public Fabric {
 public:
  explicit Flat(std::uint32_t hosts) {
    host_count_ = hosts;
    description_ = text("flat, ", hosts, " hosts");
  }
  std::uint32_t node_of(std::uint32_t) const override { return 0; }
  std::uint32_t next_link(std::uint32_t, std::uint32_t) const override { return no_link; }
  std::string node_name(std::uint32_t) const override { return "switch"; }
};

}  // namespace

Result<std::unique_ptr<Fabric>> make_flat(FabricWords words, const FabricDefaults& defaults) {
  GOSSAMER_TRY(words.finish());
  return std::unique_ptr<Fabric>(std::make_unique<Flat>(defaults.ranks));
}

}  // namespace gossamer::topology

// Goal: any text is refused with its line, or is a fabric whose cables have two ends that say the same. Method: what
// parses is walked from each port to the other end and back; its slow cables and leaves are asked for.
#include "fuzz.h"
#include "topology/measure/ibnetdiscover.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gossamer;
  fuzz::Input input(data, size);
  const auto fabric = topology::parse_ibnetdiscover(fuzz::as_text(input.take_rest()), "NAME");
  if (!fabric.ok()) {
    fuzz::check_refusal(fabric.error(), Code::malformed);
    GOSSAMER_CHECK(fabric.error().message.starts_with("NAME:"), "a refusal that does not say of what");
    return 0;
  }
  for (std::uint32_t n = 0; n < fabric->nodes.size(); ++n) {
    for (const topology::IbPort& port : fabric->nodes[n].ports) {
      GOSSAMER_CHECK(port.number <= fabric->nodes[n].port_count, "a port beyond the last");
      bool is_mutual = false;
      for (const topology::IbPort& back : fabric->nodes.at(port.peer).ports)
        is_mutual |= back.number == port.peer_port && back.peer == n && back.peer_port == port.number;
      GOSSAMER_CHECK(is_mutual, "a cable with one end");
    }
    static_cast<void>(fabric->leaf_of(fabric->nodes[n].name()));
  }
  static_cast<void>(topology::slow_cables(*fabric));
  return 0;
}

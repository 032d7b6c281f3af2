// Goal: any text is refused with a reason, or is a fabric on which every host reaches every other. Method: routes
// between the first hosts are followed to their end.
#include "fuzz.h"
#include "topology/simulate/simulate.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gossamer;
  fuzz::Input input(data, size);
  const Result<std::unique_ptr<topology::Fabric>> made = topology::parse_fabric(fuzz::as_text(input.take_rest()));
  if (!made.ok()) {
    fuzz::check_refusal(made.error(), Code::malformed);
    return 0;
  }
  const topology::Fabric& fabric = **made;
  GOSSAMER_CHECK(fabric.host_count() > 0, "a fabric without hosts");
  for (const topology::Link& link : fabric.links()) {
    GOSSAMER_CHECK(link.link_class < fabric.class_names().size(), "a link of no class");
    GOSSAMER_CHECK(link.ns_per_byte > 0 && link.latency_ns >= 0, "a link that takes no time");
  }
  const std::uint32_t hosts = std::min(fabric.host_count(), 32u);
  for (std::uint32_t from = 0; from < hosts; ++from) {
    for (std::uint32_t to = 0; to < hosts; ++to) {
      std::uint32_t node = fabric.node_of(from);
      std::size_t hops = 0;
      for (std::uint32_t link; (link = fabric.next_link(node, to)) != topology::no_link; ++hops) {
        GOSSAMER_CHECK(link < fabric.links().size() && fabric.links()[link].from == node,
                       "a link that does not leave here");
        GOSSAMER_CHECK(hops <= fabric.links().size(), "a route without end");
        node = fabric.links()[link].to;
      }
      GOSSAMER_CHECK(node == fabric.node_of(to), "a route that ends elsewhere");
    }
  }
  return 0;
}

// Goal: any text is refused with its line, or is a topology file that can be written and read back. Method: what parses
// is formatted and parsed again; from then on the two texts are equal, and the promised bounds hold.
#include "fuzz.h"
#include "topology/topology_file.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gossamer;
  fuzz::Input input(data, size);
  const auto file = topology::parse_topology_file(fuzz::as_text(input.take_rest()), "PATH");
  if (!file.ok()) {
    fuzz::check_refusal(file.error(), Code::malformed);
    GOSSAMER_CHECK(file.error().message.starts_with("PATH:"), "a refusal that does not say of what");
    return 0;
  }
  GOSSAMER_CHECK(!file->hosts.empty() && file->cost.far_links > 0, "a file of nothing");
  for (const std::string& host : file->hosts) GOSSAMER_CHECK(!host.empty(), "a rank without a host");
  for (std::uint32_t position = 0; position < file->hosts.size(); ++position) {
    const Rank rank = file->order.at(position);
    GOSSAMER_CHECK(rank.value < file->hosts.size() && file->order.position_of(rank) == position, "no order");
  }
  const std::string text = topology::format_topology_file(*file);
  const auto again = topology::parse_topology_file(text, "PATH");
  GOSSAMER_CHECK(again.ok(), again.error().message);
  GOSSAMER_CHECK(again->rules == file->rules && again->hosts == file->hosts && again->order == file->order,
                 "a file that is not read back as it was written");
  GOSSAMER_CHECK(topology::format_topology_file(*again) == text, "a file that changes each time it is written");
  return 0;
}

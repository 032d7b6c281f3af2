// Who of 18 women in a town of the American South went to which of 14 events (Davis, Gardner, Gardner 1941): women are
// the ranks 0 to 17, events 18 to 31, and nobody mixes with her like. A usual graph of papers on gossip.
#include <array>
#include <string_view>

#include "topology/graph_writer.h"

namespace gossamer::topology {

Status write_southern_women(const GraphRequest&, GraphWriter& writer) {
  constexpr std::array<std::string_view, 18> went = {
      "xxxxxx.xx.....",  // Evelyn
      "xxx.xxxx......",  // Laura
      ".xxxxxxxx.....",  // Theresa
      "x.xxxxxx......",  // Brenda
      "..xxx.x.......",  // Charlotte
      "..x.xx.x......",  // Frances
      "....xxxx......",  // Eleanor
      ".....x.xx.....",  // Pearl
      "....x.xxx.....",  // Ruth
      "......xxx..x..",  // Verne
      ".......xxx.x..",  // Myra
      ".......xxx.xxx",  // Katherina
      "......xxxx.xxx",  // Sylvia
      ".....xx.xxxxxx",  // Nora
      "......xx.xxx..",  // Helen
      ".......xx.....",  // Dorothy
      "........x.x...",  // Olivia
      "........x.x...",  // Flora
  };
  writer.begin_round();
  for (std::uint32_t woman = 0; woman < went.size(); ++woman) {
    for (std::uint32_t event = 0; event < went[woman].size(); ++event) {
      if (went[woman][event] == 'x') writer.join(woman, static_cast<std::uint32_t>(went.size()) + event);
    }
  }
  writer.weigh_by_degree();
  return {};
}

}  // namespace gossamer::topology

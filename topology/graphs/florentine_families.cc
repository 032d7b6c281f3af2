// Marriages between Florentine families of the 15th century (Padgett; Breiger and Pattison 1986), without the Pucci,
// who married none of them. Ranks by the alphabet:
//
//   0 Acciaiuoli  1 Albizzi       2 Barbadori  3 Bischeri  4 Castellani  5 Ginori    6 Guadagni   7 Lamberteschi
//   8 Medici      9 Pazzi        10 Peruzzi   11 Ridolfi  12 Salviati   13 Strozzi  14 Tornabuoni
#include "topology/graph_writer.h"

namespace gossamer::topology {

Status write_florentine_families(const GraphRequest&, GraphWriter& writer) {
  constexpr std::uint32_t pairs[][2] = {{0, 8},  {1, 5},  {1, 6},  {1, 8},   {2, 4},   {2, 8},  {3, 6},
                                        {3, 10}, {3, 13}, {4, 10}, {4, 13},  {6, 7},   {6, 14}, {8, 11},
                                        {8, 12}, {8, 14}, {9, 12}, {10, 13}, {11, 13}, {11, 14}};
  writer.begin_round();
  for (const auto& [one, other] : pairs) writer.join(one, other);
  writer.weigh_by_degree();
  return {};
}

}  // namespace gossamer::topology

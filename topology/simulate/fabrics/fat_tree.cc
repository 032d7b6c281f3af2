// A fat tree of 1 to 3 levels of switches, as an extended generalised fat tree (Öhring and others 1995). Level l has
// children[l] below each switch and parents[l] above each child; for radix 4 and no oversubscription:
//
//   level 3   core          0   1   2   3         parents[3] = 2     each spine has 2 cores above it
//                          /|\ /|\ /|\ /|\        children[3] = 4    pods
//   level 2   spine     0 1   2 3   4 5   6 7     parents[2] = 2     each leaf has 2 spines above it, those of its pod
//                       |X|   |X|   |X|   |X|     children[2] = 2    leaves of a pod
//   level 1   leaf      0 1   2 3   4 5   6 7     parents[1] = 1     each host has one leaf
//             hosts    .. ..                      children[1] = 2
//
// A switch of level l is a row of digits: i <= l counts parents, i > l counts children; neighbours differ in one digit.
// On the way up the destination's digits choose the parent (D-mod-k, Zahavi 2012): a shift of all hosts, and each step
// of a butterfly, meets nobody on a tree without oversubscription. The hosts' own cables are their adapters.
#include <algorithm>
#include <array>

#include "topology/simulate/fabrics.h"

namespace gossamer::topology {
namespace {

constexpr std::uint32_t levels_max = 3;
constexpr std::array<const char*, levels_max + 1> level_names = {"host", "leaf", "spine", "core"};

struct FatTreeShape {
  std::uint32_t levels = 1;
  std::array<std::uint32_t, levels_max + 1> children = {1, 1, 1, 1};
  std::array<std::uint32_t, levels_max + 1> parents = {1, 1, 1, 1};
};

class FatTree final : public Fabric {
 public:
  FatTree(const FatTreeShape& shape, const FabricDefaults& link, std::string description) : shape_(shape) {
    for (std::uint32_t level = 1; level <= levels_max; ++level) {
      below_[level] = below_[level - 1] * shape.children[level];
      ways_[level] = ways_[level - 1] * shape.parents[level];
    }
    host_count_ = below_[shape.levels];
    description_ = std::move(description);
    std::uint32_t nodes = 0;
    for (std::uint32_t level = 1; level <= shape.levels; ++level) {
      first_[level] = nodes;
      nodes += ways_[level] * (host_count_ / below_[level]);
    }
    first_[shape.levels + 1] = nodes;
    for (std::uint32_t level = 1; level < shape.levels; ++level) {
      class_names_.push_back(text(level_names.at(level), " up"));
      class_names_.push_back(text(level_names.at(level), " down"));
      first_up_[level] = static_cast<std::uint32_t>(links_.size());
      for (std::uint32_t i = 0; i < switches(level); ++i) {
        for (std::uint32_t p = 0; p < shape.parents[level + 1]; ++p) {
          links_.push_back({first_[level] + i, first_[level + 1] + parent(level, i, p), 2 * (level - 1),
                            link.ns_per_byte, link.latency_ns});
        }
      }
      first_down_[level] = static_cast<std::uint32_t>(links_.size());
      for (std::uint32_t i = 0; i < switches(level + 1); ++i) {
        for (std::uint32_t c = 0; c < shape.children[level + 1]; ++c) {
          links_.push_back({first_[level + 1] + i, first_[level] + child(level + 1, i, c), 2 * (level - 1) + 1,
                            link.ns_per_byte, link.latency_ns});
        }
      }
    }
  }

  std::uint32_t node_of(std::uint32_t host) const override { return host / below_[1]; }

  std::uint32_t next_link(std::uint32_t node, std::uint32_t host) const override {
    const std::uint32_t level = level_of(node);
    const std::uint32_t i = node - first_[level];
    if (i / ways_[level] != host / below_[level]) {  // not above the host
      return first_up_[level] + i * shape_.parents[level + 1] + host / ways_[level] % shape_.parents[level + 1];
    }
    if (level == 1) return no_link;
    return first_down_[level - 1] + i * shape_.children[level] + host / below_[level - 1] % shape_.children[level];
  }

  std::string node_name(std::uint32_t node) const override {
    const std::uint32_t level = level_of(node);
    return text(level_names.at(level), " ", node - first_[level]);
  }

 private:
  std::uint32_t switches(std::uint32_t level) const { return first_[level + 1] - first_[level]; }
  std::uint32_t level_of(std::uint32_t node) const {
    std::uint32_t level = 1;
    while (level < shape_.levels && node >= first_[level + 1]) ++level;
    return level;
  }
  std::uint32_t parent(std::uint32_t level, std::uint32_t i, std::uint32_t p) const {
    const std::uint32_t high = i / ways_[level] / shape_.children[level + 1];
    return i % ways_[level] + ways_[level] * (p + shape_.parents[level + 1] * high);
  }
  std::uint32_t child(std::uint32_t level, std::uint32_t i, std::uint32_t c) const {
    return i % ways_[level - 1] + ways_[level - 1] * (c + shape_.children[level] * (i / ways_[level]));
  }

  FatTreeShape shape_;
  std::array<std::uint32_t, levels_max + 1> below_ = {1, 1, 1, 1};  // hosts below a switch of this level
  std::array<std::uint32_t, levels_max + 1> ways_ = {1, 1, 1, 1};   // switches of this level above one host
  std::array<std::uint32_t, levels_max + 2> first_ = {};            // node of each level
  std::array<std::uint32_t, levels_max + 1> first_up_ = {};         // links from this level up, and down to it
  std::array<std::uint32_t, levels_max + 1> first_down_ = {};
};

}  // namespace

Result<std::unique_ptr<Fabric>> make_fat_tree(FabricWords words, const FabricDefaults& defaults) {
  const FabricDefaults link = take_link(words, defaults);
  const std::uint32_t radix = words.take("radix", 64, 2, 1024);
  if (radix % 2 != 0) words.refuse(text("radix=", radix, " is odd: half of the ports go up"));
  const std::uint32_t half = radix / 2;
  std::uint32_t levels = 1;
  for (std::uint64_t room = radix; levels < levels_max && room < defaults.ranks; room *= half) ++levels;
  levels = words.take("levels", levels, 1, levels_max);
  const std::uint32_t times = words.take("oversubscription", 1, 1, half);
  if (half % times != 0)
    words.refuse(text("oversubscription=", times, " does not divide the ", half, " ports of a leaf"));
  GOSSAMER_TRY(words.finish());

  FatTreeShape shape;
  shape.levels = levels;
  shape.children = {1, levels == 1 ? radix : half, levels == 2 ? radix : half, radix};
  shape.parents = {1, 1, half / times, half};
  std::uint64_t room = 1;
  for (std::uint32_t level = 1; level < levels; ++level) room *= shape.children[level];
  // As many of the parts that the highest level joins as the ranks need.
  const std::uint64_t parts = (defaults.ranks + room - 1) / room;
  if (parts > shape.children[levels]) {
    return Error{Code::invalid_argument,
                 text("a fat-tree of ", levels, levels == 1 ? " level" : " levels", " and radix ", radix, " has ",
                      room * shape.children[levels], " hosts, too few for ", defaults.ranks, " ranks")};
  }
  shape.children[levels] = static_cast<std::uint32_t>(parts);
  return std::unique_ptr<Fabric>(
      std::make_unique<FatTree>(shape, link,
                                text("fat-tree of ", levels, levels == 1 ? " level" : " levels", ", radix ", radix,
                                     ", oversubscription ", times, ", ", room * parts, " hosts")));
}

}  // namespace gossamer::topology

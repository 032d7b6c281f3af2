// Fabrics from words: "fat-tree:radix=64,oversubscription=4".
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "topology/simulate/fabrics.h"

namespace gossamer::topology {
namespace {

struct KindOfFabric {
  FabricKind kind;
  std::string_view form;
  FabricMaker* make;
};
constexpr std::array<KindOfFabric, 4> kinds_of_fabric = {{
    {{"flat", "every host linked to every other: nothing is shared but the hosts' adapters"}, "flat", &make_flat},
    {{"fat-tree", "switches of `radix` ports in 1 to 3 levels, leaves with that many times fewer ports up than down"},
     "fat-tree:radix=PORTS,levels=1..3,oversubscription=TIMES,bandwidth=GBIT_PER_S,latency=NS",
     &make_fat_tree},
    {{"dragonfly", "groups of linked routers; between groups one global link, or several; the shortest route"},
     "dragonfly:hosts=PER_ROUTER,routers=PER_GROUP,globals=PER_ROUTER,bandwidth=GBIT_PER_S,latency=NS",
     &make_dragonfly},
    {{"torus", "a ring of hosts in each of 1 to 6 dimensions, which a message goes through one after the other"},
     "torus:XxYxZ,bandwidth=GBIT_PER_S,latency=NS",
     &make_torus},
}};

constexpr auto fabric_kind_table = [] {
  std::array<FabricKind, kinds_of_fabric.size()> all;
  for (std::size_t i = 0; i < all.size(); ++i) all.at(i) = kinds_of_fabric.at(i).kind;
  return all;
}();

template <typename Number>
std::optional<Number> whole(std::string_view words) {
  Number value = 0;
  const auto [end, error] = std::from_chars(words.data(), words.data() + words.size(), value);
  if (words.empty() || error != std::errc{} || end != words.data() + words.size()) return std::nullopt;
  return value;
}

}  // namespace

Result<FabricWords> FabricWords::parse(std::string_view words, std::string_view form) {
  FabricWords parsed;
  parsed.form_ = form;
  while (!words.empty()) {
    const std::size_t end = std::min(words.find(','), words.size());
    const std::string_view word = words.substr(0, end);
    words.remove_prefix(std::min(end + 1, words.size()));
    const std::size_t equals = word.find('=');
    const bool bare = equals == std::string_view::npos;
    const Word next = {bare ? std::string_view() : word.substr(0, equals), bare ? word : word.substr(equals + 1)};
    if (!bare && parsed.find(next.key) != nullptr) parsed.refuse(text(next.key, " stands twice"));
    parsed.words_.push_back(next);
  }
  GOSSAMER_TRY(parsed.finish_reading());
  return parsed;
}

Status FabricWords::finish_reading() const {
  if (wrong_.empty()) return {};
  return Error{Code::invalid_argument, text(wrong_, "; expected ", form_)};
}

FabricWords::Word* FabricWords::find(std::string_view key) {
  const auto found = std::find_if(words_.begin(), words_.end(), [&](const Word& word) { return word.key == key; });
  return found == words_.end() ? nullptr : &*found;
}

bool FabricWords::has(std::string_view key) const {
  return std::any_of(words_.begin(), words_.end(), [&](const Word& word) { return word.key == key; });
}

void FabricWords::refuse(std::string what) {
  if (wrong_.empty()) wrong_ = std::move(what);
}

std::uint32_t FabricWords::take(std::string_view key, std::uint32_t otherwise, std::uint32_t least,
                                std::uint32_t most) {
  Word* word = find(key);
  if (word == nullptr) return otherwise;
  word->taken = true;
  const auto value = whole<std::uint32_t>(word->value);
  if (value && *value >= least && *value <= most) return *value;
  refuse(text(key, "=", word->value, " is not from ", least, " to ", most));
  return otherwise;
}

double FabricWords::take_fraction(std::string_view key, double otherwise, double least, double most) {
  Word* word = find(key);
  if (word == nullptr) return otherwise;
  word->taken = true;
  const auto value = whole<double>(word->value);
  if (value && *value >= least && *value <= most) return *value;
  refuse(text(key, "=", word->value, " is not from ", least, " to ", most));
  return otherwise;
}

std::optional<std::string_view> FabricWords::take_bare() {
  for (Word& word : words_) {
    if (word.taken || !word.key.empty()) continue;
    word.taken = true;
    return word.value;
  }
  return std::nullopt;
}

Status FabricWords::finish() const {
  GOSSAMER_TRY(finish_reading());
  for (const Word& word : words_) {
    if (word.taken) continue;
    return Error{Code::invalid_argument,
                 text("unknown word \"", word.key.empty() ? word.value : word.key, "\"; expected ", form_)};
  }
  return {};
}

FabricDefaults take_link(FabricWords& words, FabricDefaults defaults) {
  constexpr double bits = 8;  // ns for a byte at 1 Gbit/s
  if (words.has("bandwidth")) defaults.ns_per_byte = bits / words.take_fraction("bandwidth", 1, 1e-3, 1e6);
  defaults.latency_ns = words.take_fraction("latency", defaults.latency_ns, 0, 1e9);
  return defaults;
}

std::span<const FabricKind> fabric_kinds() { return fabric_kind_table; }

Result<std::unique_ptr<Fabric>> make_fabric(std::string_view words, const FabricDefaults& defaults) {
  const std::size_t colon = std::min(words.find(':'), words.size());
  const std::string_view name = words.substr(0, colon);
  if (defaults.ranks == 0 || defaults.ranks > rank_count_max) {
    return Error{Code::invalid_argument, text("a fabric is for 1 to ", rank_count_max, " ranks, not ", defaults.ranks)};
  }
  std::string known;
  for (const KindOfFabric& each : kinds_of_fabric) {
    if (each.kind.name == name) {
      const Result<FabricWords> parsed = FabricWords::parse(words.substr(std::min(colon + 1, words.size())), each.form);
      if (!parsed) return parsed.error();
      return each.make(*parsed, defaults);
    }
    known += text(known.empty() ? "" : ", ", each.kind.name);
  }
  return Error{Code::invalid_argument, text("unknown fabric \"", name, "\": expected one of ", known)};
}

}  // namespace gossamer::topology

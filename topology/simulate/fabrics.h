// Private to `topology/simulate`: the fabrics that words name, one file each in fabrics/.
#pragma once

#include <optional>

#include "topology/simulate/simulate.h"

namespace gossamer::topology {

// What stands behind "KIND:": "a=1,b=2", and words without "=". Each is taken once; what nobody took is an error.
class FabricWords {
 public:
  // `form`: what is expected, for the error.
  [[nodiscard]] static Result<FabricWords> parse(std::string_view words, std::string_view form);

  // The number behind "key=", from least to most; `otherwise` where it was not given.
  [[nodiscard]] std::uint32_t take(std::string_view key, std::uint32_t otherwise, std::uint32_t least,
                                   std::uint32_t most);
  [[nodiscard]] double take_fraction(std::string_view key, double otherwise, double least, double most);
  [[nodiscard]] std::optional<std::string_view> take_bare();  // the next word without "="
  [[nodiscard]] bool has(std::string_view key) const;
  // The first thing that was wrong, with `form`.
  [[nodiscard]] Status finish() const;
  void refuse(std::string what);  // the first counts

 private:
  struct Word {
    std::string_view key;  // empty: a bare one
    std::string_view value;
    bool taken = false;
  };
  [[nodiscard]] Word* find(std::string_view key);
  [[nodiscard]] Status finish_reading() const;

  std::string_view form_;
  std::vector<Word> words_;
  std::string wrong_;
};

// bandwidth=GBIT_PER_S and latency=NS, which all have, taken out of the words.
[[nodiscard]] FabricDefaults take_link(FabricWords& words, FabricDefaults defaults);

// Hosts and links that one description may have.
inline constexpr std::uint32_t fabric_hosts_max = 1u << 17;
inline constexpr std::uint32_t fabric_links_max = 1u << 22;

using FabricMaker = Result<std::unique_ptr<Fabric>>(FabricWords words, const FabricDefaults& defaults);
FabricMaker make_flat, make_fat_tree, make_dragonfly, make_torus;

}  // namespace gossamer::topology

// Names that stand for numbers: what a setting or an option may be.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/base.h"

namespace gossamer::runtime {

struct Choice {
  std::string_view name;  // as people write it
  std::int32_t number;    // in gossamer.h

  friend bool operator==(const Choice&, const Choice&) = default;
};

// Null where there is none of this name or number.
[[nodiscard]] inline const Choice* find_choice(std::span<const Choice> choices, std::string_view name) {
  const auto found =
      std::find_if(choices.begin(), choices.end(), [&](const Choice& each) { return each.name == name; });
  return found != choices.end() ? &*found : nullptr;
}
[[nodiscard]] inline const Choice* find_choice(std::span<const Choice> choices, std::int32_t number) {
  const auto found =
      std::find_if(choices.begin(), choices.end(), [&](const Choice& each) { return each.number == number; });
  return found != choices.end() ? &*found : nullptr;
}

// "f32", "f32 or i16", "f32, bf16 or f16"; `words_of` gives the words of one.
template <typename Things, typename WordsOf>
[[nodiscard]] std::string alternatives(const Things& things, WordsOf words_of) {
  std::string out;
  std::size_t left = things.size();
  for (const auto& each : things) {
    append(out, words_of(each));
    if (--left > 0) out += left == 1 ? " or " : ", ";
  }
  return out;
}

}  // namespace gossamer::runtime

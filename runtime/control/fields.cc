#include "runtime/control/fields.h"

#include <algorithm>

namespace gossamer::runtime {
namespace {

const Field* find_field(std::span<const Field> fields, std::string_view name) {
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const Field& field) { return field.name == name; });
  return found == fields.end() ? nullptr : &*found;
}

}  // namespace

std::optional<std::string> first_difference(const RankFields& a, const RankFields& b) {
  for (const Field& mine : a.fields) {
    const Field* other = find_field(b.fields, mine.name);
    if (other == nullptr) {
      return text(shown(mine.name), ": rank ", a.rank.value, " has ", shown(mine.value), ", rank ", b.rank.value,
                  " does not have this field");
    }
    if (other->value != mine.value) {
      return text(shown(mine.name), ": rank ", a.rank.value, " has ", shown_against(mine.value, other->value),
                  ", rank ", b.rank.value, " has ", shown_against(other->value, mine.value));
    }
  }
  for (const Field& other : b.fields) {
    if (find_field(a.fields, other.name) == nullptr) {
      return text(shown(other.name), ": rank ", a.rank.value, " does not have this field, rank ", b.rank.value, " has ",
                  shown(other.value));
    }
  }
  return std::nullopt;
}

std::string name_ranks(std::span<const Rank> ranks) {
  std::string out = ranks.size() == 1 ? "rank " : "ranks ";
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    if (i > 0) out += i + 1 == ranks.size() ? " and " : ", ";
    out += std::to_string(ranks[i].value);
  }
  return out;
}

namespace {
constexpr std::size_t length_max = 200;
}  // namespace

std::string shown_against(std::string_view words, std::string_view other) {
  constexpr std::size_t before_max = 60;  // of what is equal
  const auto differs = std::mismatch(words.begin(), words.end(), other.begin(), other.end()).first;
  const auto at = static_cast<std::size_t>(differs - words.begin());
  if (words.size() <= length_max || at < length_max - before_max) return shown(words);
  return text("...", shown(words.substr(at - before_max)));
}

std::string shown(std::string_view words) {
  if (words.empty()) return "(empty)";
  std::string out(words.substr(0, length_max));
  for (char& c : out) {
    if (c < ' ' || c > '~') c = '?';
  }
  if (words.size() > length_max) out += "...";
  return out;
}

}  // namespace gossamer::runtime

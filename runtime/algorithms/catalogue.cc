#include "runtime/algorithms/catalogue.h"

#include <algorithm>
#include <array>

namespace gossamer::runtime {
namespace {

#define GOSSAMER_ALGORITHM_ROW(name, ...) &row_of_##name,
constexpr std::array rows = {GOSSAMER_ALGORITHM_TABLE(GOSSAMER_ALGORITHM_ROW)};
#undef GOSSAMER_ALGORITHM_ROW

#define GOSSAMER_ALGORITHM_KIND(name, ...) AlgorithmKind::name,
constexpr std::array kinds = {GOSSAMER_ALGORITHM_TABLE(GOSSAMER_ALGORITHM_KIND)};
#undef GOSSAMER_ALGORITHM_KIND

template <typename Is>
const AlgorithmRow* find(const Is& is) {
  const auto found = std::find_if(rows.begin(), rows.end(), is);
  return found != rows.end() ? *found : nullptr;
}

}  // namespace

std::span<const AlgorithmKind> all_algorithms() { return kinds; }

const AlgorithmRow* find_algorithm(std::int64_t number) {
  return find([&](const AlgorithmRow* row) { return static_cast<std::int64_t>(row->kind) == number; });
}

const AlgorithmRow* find_algorithm(std::string_view name) {
  return find([&](const AlgorithmRow* row) { return row->name == name; });
}

const AlgorithmRow& row_of(AlgorithmKind kind) {
  const AlgorithmRow* const row = find_algorithm(static_cast<std::int64_t>(kind));
  GOSSAMER_CHECK(row != nullptr, "no such algorithm");
  return *row;
}

}  // namespace gossamer::runtime

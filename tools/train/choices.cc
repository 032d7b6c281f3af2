#include "tools/train/choices.h"

#include <algorithm>
#include <map>

#include "sketch/sketch.h"
#include "topology/topology.h"

namespace gossamer::tools {
namespace {

using runtime::Choice;
using ChoicesByField = std::map<std::string_view, std::vector<Choice>, std::less<>>;

template <typename Kind>
std::int32_t number_of(Kind kind) {
  return static_cast<std::int32_t>(kind);
}

bool is_value_of_any(sketch::CellType type) {
  const auto kinds = runtime::all_algorithms();
  return std::any_of(kinds.begin(), kinds.end(), [&](runtime::AlgorithmKind kind) {
    const auto values = runtime::row_of(kind).values;
    return std::find(values.begin(), values.end(), type) != values.end();
  });
}

ChoicesByField all_choices() {
  ChoicesByField all;
  for (const runtime::AlgorithmKind kind : runtime::all_algorithms())
    all["algorithm"].push_back({algorithm_name(kind), number_of(kind)});
  all["schedule"] = {{"auto", 0}};
  for (const topology::ScheduleKind kind : topology::all_schedules())
    all["schedule"].push_back({schedule_kind_name(kind), number_of(kind)});
  for (const sketch::CellType type : sketch::wire_cell_types()) {
    const Choice choice{cell_type_name(type), number_of(type)};
    all["cells"].push_back(choice);
    if (is_value_of_any(type)) all["values"].push_back(choice);
  }
  for (const runtime::OptionRow& option : runtime::all_options)
    all[option.field].assign(option.choices.begin(), option.choices.end());
  return all;
}

const std::vector<Choice>& choices_of(std::string_view field) {
  const std::vector<Choice>* const choices = find_choices(field);
  GOSSAMER_CHECK(choices != nullptr, "a field that takes names");
  return *choices;
}

}  // namespace

const std::vector<Choice>* find_choices(std::string_view field) {
  static const ChoicesByField all = all_choices();
  const auto found = all.find(field);
  return found != all.end() ? &found->second : nullptr;
}

std::vector<std::string> choice_names(std::string_view field) {
  std::vector<std::string> names;
  for (const Choice& choice : choices_of(field)) names.emplace_back(choice.name);
  return names;
}

std::string choice_words(std::string_view field) {
  return runtime::alternatives(choices_of(field), [](const Choice& choice) { return choice.name; });
}

std::int32_t choice_number(std::string_view field, std::string_view name) {
  const Choice* const choice = runtime::find_choice(choices_of(field), name);
  GOSSAMER_CHECK(choice != nullptr, text("no ", field, " is named ", name));
  return choice->number;
}

}  // namespace gossamer::tools

// What the user says about schedules (GOSSAMER_SCHEDULE), read once, when a session is joined.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/base.h"
#include "runtime/control/control.h"
#include "topology/schedule_rules.h"

namespace gossamer::runtime {

struct UserSchedules {
  topology::ScheduleRules rules;
  std::map<std::string, topology::Schedule> files;  // of the rules, by path
  // What ranks compare: the rules' text, and for each file the hash of its bytes, or why there are none.
  std::vector<Field> fields;
  // `unavailable`: a file cannot be read; `invalid_argument`: it holds no schedule. The same on all ranks that agree on
  // the fields.
  std::optional<Error> trouble;
};

// `setting`: what parse_schedule_rules takes; empty: no rules.
[[nodiscard]] UserSchedules read_user_schedules(const std::string& setting);

}  // namespace gossamer::runtime

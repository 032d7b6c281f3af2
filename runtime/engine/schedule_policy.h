// What all ranks of a session know about schedules since they joined, the same on each: so that all come to the same
// ones.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "topology/schedule_rules.h"
#include "topology/topology.h"
#include "topology/two_level.h"

namespace gossamer::runtime {

struct SchedulePolicy {
  topology::TwoLevelCost cost;                      // near: between ranks of one host
  std::vector<std::string> hosts;                   // by rank of the session; empty: all are on one
  topology::ScheduleRules rules;                    // the user's
  std::map<std::string, topology::Schedule> files;  // of the rules, by path; not proved
};

}  // namespace gossamer::runtime

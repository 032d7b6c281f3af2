// What all ranks of a session know about schedules since they joined, the same on each: so that all come to the same
// ones.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "topology/rank_order.h"
#include "topology/schedule_rules.h"
#include "topology/topology.h"
#include "topology/two_level.h"

namespace gossamer::runtime {

struct SchedulePolicy {
  topology::TwoLevelCost cost;                             // near: between ranks of one host
  std::vector<std::string> hosts;                          // by rank of the session; empty: all are on one
  topology::ScheduleRules rules;                           // the user's
  std::map<std::string, topology::Schedule> files;         // of the rules, by path; not proved
  topology::ScheduleRules recommended;                     // by GOSSAMER_TOPOLOGY, where the user's say nothing
  topology::RankOrder order;                               // in which ranks of several hosts play what no file says
  std::shared_ptr<const SchedulePolicy> without_topology;  // what it would be; null: there is no such file
};

}  // namespace gossamer::runtime

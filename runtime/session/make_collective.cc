// Collectives that are made once and started many times, and the memory that they may lie in.
#include <algorithm>

#include "runtime/collectives/neighbor_reduce.h"
#include "runtime/session/make_on_all.h"

namespace gossamer::runtime {

namespace {

// Where this rank stands. `invalid_argument`: a member that is no rank, or twice, or this rank is none.
Result<Membership> membership_of(const std::vector<Rank>& members, Rank rank, std::uint32_t rank_count) {
  if (members.empty()) return Membership{rank, rank_count, {}};
  Membership who{Rank{UINT32_MAX}, static_cast<std::uint32_t>(members.size()), members};
  std::vector<bool> seen(rank_count, false);
  for (std::uint32_t place = 0; place < members.size(); ++place) {
    const Rank member = members[place];
    if (member.value >= rank_count || seen[member.value])
      return Error{Code::invalid_argument,
                   text("the group's rank ", place, " is rank ", member.value,
                        member.value >= rank_count ? text(", expected one from 0 to ", rank_count - 1)
                                                   : std::string(", and so is an earlier one of it"))};
    seen[member.value] = true;
    if (member == rank) who.place = Rank{place};
  }
  if (who.place.value == UINT32_MAX)
    return Error{Code::invalid_argument, text("rank ", rank.value, " is outside the group that it named")};
  return who;
}

std::vector<Field> shared_fields(const CollectiveConfig& config, const Membership& who) {
  const CollectiveRow& row = row_of(config.kind);
  std::vector<Field> fields = {{"kind", std::string(row.name)}};
  if (config.kind != CollectiveKind::barrier) {
    fields.push_back({"count", text(config.vector.count)});
    fields.push_back({"type", std::string(sketch::element_type_name(config.vector.type))});
  }
  if (row.merges) fields.push_back({"op", std::string(sketch::reduce_op_name(config.vector.op))});
  if (row.has_root) fields.push_back({"root", text(config.root.value)});
  if (config.graph) {
    const topology::GraphRequest& graph = config.graph->request;
    fields.push_back({"graph", std::string(topology::graph_kind_name(graph.kind))});
    fields.push_back({"degree of the graph", text(graph.degree)});
    fields.push_back({"seed of the graph", text(graph.seed)});
    fields.push_back({"hash of the graph", hex(hash_graph(*config.graph))});
  }
  fields.push_back(
      {"schedule", config.schedule ? std::string(topology::schedule_kind_name(*config.schedule)) : "auto"});
  if (config.without_topology) fields.push_back({"topology", "none"});
  if (!who.members.empty()) {
    std::string places;
    for (const Rank member : who.members) places += text(places.empty() ? "" : ", ", member.value);
    fields.push_back({"ranks of the group", places});
  }
  return fields;
}

}  // namespace

Result<Collective*> Session::make_collective(const Result<CollectiveConfig>& config, const std::vector<Rank>& places) {
  const Deadline deadline(*parts_.clock, parts_.timeout_ns);
  GOSSAMER_ASSIGN(const auto who, membership_of(places, rank(), rank_count()));
  std::vector<Rank> members = places;
  std::sort(members.begin(), members.end());
  std::vector<Field> fields;
  Contribution mine;
  CollectiveConfig checked;
  const auto look = contained([&]() -> Status {
    GOSSAMER_TRY(config);
    checked = *config;
    if (checked.name.empty()) checked.name = row_of(checked.kind).name;
    GOSSAMER_TRY(check_collective(checked, who));
    fields = shared_fields(checked, who);
    mine.blob = encode_offer(numbers_.offer(offered_max(who.rank_count)));
    return {};
  });
  if (!look.ok()) {
    fields.clear();
    mine = {{}, look.error()};
  }
  const auto blobs = agree_among("collective", fields, mine, members, deadline);
  GOSSAMER_TRY(look);
  GOSSAMER_TRY(blobs);
  GOSSAMER_ASSIGN(const auto offers, decode_offers(*blobs, members));
  GOSSAMER_ASSIGN(const auto draw, draw_plan(offers));
  return make_on_all(
      "collective made", members, draw, deadline,
      [&]() -> Result<Collective*> {
        collectives_.reserve(collectives_.size() + 1);  // nothing fails once the plan is made
        const SchedulePolicy* const plain = parts_.policy.without_topology.get();
        const SchedulePolicy& policy = checked.without_topology && plain != nullptr ? *plain : parts_.policy;
        GOSSAMER_ASSIGN(auto collective, Collective::make(checked, who, policy, draw, *driver_, *parts_.clock));
        collectives_.push_back(std::move(collective));
        return collectives_.back().get();
      },
      [&](Collective* made) { destroy_collective(made); });
}

void Session::destroy_collective(Collective* collective) {
  const auto found = std::find_if(collectives_.begin(), collectives_.end(),
                                  [&](const auto& entry) { return entry.get() == collective; });
  GOSSAMER_CHECK(found != collectives_.end(), "a collective of another session, or destroyed twice");
  if (!parts_.metrics_path.empty()) remember([&] { past_.add(report_of(**found)); });
  std::unique_ptr<Plan> plan = (*found)->release_plan();
  collectives_.erase(found);
  retire(std::move(plan), retire_limit_ns);
}

Result<std::span<std::byte>> Session::allocate(std::size_t bytes) {
  Allocation made{std::max<std::size_t>(bytes, 1), {}, {}};
  if (parts_.transport->capabilities().can_map) {
    GOSSAMER_ASSIGN(made.region, driver_->allocate_memory(made.bytes));
  } else {
    GOSSAMER_ASSIGN(made.plain, Buffer::make(made.bytes));
  }
  std::byte* const first = made.region.base != nullptr ? made.region.base : made.plain.data();
  const std::size_t size = made.bytes;
  allocations_.emplace(first, std::move(made));
  return std::span(first, size);
}

bool Session::free(const void* memory) {
  const auto found = allocations_.find(static_cast<const std::byte*>(memory));
  if (found == allocations_.end()) return false;
  if (found->second.region.base != nullptr) driver_->release_memory(found->second.region);
  allocations_.erase(found);
  return true;
}

std::span<const std::byte> Session::allocation_of(const void* address) const {
  const auto* const byte = static_cast<const std::byte*>(address);
  auto after = allocations_.upper_bound(byte);
  if (after == allocations_.begin()) return {};
  const auto& [first, allocation] = *std::prev(after);
  if (!std::less<>()(byte, first + allocation.bytes)) return {};
  return {first, allocation.bytes};
}

}  // namespace gossamer::runtime

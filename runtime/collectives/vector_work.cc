#include "runtime/collectives/vector_work.h"

#include <cstring>

#include "runtime/collectives/mean.h"
#include "runtime/collectives/neighbor_reduce.h"
#include "runtime/engine/schedule_stage.h"

namespace gossamer::runtime {

namespace {

// A barrier is an all-reduce of something that nobody reads.
constexpr ElementVector barrier_vector{sketch::ElementType::u8, sketch::ReduceOp::bit_or, 1};

topology::Collective on_the_wire(CollectiveKind kind) {
  switch (kind) {
    case CollectiveKind::all_reduce:
    case CollectiveKind::barrier:
    case CollectiveKind::neighbor_reduce:  // has a graph, and a work of its own
      return topology::Collective::all_reduce;
    case CollectiveKind::reduce:
      return topology::Collective::reduce;
    case CollectiveKind::broadcast:
      return topology::Collective::broadcast;
    case CollectiveKind::reduce_scatter:
      return topology::Collective::reduce_scatter;
    case CollectiveKind::all_gather:
      return topology::Collective::all_gather;
  }
  return topology::Collective::all_reduce;
}

// What this rank gives and gets, in elements of the vector; 0 where it has no use for the buffer.
struct Uses {
  std::uint64_t input = 0;
  std::uint64_t output = 0;
};

Uses uses_of(const CollectiveConfig& config, const Membership& who) {
  const std::uint64_t whole = config.vector.count;
  const std::uint64_t slice = slice_of(config.vector, who.place.value, who.rank_count).count;
  const bool is_root = config.root == who.place;
  switch (config.kind) {
    case CollectiveKind::all_reduce:
      return {whole, whole};
    case CollectiveKind::reduce:
      return {whole, is_root ? whole : 0};
    case CollectiveKind::broadcast:
      return {is_root ? whole : 0, whole};
    case CollectiveKind::reduce_scatter:
      return {whole, slice};
    case CollectiveKind::all_gather:
      return {slice, whole};
    case CollectiveKind::neighbor_reduce:
      return {whole, whole};
    case CollectiveKind::barrier:
      return {};
  }
  return {};
}

NeighborReduceConfig neighbor_config(const CollectiveConfig& config, const Membership& who,
                                     const topology::CostModel& cost) {
  return {.name = config.name,
          .graph = config.graph,
          .type = config.vector.type,
          .count = config.vector.count,
          .input = config.input,
          .output = config.output,
          .place = who.place,
          .rank_count = who.rank_count,
          .members = who.members,
          .cost = cost};
}

Error wrong(const CollectiveConfig& config, std::string_view problem) {
  return Error{Code::invalid_argument, text(row_of(config.kind).name, ": ", problem)};
}

}  // namespace

ElementSlice slice_of(const ElementVector& vector, std::uint32_t place, std::uint32_t rank_count) {
  const std::uint64_t size = sketch::element_bytes(vector.type);
  const std::uint64_t first = topology::slice_begin(vector.bytes(), place, rank_count) / size;
  return {first, topology::slice_begin(vector.bytes(), place + 1, rank_count) / size - first};
}

Status check_collective(const CollectiveConfig& config, const Membership& who) {
  const CollectiveRow& row = row_of(config.kind);
  if (config.vector.count > element_count_max)
    return wrong(config, text("count is ", config.vector.count, ", expected at most ", element_count_max, " elements"));
  if (row.has_root && config.root.value >= who.rank_count)
    return wrong(config, text("root is ", config.root.value, ", expected a rank from 0 to ", who.rank_count - 1));
  if (row.merges) GOSSAMER_TRY(sketch::check_op_fits(config.vector.type, config.vector.op));
  if (config.kind == CollectiveKind::neighbor_reduce) {
    if (config.schedule) return wrong(config, "a schedule is given, expected none: its graph says who sends to whom");
    return check_neighbor_reduce(neighbor_config(config, who, {}));
  }
  if (config.graph) return wrong(config, "a graph is given, which only a neighbor-reduce reads");
  const Uses uses = uses_of(config, who);
  const std::uint64_t size = sketch::element_bytes(config.vector.type);
  if (config.output == nullptr && uses.output > 0)
    return wrong(config, text("output is NULL, expected ", uses.output, " elements"));
  if (config.input == nullptr || config.input == config.output) {
    // In place: the whole vector is in `output`, whatever part of it this rank gives.
    if (config.output == nullptr && uses.input > 0)
      return wrong(config, text("input and output are NULL, expected ", uses.input, " elements"));
    return {};
  }
  const auto begin = reinterpret_cast<std::uintptr_t>(config.input);
  const auto out = reinterpret_cast<std::uintptr_t>(config.output);
  if (uses.input > 0 && uses.output > 0 && begin < out + uses.output * size && out < begin + uses.input * size)
    return wrong(config, "input and output overlap: expected the same address, for in place, or apart");
  return {};
}

Result<std::unique_ptr<Work>> make_collective_work(const CollectiveConfig& config, const Membership& who,
                                                   const SchedulePolicy& policy) {
  if (config.kind != CollectiveKind::neighbor_reduce) {
    GOSSAMER_ASSIGN(auto work, VectorWork::make(config, who, policy));
    return std::unique_ptr<Work>(std::move(work));
  }
  // Ranks of one host are as near as they can be: what is predicted is for those that are not.
  GOSSAMER_ASSIGN(auto work, NeighborReduceWork::make(neighbor_config(config, who, policy.cost.far)));
  return std::unique_ptr<Work>(std::move(work));
}

VectorWork::VectorWork(const CollectiveConfig& config, const Membership& who)
    : kind_(config.kind),
      vector_(config.kind == CollectiveKind::barrier ? barrier_vector : config.vector),
      rank_count_(who.rank_count),
      is_root_(config.root == who.place),
      input_(config.input == config.output ? nullptr : config.input),
      output_(config.output),
      slice_(slice_of(vector_, who.place.value, who.rank_count)) {}

Result<std::unique_ptr<VectorWork>> VectorWork::make(const CollectiveConfig& config, const Membership& who,
                                                     const SchedulePolicy& policy) {
  std::unique_ptr<VectorWork> self(new VectorWork(config, who));
  const bool keeps_input = (self->kind_ == CollectiveKind::reduce && !self->is_root_) ||
                           (self->kind_ == CollectiveKind::reduce_scatter && self->input_ != nullptr);
  const bool is_copied = keeps_input || self->kind_ == CollectiveKind::barrier || self->vector_.count == 0;
  if (is_copied) {
    GOSSAMER_ASSIGN(self->copy_, Buffer::make(self->vector_.bytes()));
  }
  Stage& stage = self->stage_;
  stage.label = row_of(config.kind).name;
  stage.bytes_max = self->vector_.bytes();
  stage.buffer = is_copied ? self->copy_.data() : self->output_;
  GOSSAMER_TRY(schedule_stage({.collective = on_the_wire(config.kind),
                               .rank = who.place,
                               .rank_count = who.rank_count,
                               .root = config.root,
                               .kind = config.schedule,
                               .policy = &policy,
                               .members = who.members},
                              stage.bytes_max, config.name, stage));
  return self;
}

Result<StageSize> VectorWork::prepare(std::size_t stage, std::span<const std::uint64_t>) {
  if (stage == 0) {
    bring_in();
    return StageSize{vector_, 0};
  }
  take_out();
  return StageSize{};
}

void VectorWork::bring_in() {
  const std::uint64_t size = sketch::element_bytes(vector_.type);
  switch (kind_) {
    case CollectiveKind::all_reduce:
    case CollectiveKind::reduce:
    case CollectiveKind::reduce_scatter: {
      const std::byte* const from = input_ != nullptr ? input_ : output_;
      if (from != stage_.buffer && vector_.count > 0) std::memcpy(stage_.buffer, from, vector_.bytes());
      begin_mean(vector_, rank_count_, stage_.buffer, vector_.count);
      return;
    }
    case CollectiveKind::broadcast:
      if (is_root_ && input_ != nullptr && vector_.count > 0) std::memcpy(output_, input_, vector_.bytes());
      return;
    case CollectiveKind::all_gather:
      if (input_ != nullptr && slice_.count > 0)
        std::memcpy(output_ + slice_.first * size, input_, slice_.count * size);
      return;
    case CollectiveKind::barrier:
    case CollectiveKind::neighbor_reduce:
      return;
  }
}

void VectorWork::take_out() {
  const std::uint64_t size = sketch::element_bytes(vector_.type);
  std::byte* result = stage_.buffer;
  std::uint64_t count = 0;
  switch (kind_) {
    case CollectiveKind::all_reduce:
      count = vector_.count;
      break;
    case CollectiveKind::reduce:
      count = is_root_ ? vector_.count : 0;
      break;
    case CollectiveKind::reduce_scatter:
      count = slice_.count;
      if (input_ == nullptr)
        result = output_ + slice_.first * size;
      else if (count > 0)
        result = static_cast<std::byte*>(std::memcpy(output_, stage_.buffer + slice_.first * size, count * size));
      break;
    case CollectiveKind::broadcast:
    case CollectiveKind::all_gather:
    case CollectiveKind::barrier:
    case CollectiveKind::neighbor_reduce:
      return;
  }
  end_mean(vector_, rank_count_, result, count);
}

}  // namespace gossamer::runtime

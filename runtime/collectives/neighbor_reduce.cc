#include "runtime/collectives/neighbor_reduce.h"

#include <algorithm>

namespace gossamer::runtime {

using topology::GraphEdge;
using topology::Mix;

namespace {

// A rank that gives and is never given to halves its weight for ever: below this it keeps what is left.
constexpr double weight_min = 1e-200;

Error no_exchange(const std::string& problem) { return Error{Code::invalid_argument, "neighbor-reduce: " + problem}; }

}  // namespace

Status check_neighbor_reduce(const NeighborReduceConfig& config) {
  if (!config.graph) return no_exchange("no graph is given, expected who mixes with whom");
  if (config.graph->request.rank_count != config.rank_count)
    return no_exchange(
        text("the graph is of ", config.graph->request.rank_count, " ranks, and ", config.rank_count, " take part"));
  if (const Status proof = check_mixing(*config.graph); !proof.ok())
    return no_exchange(text("the graph does not mix: ", proof.error().message));
  if (sketch::row_of(config.type).kind != sketch::ElementKind::floating)
    return no_exchange(text("elements of ", sketch::element_type_name(config.type),
                            " have no shares: expected f32, f64, bf16 or f16"));
  constexpr std::uint64_t count_max = std::uint64_t{1} << 40;
  if (config.count > count_max)
    return no_exchange(text("count is ", config.count, ", expected at most ", count_max, " elements"));
  if (config.output == nullptr && config.count > 0)
    return no_exchange(text("output is NULL, expected ", config.count, " elements"));
  const std::uint64_t bytes = config.count * sketch::element_bytes(config.type);
  const auto in = reinterpret_cast<std::uintptr_t>(config.input);
  const auto out = reinterpret_cast<std::uintptr_t>(config.output);
  if (config.input != nullptr && in != out && in < out + bytes && out < in + bytes)
    return no_exchange("input and output overlap: expected the same address, for in place, or apart");
  return {};
}

std::uint64_t hash_graph(const topology::Graph& graph) {
  const std::string words = format_graph(graph);
  return sketch::hash_bytes(std::as_bytes(std::span(words)));
}

NeighborReduceWork::NeighborReduceWork(const NeighborReduceConfig& config)
    : name_(config.name),
      graph_(config.graph),
      type_(config.type),
      count_(config.count),
      input_(config.input != nullptr ? config.input : config.output),
      output_(config.output),
      place_(config.place),
      rank_count_(config.rank_count),
      members_(config.members) {}

Result<std::unique_ptr<NeighborReduceWork>> NeighborReduceWork::make(const NeighborReduceConfig& config) {
  std::unique_ptr<NeighborReduceWork> self(new NeighborReduceWork(config));
  GOSSAMER_TRY(self->set_up(config.cost));
  return self;
}

// One round of the program for each of the graph; all use the same slots.
Status NeighborReduceWork::set_up(const topology::CostModel& cost) {
  std::size_t taken_max = 0;
  std::size_t given = 0;
  topology::RankSchedule& schedule = stage_.schedule;
  for (const std::vector<Mix>& round : graph_->rounds) {
    const Mix& mix = rounds_.emplace_back(round[place_.value]);
    topology::Round& steps = schedule.program.rounds.emplace_back();
    for (std::uint32_t i = 0; i < mix.takes.size(); ++i)
      steps.steps.push_back({topology::StepKind::receive, member(mix.takes[i].peer), {1 + i, 1}});
    for (const GraphEdge& edge : mix.gives)
      steps.steps.push_back({topology::StepKind::send, member(edge.peer), {0, 1}});
    taken_max = std::max(taken_max, mix.takes.size());
    given += mix.gives.size();
  }
  parts_.reserve(taken_max);
  dead_.reserve(rank_count_);
  schedule.name = text("graph ", graph_kind_name(graph_->request.kind));
  schedule.slice_count = static_cast<std::uint32_t>(1 + taken_max);
  schedule.moving = "exchange of neighbours";
  stage_.label = "values";
  stage_.concatenating = true;
  stage_.phased = true;
  stage_.may_miss = true;
  stage_.bytes_max = part_header_bytes + value_bytes();
  const double gives = static_cast<double>(given) / static_cast<double>(rounds_.size());
  stage_.predicted_ns = cost.alpha_ns + gives * cost.beta_ns_per_byte * static_cast<double>(stage_.bytes_max);
  // Slots begin so that the values behind their headers lie on cache lines.
  GOSSAMER_ASSIGN(buffer_, Buffer::make(part_header_bytes + stage_.buffer_bytes()));
  stage_.buffer = buffer_.data() + part_header_bytes;
  return {};
}

Result<StageSize> NeighborReduceWork::prepare(std::size_t stage, std::span<const std::uint64_t> part_bytes) {
  if (stage == 0) return give();
  GOSSAMER_TRY(take(part_bytes));
  ++ended_;
  return StageSize{};
}

StageSize NeighborReduceWork::give() {
  std::byte* const own = stage_.buffer;
  is_finite_ = count_ == 0 || sketch::copy_finite(type_, input_, own + part_header_bytes, count_);
  gives_ = is_finite_ && weight_ >= weight_min;
  NeighborPart header{.kind = PartKind::none, .operation = ended_ + 1};
  if (gives_) header = {PartKind::values, ended_ + 1, weight_, value_bytes()};
  encode_part_header(header, own);
  return {.own_bytes = part_header_bytes + header.value_bytes,
          .phase = static_cast<std::uint32_t>(ended_ % rounds_.size())};
}

Status NeighborReduceWork::take(std::span<const std::uint64_t> part_bytes) {
  const auto is_dead = [this](Rank place) { return std::find(dead_.begin(), dead_.end(), place) != dead_.end(); };
  const std::vector<GraphEdge>& takes = mix().takes;
  // All that each part is but for the weight that it comes to: a share of this rank's.
  bool is_whole = gives_ && weight_ == 1 && !graph_->approximate;
  double kept = 1;
  for (const GraphEdge& edge : mix().gives) {
    if (is_dead(edge.peer)) is_whole = false;
    if (gives_ && !is_dead(edge.peer)) kept -= edge.weight.value();
  }
  double weight = kept * weight_;
  Status trouble;
  parts_.clear();
  for (std::size_t i = 0; i < takes.size(); ++i) {
    const Rank from = takes[i].peer;
    const std::uint64_t bytes = part_bytes[1 + i];
    if (bytes == 0 && is_dead(from)) {
      is_whole = false;
      continue;
    }
    const std::byte* const part = stage_.buffer + (1 + i) * part_stride(stage_.bytes_max);
    const auto header = decode_part({part, bytes}, {.from = member(from),
                                                    .operation = ended_ + 1,
                                                    .value_bytes = value_bytes(),
                                                    .weight_max = rank_count_ * (1 + 1e-6)});
    if (!header.ok() && trouble.ok()) trouble = header.error();
    if (!header.ok() || header->kind == PartKind::none) {
      is_whole = false;
      continue;
    }
    if (header->weight != 1) is_whole = false;
    const double share = takes[i].weight.value() * header->weight;
    weight += share;
    parts_.push_back({part + part_header_bytes, share});
  }
  // Rows sum to 1: no rounding of theirs may move it.
  weight_ = is_whole ? 1 : weight;
  GOSSAMER_TRY(trouble);
  if (!is_finite_) return not_finite();
  for (sketch::MixPart& part : parts_) part.share /= weight_;
  if (count_ > 0) sketch::mix(type_, stage_.buffer + part_header_bytes, parts_, output_, count_);
  return {};
}

Error NeighborReduceWork::not_finite() const {
  const std::byte* const own = stage_.buffer + part_header_bytes;
  const std::uint64_t size = sketch::element_bytes(type_);
  std::vector<std::byte> one(size);
  std::uint64_t index = 0;
  while (index + 1 < count_ && sketch::copy_finite(type_, own + index * size, one.data(), 1)) ++index;
  const Rank self = member(place_);
  return Error{Code::not_finite,
               text(name_, ": the vector of rank ", self.value, " is NaN or infinite, first at ", index,
                    "; nothing of it was given, and its neighbours went on without it: mend it, then start again"),
               self, index};
}

void NeighborReduceWork::lost(Rank peer) {
  Rank place = peer;
  if (!members_.empty()) {
    const auto found = std::find(members_.begin(), members_.end(), peer);
    place = Rank{static_cast<std::uint32_t>(found - members_.begin())};
  }
  if (place.value >= rank_count_) return;
  dead_.push_back(place);
  // The first that is left speaks for all.
  for (std::uint32_t before = 0; before < place_.value; ++before)
    if (std::find(dead_.begin(), dead_.end(), Rank{before}) == dead_.end()) return;
  if (!is_log_enabled(LogLevel::warning)) return;
  const std::size_t left = rank_count_ - dead_.size();
  const Status connected = check_connected(*graph_, dead_);
  log(LogLevel::warning,
      text(name_, " goes on without rank ", peer.value, " over what is left of its graph: ", left,
           left == 1 ? " rank" : " ranks",
           connected.ok() ? std::string(", and each still reaches every other")
                          : text("; ", connected.error().message, ", so they no longer come to one mean"),
           "; build a session and a graph for those who are left as soon as you can"));
}

}  // namespace gossamer::runtime

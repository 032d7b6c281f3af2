#include "transport/fault/fate.h"

namespace gossamer::transport {
namespace fault {

namespace {

// Which draw of a start; frozen, or printed seeds would not replay.
enum class Draw : std::uint64_t {
  drop = 1,
  corrupt,
  duplicate,
  delay,
  stall,
  delay_length,
  stall_length,
  duplicate_length,
  bit,
  receive_delay,
  receive_delay_length,
};

class Draws {
 public:
  Draws(std::uint64_t seed, Rank rank, Rank peer, std::uint64_t number)
      : key_(mix64(mix64(seed, std::uint64_t{rank.value} << 32 | peer.value), number)) {}

  [[nodiscard]] std::uint64_t bits(Draw draw) const { return mix64(key_, static_cast<std::uint64_t>(draw)); }
  [[nodiscard]] bool hits(Draw draw, double chance) const { return Random(bits(draw)).uniform() < chance; }
  // 1 to `most`; 0 where most is 0.
  [[nodiscard]] std::uint64_t length(Draw draw, std::uint64_t most) const {
    return most == 0 ? 0 : 1 + Random(bits(draw)).below(most);
  }

 private:
  std::uint64_t key_;
};

}  // namespace

Fate fate_of_message(const FaultOptions& options, Rank rank, Rank peer, std::uint64_t number) {
  const Draws draws(options.seed, rank, peer, number);
  Fate fate;
  fate.drop = draws.hits(Draw::drop, options.drop);
  fate.corrupt = !fate.drop && draws.hits(Draw::corrupt, options.corrupt);
  fate.duplicate = !fate.drop && !fate.corrupt && draws.hits(Draw::duplicate, options.duplicate);
  if (draws.hits(Draw::delay, options.delay)) fate.delay_ns = draws.length(Draw::delay_length, options.delay_ns_max);
  if (draws.hits(Draw::stall, options.stall)) fate.stall_ns = draws.length(Draw::stall_length, options.stall_ns_max);
  fate.duplicate_delay_ns = draws.length(Draw::duplicate_length, options.delay_ns_max);
  fate.bit_draw = draws.bits(Draw::bit);
  return fate;
}

std::uint64_t delay_of_receive(const FaultOptions& options, Rank rank, Rank peer, std::uint64_t number) {
  const Draws draws(options.seed, rank, peer, number);
  if (!draws.hits(Draw::receive_delay, options.delay)) return 0;
  return draws.length(Draw::receive_delay_length, options.delay_ns_max);
}

std::uint64_t delay_draw(const FaultOptions& options, Rank rank, Rank peer, std::uint64_t number) {
  return Draws(options.seed, rank, peer, number).length(Draw::delay_length, options.delay_ns_max);
}

std::uint64_t stall_draw(const FaultOptions& options, Rank rank, Rank peer, std::uint64_t number) {
  return Draws(options.seed, rank, peer, number).length(Draw::stall_length, options.stall_ns_max);
}

void check_options(const FaultOptions& options) {
  for (const double chance : {options.delay, options.drop, options.duplicate, options.corrupt, options.stall})
    GOSSAMER_CHECK(chance >= 0.0 && chance <= 1.0, text("the chance of a fault is ", chance, ", expected 0 to 1"));
  for (const FaultEvent& event : options.events)
    GOSSAMER_CHECK(event.kind != FaultKind::cut || (event.peer.has_value() && *event.peer != event.rank),
                   text("a cut of rank ", event.rank.value, " names no other rank as its peer"));
}

}  // namespace fault

std::string_view fault_kind_name(FaultKind kind) {
  constexpr std::array<std::string_view, fault_kind_count> names = {"delay", "drop", "duplicate", "corrupt",
                                                                    "stall", "cut",  "kill"};
  return names.at(static_cast<std::size_t>(kind));
}

}  // namespace gossamer::transport

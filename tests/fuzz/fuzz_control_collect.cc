// Goal: whatever members say, in whatever order, each gets one verdict for each of its parts, the same for all, small
// enough to send and right. Method: rank 0's book is driven by the input; what was given and answered is kept beside
// it.
//
//   input   | ranks, 1 B | event | event | ...
//   event   | kind, 1 B | rank, 1 B | ... |     kind: part, time that passes, death, good-bye
#include <map>
#include <set>
#include <vector>

#include "fuzz.h"
#include "runtime/control/collect.h"

namespace {

using namespace gossamer;
namespace wire = runtime::wire;

class Session {
 public:
  explicit Session(std::uint32_t rank_count)
      : collector_(rank_count), rank_count_(rank_count), next_(rank_count, 0), gone_(rank_count, false) {}

  void give(Rank rank, wire::Collect part, bool right_sequence) {
    if (gone_[rank.value]) return;  // its connection is closed
    std::uint64_t& next = next_[rank.value];
    if (right_sequence) part.set_sequence(next);
    const bool in_step = part.sequence() == next;
    if (in_step) given_[next++].emplace(rank.value, part);
    const auto answers = collector_.add(rank, std::move(part), now_ns_);
    GOSSAMER_CHECK(answers.ok() == in_step, "a gap in a sequence is refused, and nothing else");
    if (answers.ok()) return note(*answers);
    fuzz::check_refusal(answers.error(), Code::malformed);
    lose(rank, false);
  }

  void pass(std::uint64_t duration_ns) {
    now_ns_ += std::min(duration_ns, UINT64_MAX - now_ns_);
    note(collector_.expire(now_ns_));
    const auto next = collector_.next_deadline_ns();
    GOSSAMER_CHECK(!next || *next > now_ns_, "a deadline that has passed stays open");
  }

  void lose(Rank rank, bool left) {
    if (gone_[rank.value]) return;
    gone_[rank.value] = true;
    died_ = died_ || !left;
    note(collector_.lose({rank, left ? "it left" : "it died", left}));
    check_complete();
  }

  // Whoever gave a part has its verdict when all came, or when someone died.
  void check_complete() const {
    for (const auto& [sequence, parts] : given_) {
      const auto found = answered_.find(sequence);
      const std::size_t answers = found == answered_.end() ? 0 : found->second.size();
      if (died_ || parts.size() == rank_count_) GOSSAMER_CHECK(answers == parts.size(), "a part without a verdict");
    }
  }

 private:
  void note(const std::vector<runtime::Answer>& answers) {
    for (const runtime::Answer& answer : answers) {
      const std::uint64_t sequence = answer.verdict.sequence();
      GOSSAMER_CHECK(given_[sequence].contains(answer.to.value), "a verdict for a rank that gave nothing");
      GOSSAMER_CHECK(answered_[sequence].insert(answer.to.value).second, "a second verdict");
      wire::Message message;
      *message.mutable_verdict() = answer.verdict;
      GOSSAMER_CHECK(message.ByteSizeLong() <= runtime::frame_bytes_max, "a verdict too large to send");
      const auto [first, fresh] = verdicts_.emplace(sequence, answer.verdict.SerializeAsString());
      GOSSAMER_CHECK(first->second == answer.verdict.SerializeAsString(), "ranks that get different verdicts");
      if (fresh && answer.verdict.code() == 0) check_success(sequence, answer.verdict);
      if (answer.verdict.code() == 0) continue;
      const Error error = runtime::error_of(answer.verdict);
      GOSSAMER_CHECK(!error.message.empty(), "a verdict that fails without a reason");
      for (const char c : error.message) GOSSAMER_CHECK(c >= ' ' && c <= '~', "a peer's words are shown raw");
    }
  }

  void check_success(std::uint64_t sequence, const wire::Verdict& verdict) {
    const auto& parts = given_[sequence];
    GOSSAMER_CHECK(parts.size() == rank_count_, "success before all came");
    const wire::Collect& first = parts.begin()->second;
    const bool gather = first.kind() == wire::Collect::ALL_GATHER;
    bool has_blobs = gather;
    for (const auto& [rank, part] : parts) has_blobs = has_blobs || !part.blob().empty();
    GOSSAMER_CHECK(verdict.blobs_size() == (has_blobs ? static_cast<int>(rank_count_) : 0), "blobs are missing");
    for (const auto& [rank, part] : parts) {
      GOSSAMER_CHECK(part.kind() == first.kind() && part.subject() == first.subject(), "collectives that differ");
      GOSSAMER_CHECK(part.oversize_bytes() <= runtime::collect_bytes_max, "success with a part that was not sent");
      GOSSAMER_CHECK(!part.has_trouble(), "success with a rank that could not take part");
      if (has_blobs) GOSSAMER_CHECK(verdict.blobs(static_cast<int>(rank)) == part.blob(), "another rank's blob");
      if (!gather) {
        GOSSAMER_CHECK(values_of(part) == values_of(first), "success with fields that differ");
      }
    }
  }

  // The first of a name counts.
  static std::map<std::string, std::string> values_of(const wire::Collect& part) {
    std::map<std::string, std::string> values;
    for (const wire::Field& field : part.fields()) values.emplace(field.name(), field.value());
    return values;
  }

  runtime::Collector collector_;
  std::uint32_t rank_count_;
  std::uint64_t now_ns_ = 0;
  std::vector<std::uint64_t> next_;
  std::vector<bool> gone_;
  bool died_ = false;
  std::map<std::uint64_t, std::map<std::uint32_t, wire::Collect>> given_;
  std::map<std::uint64_t, std::set<std::uint32_t>> answered_;
  std::map<std::uint64_t, std::string> verdicts_;
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr int events_max = 64;
  fuzz::Input input(data, size);
  const std::uint32_t rank_count = 1 + input.take<std::uint8_t>() % 5;
  Session session(rank_count);
  for (int event = 0; event < events_max && !input.empty(); ++event) {
    const auto kind = input.take<std::uint8_t>();
    const Rank rank{input.take<std::uint8_t>() % rank_count};
    switch (kind % 8) {
      case 5:
        session.pass(input.take<std::uint64_t>());
        break;
      case 6:
        session.lose(rank, false);
        break;
      case 7:
        session.lose(rank, true);
        break;
      default: {
        // | length, 1 B | Collect |; with the sequence that is due, and a large blob, where the kind says so.
        wire::Collect part;
        const auto bytes = input.take_bytes(input.take<std::uint8_t>());
        if (!part.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) break;
        if (kind & 64) part.mutable_blob()->resize(std::size_t{input.take<std::uint8_t>()} << 12, 'x');
        session.give(rank, std::move(part), (kind & 128) == 0);
      }
    }
  }
  session.check_complete();
  return 0;
}

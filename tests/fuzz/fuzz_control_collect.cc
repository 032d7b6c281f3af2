// Goal: whatever members say, in whatever order, each gets one verdict for each of its parts, the same for all, small
// enough to send and right. Method: rank 0's book is driven by the input; what was given and answered is kept beside
// it.
//
//   input   | ranks, 1 B | event | event | ...
//   event   | kind, 1 B | rank, 1 B | ... |     kind: part, time that passes, death, good-bye
#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "fuzz.h"
#include "runtime/control/collect.h"
#include "runtime/control/verdict_reader.h"

namespace {

using namespace gossamer;
namespace wire = runtime::wire;

using Members = std::vector<std::uint32_t>;

class Session {
 public:
  explicit Session(std::uint32_t rank_count)
      : collector_(rank_count), rank_count_(rank_count), next_(rank_count, 0), gone_(rank_count, false) {}

  void give(Rank rank, wire::Collect part, bool right_sequence) {
    if (gone_[rank.value]) return;  // its connection is closed
    std::uint64_t& next = next_[rank.value];
    if (right_sequence) part.set_sequence(next);
    const Members members = members_of(part);
    const bool is_right = part.sequence() == next && is_list_of(rank.value, members);
    if (is_right) {
      const Place place{members, came_[members][rank.value]++};
      given_[place].emplace(rank.value, part);
      places_.emplace(std::pair(rank.value, next++), place);
    }
    const auto answers = collector_.add(rank, std::move(part), now_ns_);
    GOSSAMER_CHECK(answers.ok() == is_right, "a gap in a sequence or a wrong list is refused, and nothing else");
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

  // Whoever gave a part has its verdict when all members came, or when someone died. Lists are kept as long as one of
  // their members has not come as far as another.
  void check_complete() const {
    std::set<Members> apart;
    for (const auto& [place, parts] : given_) {
      const auto found = answered_.find(place);
      const std::size_t answers = found == answered_.end() ? 0 : found->second.size();
      const bool is_whole = parts.size() == place.first.size();
      if (died_ || is_whole) GOSSAMER_CHECK(answers == parts.size(), "a part without a verdict");
      if (!is_whole) apart.insert(place.first);
    }
    GOSSAMER_CHECK(collector_.list_count() == apart.size(), "lists that nobody needs, or are missed");
  }

 private:
  // Which collective of which list.
  using Place = std::pair<Members, std::uint64_t>;

  [[nodiscard]] Members members_of(const wire::Collect& part) const {
    Members members(part.members().begin(), part.members().end());
    for (std::uint32_t rank = 0; members.size() < rank_count_ && part.members().empty(); ++rank)
      members.push_back(rank);
    return members;
  }

  [[nodiscard]] bool is_list_of(std::uint32_t rank, const Members& members) const {
    bool ascends = true;
    for (std::size_t i = 1; i < members.size(); ++i) ascends = ascends && members[i - 1] < members[i];
    return ascends && members.back() < rank_count_ && std::find(members.begin(), members.end(), rank) != members.end();
  }

  void note(const std::vector<runtime::Answer>& answers) {
    for (const runtime::Answer& answer : answers) {
      const auto part = places_.find({answer.to.value, answer.verdict.sequence()});
      GOSSAMER_CHECK(part != places_.end(), "a verdict for a rank that gave nothing");
      const Place& place = part->second;
      GOSSAMER_CHECK(answered_[place].insert(answer.to.value).second, "a second verdict");
      wire::Message message;
      *message.mutable_verdict() = answer.verdict;
      GOSSAMER_CHECK(message.ByteSizeLong() <= runtime::frame_bytes_max, "a verdict too large to send");
      GOSSAMER_CHECK(answer.verdict.more() == (answer.more ? answer.more->size() : 0), "frames that are not announced");
      runtime::VerdictReader reader(rank_count_);
      auto arrived = reader.take(answer.verdict);
      for (std::size_t i = 0; answer.more && i < answer.more->size(); ++i) {
        *message.mutable_blobs() = (*answer.more)[i];
        GOSSAMER_CHECK(message.ByteSizeLong() <= runtime::frame_bytes_max, "a frame of blobs too large to send");
        arrived = reader.take((*answer.more)[i]);
        GOSSAMER_CHECK(arrived.ok(), "a frame of blobs that members refuse");
      }
      GOSSAMER_CHECK(arrived.ok() && arrived->has_value(), "a verdict that does not become whole");
      wire::Verdict verdict = **std::move(arrived);
      GOSSAMER_CHECK(verdict.SerializeAsString() == runtime::whole_verdict(answer).SerializeAsString(),
                     "blobs that members read as others");
      verdict.clear_sequence();  // each member's own
      const auto [first, fresh] = verdicts_.emplace(place, verdict.SerializeAsString());
      GOSSAMER_CHECK(first->second == verdict.SerializeAsString(), "ranks that get different verdicts");
      if (fresh && verdict.code() == 0) check_success(place, verdict);
      if (verdict.code() == 0) continue;
      const Error error = runtime::error_of(verdict);
      GOSSAMER_CHECK(!error.message.empty(), "a verdict that fails without a reason");
      for (const char c : error.message) GOSSAMER_CHECK(c >= ' ' && c <= '~', "a peer's words are shown raw");
    }
  }

  void check_success(const Place& place, const wire::Verdict& verdict) {
    const Members& members = place.first;
    const auto& parts = given_[place];
    GOSSAMER_CHECK(parts.size() == members.size(), "success before all came");
    const wire::Collect& first = parts.begin()->second;
    const bool gather = first.kind() == wire::Collect::ALL_GATHER;
    bool has_blobs = gather;
    for (const auto& [rank, part] : parts) has_blobs = has_blobs || !part.blob().empty();
    GOSSAMER_CHECK(verdict.blobs_size() == (has_blobs ? static_cast<int>(members.size()) : 0), "blobs are missing");
    int at = 0;
    for (const auto& [rank, part] : parts) {
      GOSSAMER_CHECK(part.kind() == first.kind() && part.subject() == first.subject(), "collectives that differ");
      GOSSAMER_CHECK(part.oversize_bytes() <= runtime::part_bytes_max, "success with a part that was not sent");
      GOSSAMER_CHECK(!part.has_trouble(), "success with a rank that could not take part");
      if (has_blobs) GOSSAMER_CHECK(verdict.blobs(at++) == part.blob(), "another rank's blob");
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
  std::map<Members, std::map<std::uint32_t, std::uint64_t>> came_;   // how far each member has come
  std::map<std::pair<std::uint32_t, std::uint64_t>, Place> places_;  // of each rank's parts, by sequence
  std::map<Place, std::map<std::uint32_t, wire::Collect>> given_;
  std::map<Place, std::set<std::uint32_t>> answered_;
  std::map<Place, std::string> verdicts_;
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

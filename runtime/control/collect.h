// Rank 0's book of collectives: who gave what, and the verdict for each. No network, no clock.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/base.h"
#include "runtime/control/control.h"
#include "runtime/control/wire.h"

namespace gossamer::runtime {

// Blobs that are too many for a verdict, cut into frames that all members share; null: none.
using MoreBlobs = std::shared_ptr<const std::vector<wire::Blobs>>;

struct Answer {
  Rank to;
  wire::Verdict verdict;
  MoreBlobs more;
};

// The verdict with all blobs in it.
[[nodiscard]] wire::Verdict whole_verdict(Answer answer);

// The n-th collective of one list of ranks at one member belongs with the n-th of that list at every other; a different
// subject there is a mismatch. Once decided, whoever still comes to it gets the same verdict, so that ranks stay in
// step.
//
//   rank 1    {1 2} first          {1 2} second
//   rank 2    {1 2} first    {2 3} first    {1 2} second      lists do not disturb each other
//   rank 3                   {2 3} first
//
// A list takes memory while some of its members have come further than others, and none when all are as far: counting
// then begins anew for all.
class Collector {
 public:
  // How many lists one rank may have begun that not all members have brought to an end.
  static constexpr std::uint32_t lists_max = 4096;

  explicit Collector(std::uint32_t rank_count) : next_(rank_count, 0), begun_(rank_count, 0), rank_count_(rank_count) {}

  // `rank`'s part. The earliest deadline of those that came ends the wait. `malformed`: a rank's
  // sequence has a gap or repeats; its list does not ascend, goes beyond the session, leaves its sender out, or is one
  // too many.
  [[nodiscard]] Result<std::vector<Answer>> add(Rank rank, wire::Collect part, std::uint64_t now_ns);

  // A peer that died ends every collective; one that left ends those of its lists that it had not come to. The
  // first of either stays.
  [[nodiscard]] std::vector<Answer> lose(const Loss& loss);

  [[nodiscard]] std::vector<Answer> expire(std::uint64_t now_ns);
  [[nodiscard]] std::optional<std::uint64_t> next_deadline_ns() const;

  // Lists that take memory.
  [[nodiscard]] std::size_t list_count() const { return lists_.size(); }

 private:
  using Members = std::vector<Rank>;
  struct Judgement {
    wire::Verdict verdict;
    MoreBlobs more;
  };
  struct Collective {
    std::vector<std::optional<wire::Collect>> parts;  // in the order of members; of a verdict's, the sequences are left
    std::uint32_t came = 0;
    std::uint64_t deadline_ns = 0;  // on the caller's clock
    std::uint64_t allowed_ns = 0;   // as the rank whose deadline it is asked
    std::uint64_t blob_bytes = 0;   // of the parts that are held
    std::optional<Judgement> judgement;
  };
  struct List {
    std::map<std::uint64_t, Collective> open;  // by number in this list; while not all came
    std::vector<std::uint64_t> next;           // each member's, in their order
    Rank begun_by;
  };
  using Lists = std::map<Members, List>;
  // One collective that is open.
  struct Open {
    Lists::iterator list;
    std::map<std::uint64_t, Collective>::iterator entry;
    [[nodiscard]] const Members& members() const { return list->first; }
    [[nodiscard]] Collective& collective() const { return entry->second; }
  };

  [[nodiscard]] Result<Lists::iterator> list_of(Rank rank, const wire::Collect& part);
  [[nodiscard]] Judgement judge(const Open& open) const;
  [[nodiscard]] static Judgement failed(const Error& error);
  static void hold(Collective& collective, wire::Collect& part);
  [[nodiscard]] std::optional<Loss> loss_for(const Open& open) const;
  [[nodiscard]] Error deadline_error(const Open& open);
  [[nodiscard]] std::vector<Open> undecided();
  void decide(const Open& open, Judgement judgement, std::vector<Answer>& answers);
  void forget_if_complete(const Open& open);

  Lists lists_;
  std::vector<std::uint64_t> next_;   // each rank's next sequence
  std::vector<std::uint32_t> begun_;  // lists in lists_ that each rank began
  std::uint32_t rank_count_;
  std::optional<Loss> death_;
  std::vector<Loss> left_;
};

// What the others read of a rank that came with trouble: "compressor: rank 1 was called wrongly: rows is 2, ...".
[[nodiscard]] Error trouble_error(std::string_view subject, Rank rank, const Error& trouble);

// What both the caller and rank 0 call a loss in an error: "plan \"x\": rank 2 is lost: its process ended".
[[nodiscard]] Error loss_error(std::string_view subject, const Loss& loss);

}  // namespace gossamer::runtime

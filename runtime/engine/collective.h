// One rank's run of one schedule over one buffer: a state machine over rounds.
//
//   begin ─► transfers of round 0 ─► (all complete) merges of round 0 ─► (all done) round 1 ─► ... finished
//
// It says what to do as Actions and is told when each is done. It touches no memory.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/base.h"
#include "runtime/engine/work.h"
#include "transport/transport.h"

namespace gossamer::runtime {

enum class ActionKind : std::uint8_t { send, receive, merge, prepare, share };

// Something that the driver does for the engine and reports back.
struct Action {
  ActionKind kind = ActionKind::prepare;
  std::uint32_t plan = 0;
  Rank peer;                          // send, receive
  Tag tag;                            // send, receive
  std::uint64_t context = 0;          // send, receive: comes back with the completion
  transport::Slice slice;             // send: from here; receive: to here; merge: into here
  const std::byte* staged = nullptr;  // merge: from here
  std::uint32_t stage = 0;            // prepare, share: which
  std::uint32_t round = 0;            // of the stage
  [[nodiscard]] bool is_transfer() const { return kind == ActionKind::send || kind == ActionKind::receive; }
};

// Which transfer a completion belongs to.
//   63     40 39          24 23        16 15       0
//   | plan 24 | sequence 16 | stage 8    | index 16 |
struct TransferId {
  std::uint32_t plan = 0;
  std::uint32_t sequence = 0;
  std::uint32_t stage = 0;
  std::uint32_t index = 0;
  [[nodiscard]] std::uint64_t pack() const {
    return std::uint64_t{plan} << 40 | std::uint64_t{sequence & 0xffffu} << 24 | std::uint64_t{stage & 0xffu} << 16 |
           (index & 0xffffu);
  }
  [[nodiscard]] static TransferId unpack(std::uint64_t context) {
    return {static_cast<std::uint32_t>(context >> 40), static_cast<std::uint32_t>(context >> 24 & 0xffffu),
            static_cast<std::uint32_t>(context >> 16 & 0xffu), static_cast<std::uint32_t>(context & 0xffffu)};
  }
};

class CollectiveRun {
 public:
  struct Setup {
    Epoch epoch;
    Rank rank;
    std::uint32_t plan = 0;
    std::uint32_t stage = 0;
  };

  // Messages of a plan so far, by peer and direction. Both ends count the same ones in the same order
  // through all stages, so the count can name a message.
  using MessageCounts = std::map<std::pair<std::uint32_t, bool>, std::uint32_t>;

  // invalid_argument where the plan would have more messages than a tag can count. Adds to `counts`.
  [[nodiscard]] static Result<CollectiveRun> make(const Setup& setup, const Stage& stage, MessageCounts& counts);

  // Memory that receive_merge needs at `bytes_max`; to be registered and given to `bind`.
  [[nodiscard]] std::uint64_t staging_bytes() const;
  void bind(const transport::Region& buffer, const transport::Region& staging);

  [[nodiscard]] std::size_t actions_max() const { return actions_max_; }
  // Of the whole program; a TransferId's index is below it.
  [[nodiscard]] std::size_t transfer_count() const { return transfers_.size(); }

  void begin(std::uint32_t sequence, const StageSize& size);

  // Appends the actions that can start now. True when the collective is finished.
  bool advance(std::vector<Action>& actions);

  // Transfers or merges are not complete: there is nothing to advance to.
  [[nodiscard]] bool is_busy() const { return outstanding_ > 0; }

  // One transfer of the current round is complete. `malformed` where the length is not the expected one.
  Status transferred(std::uint32_t index, std::uint64_t bytes) {
    Transfer& transfer = transfers_[index];
    GOSSAMER_CHECK(transfer.pending, "a transfer completed twice");
    transfer.pending = false;
    --outstanding_;
    if (transfer.kind == topology::StepKind::send) return {};
    if (concatenating_)
      part_bytes_[transfer.slices.first] = bytes;
    else if (bytes != transfer.bytes)
      return length_error(transfer, bytes);
    return {};
  }
  // The transport has lost that transfer's peer: false where the stage needs every part. Else it counts as complete,
  // and without bytes, as soon as the peer is known to be lost.
  [[nodiscard]] bool missed(std::uint32_t index);
  // Known to be lost: nothing is moved to or from it any more.
  void lose(Rank peer);
  void merged() {
    GOSSAMER_CHECK(phase_ == Phase::merging && outstanding_ > 0, "a merge that was not asked for");
    --outstanding_;
  }

  [[nodiscard]] Rank peer_of(std::uint32_t index) const { return transfers_[index].peer; }

  [[nodiscard]] std::uint64_t bytes_sent() const { return bytes_sent_; }
  [[nodiscard]] std::span<const std::uint64_t> part_bytes() const { return part_bytes_; }
  [[nodiscard]] const Payload& payload() const { return size_.payload; }
  [[nodiscard]] const std::string& label() const { return label_; }

  // Whom the current round waits for, and for what: rank 1, "sketch all-gather slice 2".
  struct Wait {
    Rank peer;
    std::string what;
  };
  [[nodiscard]] std::optional<Wait> wait() const;
  // Whether the current round waits for a message from `peer`, or for it to take one.
  [[nodiscard]] bool waits_for(Rank peer) const;

 private:
  struct Transfer {
    topology::StepKind kind = topology::StepKind::send;
    Rank peer;
    topology::SliceRange slices;
    Tag tag;  // of operation 0
    bool pending = false;
    bool broken = false;  // pending, though the transport has ended it
    bool lost = false;    // its peer is
    // In a payload of the measured size. Of a part: where it lies, and its capacity.
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    std::uint64_t staging_offset = 0;
  };
  struct RoundSpan {
    std::uint32_t first = 0;
    std::uint32_t count = 0;
  };

  void measure(std::uint64_t payload_bytes);
  [[nodiscard]] Error length_error(const Transfer& transfer, std::uint64_t bytes) const;
  void start_round(std::vector<Action>& actions);
  void merge_round(std::vector<Action>& actions);

  Setup setup_;
  std::string label_;
  std::string merging_;  // words for a wait
  std::string moving_;
  bool concatenating_ = false;
  bool phased_ = false;
  bool may_miss_ = false;
  std::uint64_t bytes_max_ = 0;
  std::uint32_t slice_count_ = 1;
  std::uint32_t own_slice_ = 0;
  std::vector<Transfer> transfers_;
  std::vector<RoundSpan> rounds_;
  std::size_t actions_max_ = 0;
  transport::Region buffer_;
  transport::Region staging_;

  enum class Phase : std::uint8_t { transferring, merging };
  std::uint32_t sequence_ = 0;
  StageSize size_;
  std::optional<std::uint64_t> measured_bytes_;  // of the payload that the transfers' places are for
  std::vector<std::uint64_t> part_bytes_;
  std::size_t round_ = 0;
  std::size_t end_round_ = 0;
  Phase phase_ = Phase::transferring;
  std::uint32_t outstanding_ = 0;
  bool started_ = false;
  std::uint64_t bytes_sent_ = 0;
};

}  // namespace gossamer::runtime

#include "runtime/control/collect.h"

#include <algorithm>

#include "runtime/control/fields.h"

namespace gossamer::runtime {
namespace {

std::string describe(const wire::Collect& part) {
  return text(part.kind() == wire::Collect::AGREE ? "agree" : "all_gather", " on ", shown(part.subject()));
}

wire::Verdict failed(const Error& error) {
  wire::Verdict verdict;
  set_error(verdict, error);
  return verdict;
}

bool gathers(const wire::Collect& part) { return part.kind() == wire::Collect::ALL_GATHER || !part.blob().empty(); }

}  // namespace

Error loss_error(std::string_view subject, const Loss& loss) {
  return {Code::peer_lost, text(shown(subject), ": rank ", loss.rank.value, " is lost: ", loss.reason), loss.rank};
}

Error trouble_error(std::string_view subject, Rank rank, const Error& trouble) {
  const bool is_mistake = trouble.code == Code::invalid_argument;
  return {is_mistake ? Code::mismatch : trouble.code,
          text(shown(subject), ": rank ", rank.value,
               is_mistake ? " was called wrongly: " : " failed: ", shown(trouble.message)),
          rank};
}

Result<std::vector<Answer>> Collector::add(Rank rank, wire::Collect part, std::uint64_t now_ns) {
  if (part.sequence() != next_[rank.value]) {
    return Error{Code::malformed,
                 text("rank ", rank.value, " came to collective ", part.sequence(), " after ", next_[rank.value]),
                 rank};
  }
  ++next_[rank.value];
  const auto [entry, fresh] = open_.try_emplace(part.sequence());
  Collective& collective = entry->second;
  if (fresh) collective.parts.resize(rank_count_);

  const std::uint64_t deadline_ns = part.deadline_ns() > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + part.deadline_ns();
  if (collective.came == 0 || deadline_ns < collective.deadline_ns) {
    collective.deadline_ns = deadline_ns;
    collective.allowed_ns = part.deadline_ns();
  }
  collective.parts[rank.value] = std::move(part);
  ++collective.came;

  std::vector<Answer> answers;
  if (collective.verdict) {
    answers.push_back({rank, *collective.verdict});
    if (collective.came == rank_count_) open_.erase(entry);
  } else if (const auto loss = loss_for(entry->first)) {
    decide(entry, failed(loss_error(collective.parts[rank.value]->subject(), *loss)), answers);
  } else if (collective.came == rank_count_) {
    decide(entry, judge(collective), answers);
  }
  return answers;
}

// All parts are there.
wire::Verdict Collector::judge(const Collective& collective) const {
  const wire::Collect& first = *collective.parts[0];
  const std::vector<Field> first_fields = fields_of(first.fields());
  const std::string subject = shown(first.subject());
  std::uint64_t bytes = 0;
  Rank largest{0};
  bool gathered = false;
  // A size that a peer claims makes its part no smaller than it is, and the sum of all no smaller than its terms.
  const auto size_of = [](const wire::Collect& part) {
    constexpr std::uint64_t claim_max = std::uint64_t{1} << 48;
    return std::max<std::uint64_t>(std::min(part.oversize_bytes(), claim_max), part.ByteSizeLong());
  };
  // A rank that was called wrongly may not even know what the collective is called.
  for (std::uint32_t rank = 0; rank < rank_count_; ++rank) {
    const wire::Collect& part = *collective.parts[rank];
    if (part.has_trouble()) return failed(trouble_error(part.subject(), Rank{rank}, error_of(part.trouble())));
  }
  for (std::uint32_t rank = 0; rank < rank_count_; ++rank) {
    const wire::Collect& part = *collective.parts[rank];
    if (part.kind() != first.kind() || part.subject() != first.subject()) {
      return failed({Code::mismatch,
                     text("ranks are at different collectives: rank 0 is at ", describe(first), ", rank ", rank,
                          " is at ", describe(part)),
                     Rank{rank}});
    }
    gathered = gathered || gathers(part);
    bytes += size_of(part);
    if (size_of(part) > size_of(*collective.parts[largest.value])) largest = Rank{rank};
  }
  if (bytes > collect_bytes_max && (gathered || size_of(*collective.parts[largest.value]) > collect_bytes_max)) {
    return failed({Code::out_of_resources,
                   text(subject, ": the parts of all ranks have ", format_bytes(bytes), " together, and ",
                        format_bytes(collect_bytes_max), " is the limit; rank ", largest.value, " gave most, ",
                        format_bytes(size_of(*collective.parts[largest.value]))),
                   largest});
  }
  wire::Verdict verdict;
  for (std::uint32_t rank = 0; rank < rank_count_; ++rank) {
    const wire::Collect& part = *collective.parts[rank];
    if (gathered) verdict.add_blobs(part.blob());
    if (first.kind() == wire::Collect::ALL_GATHER) continue;
    if (const auto difference = first_difference({Rank{0}, first_fields}, {Rank{rank}, fields_of(part.fields())})) {
      return failed({Code::mismatch, text(subject, ": ", *difference), Rank{rank}});
    }
  }
  return verdict;
}

void Collector::decide(Book::iterator entry, wire::Verdict verdict, std::vector<Answer>& answers) {
  Collective& collective = entry->second;
  verdict.set_sequence(entry->first);
  for (std::uint32_t rank = 0; rank < rank_count_; ++rank) {
    if (!collective.parts[rank]) continue;
    answers.push_back({Rank{rank}, verdict});
    collective.parts[rank]->Clear();
  }
  collective.verdict = std::move(verdict);
  if (collective.came == rank_count_) open_.erase(entry);
}

std::optional<Loss> Collector::loss_for(std::uint64_t sequence) const {
  if (death_) return death_;
  for (const Loss& loss : left_) {
    if (next_[loss.rank.value] <= sequence) return loss;
  }
  return std::nullopt;
}

std::vector<Answer> Collector::lose(const Loss& loss) {
  if (!loss.left && !death_) death_ = loss;
  if (loss.left) left_.push_back(loss);
  std::vector<Answer> answers;
  for (auto entry = open_.begin(); entry != open_.end();) {
    const auto current = entry++;
    if (current->second.verdict) continue;
    const auto cause = loss_for(current->first);
    if (!cause) continue;
    const auto& parts = current->second.parts;
    const auto someone = std::find_if(parts.begin(), parts.end(), [](const auto& part) { return part.has_value(); });
    decide(current, failed(loss_error((*someone)->subject(), *cause)), answers);
  }
  return answers;
}

std::vector<Answer> Collector::expire(std::uint64_t now_ns) {
  std::vector<Answer> answers;
  for (auto entry = open_.begin(); entry != open_.end();) {
    const auto current = entry++;
    const Collective& collective = current->second;
    if (collective.verdict || collective.deadline_ns > now_ns) continue;
    std::vector<Rank> missing;
    std::string subject;
    for (std::uint32_t rank = 0; rank < rank_count_; ++rank) {
      if (!collective.parts[rank]) {
        missing.push_back(Rank{rank});
      } else {
        subject = shown(collective.parts[rank]->subject());
      }
    }
    decide(current,
           failed({Code::deadline,
                   text(subject, ": ", name_ranks(missing), " of ", rank_count_, " did not come within ",
                        format_duration(collective.allowed_ns)),
                   missing.front()}),
           answers);
  }
  return answers;
}

std::optional<std::uint64_t> Collector::next_deadline_ns() const {
  std::optional<std::uint64_t> next;
  for (const auto& [sequence, collective] : open_) {
    if (collective.verdict) continue;
    next = std::min(next.value_or(UINT64_MAX), collective.deadline_ns);
  }
  return next;
}

}  // namespace gossamer::runtime

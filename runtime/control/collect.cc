#include "runtime/control/collect.h"

#include <algorithm>
#include <utility>

#include "runtime/control/fields.h"
#include "runtime/control/members.h"

namespace gossamer::runtime {
namespace {

std::string describe(const wire::Collect& part) {
  return text(part.kind() == wire::Collect::AGREE ? "agree" : "all_gather", " on ", shown(part.subject()));
}

// Puts them into the verdict, or, where they are too many, into frames that follow it.
void add_blobs(const std::vector<const std::string*>& blobs, std::size_t bytes, wire::Verdict& verdict,
               MoreBlobs& more) {
  if (bytes <= blobs_frame_bytes) {
    for (const std::string* const blob : blobs) verdict.add_blobs(*blob);
    return;
  }
  std::vector<wire::Blobs> frames;
  std::size_t filled = 0;
  for (const std::string* const blob : blobs) {
    if (frames.empty() || filled + blob->size() > blobs_frame_bytes) {
      frames.emplace_back();
      filled = 0;
    }
    frames.back().add_blobs(*blob);
    filled += blob->size();
  }
  verdict.set_more(static_cast<std::uint32_t>(frames.size()));
  more = std::make_shared<const std::vector<wire::Blobs>>(std::move(frames));
}

// Of the first that came.
const std::string& subject_of(const std::vector<std::optional<wire::Collect>>& parts) {
  const auto someone = std::find_if(parts.begin(), parts.end(), [](const auto& part) { return part.has_value(); });
  return (*someone)->subject();
}

bool gathers(const wire::Collect& part) { return part.kind() == wire::Collect::ALL_GATHER || !part.blob().empty(); }

// As large as its sender says that it is, but no smaller than what came; the sum of all is no smaller than its terms.
std::uint64_t size_of(const wire::Collect& part) {
  constexpr std::uint64_t claim_max = std::uint64_t{1} << 48;
  return std::max<std::uint64_t>(std::min(part.oversize_bytes(), claim_max), part.blob().size());
}

}  // namespace

wire::Verdict whole_verdict(Answer answer) {
  wire::Verdict verdict = std::move(answer.verdict);
  verdict.clear_more();
  if (answer.more) {
    for (const wire::Blobs& frame : *answer.more)
      for (const std::string& blob : frame.blobs()) verdict.add_blobs(blob);
  }
  return verdict;
}

Error loss_error(std::string_view subject, const Loss& loss) {
  return {loss.aborted ? Code::cancelled : Code::peer_lost,
          text(shown(subject), ": rank ", loss.rank.value, " is lost: ", loss.reason), loss.rank};
}

Error trouble_error(std::string_view subject, Rank rank, const Error& trouble) {
  const bool is_mistake = trouble.code == Code::invalid_argument;
  return {is_mistake ? Code::mismatch : trouble.code,
          text(shown(subject), ": rank ", rank.value,
               is_mistake ? " was called wrongly: " : " failed: ", shown(trouble.message)),
          rank};
}

Result<Collector::Lists::iterator> Collector::list_of(Rank rank, const wire::Collect& part) {
  const auto refuse = [&](std::string_view why) {
    return Error{Code::malformed, text("rank ", rank.value, " came to ", why), rank};
  };
  if (static_cast<std::uint32_t>(part.members_size()) > rank_count_) return refuse("a collective of too many ranks");
  Members members;
  for (const std::uint32_t member : part.members()) members.push_back(Rank{member});
  auto whole = members_of(part.subject(), members, {rank, rank_count_});
  if (!whole.ok()) return refuse(whole.error().message);
  if (const auto found = lists_.find(*whole); found != lists_.end()) return found;
  if (begun_[rank.value] == lists_max)
    return refuse(text("a group that is one more than the ", lists_max, " that it may have begun"));
  ++begun_[rank.value];
  const std::size_t size = whole->size();
  return lists_.emplace(std::move(*whole), List{{}, std::vector<std::uint64_t>(size, 0), rank}).first;
}

Result<std::vector<Answer>> Collector::add(Rank rank, wire::Collect part, std::uint64_t now_ns) {
  if (part.sequence() != next_[rank.value]) {
    return Error{Code::malformed,
                 text("rank ", rank.value, " came to collective ", part.sequence(), " after ", next_[rank.value]),
                 rank};
  }
  ++next_[rank.value];  // what is refused from here on leaves its sender in step
  GOSSAMER_ASSIGN(const auto list, list_of(rank, part));
  const Members& members = list->first;
  const auto place = std::lower_bound(members.begin(), members.end(), rank) - members.begin();
  const auto [entry, fresh] = list->second.open.try_emplace(list->second.next[static_cast<std::size_t>(place)]++);
  const Open open{list, entry};
  Collective& collective = entry->second;
  if (fresh) collective.parts.resize(members.size());

  const std::uint64_t deadline_ns = part.deadline_ns() > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + part.deadline_ns();
  if (collective.came == 0 || deadline_ns < collective.deadline_ns) {
    collective.deadline_ns = deadline_ns;
    collective.allowed_ns = part.deadline_ns();
  }
  std::optional<wire::Collect>& own = collective.parts[static_cast<std::size_t>(place)];
  hold(collective, part);
  own = std::move(part);
  ++collective.came;

  std::vector<Answer> answers;
  if (collective.judgement) {
    answers.push_back({rank, collective.judgement->verdict, collective.judgement->more});
    answers.back().verdict.set_sequence(own->sequence());
    own->Clear();
    forget_if_complete(open);
  } else if (const auto loss = loss_for(open)) {
    decide(open, failed(loss_error(own->subject(), *loss)), answers);
  } else if (collective.came == members.size()) {
    decide(open, judge(open), answers);
  }
  return answers;
}

Collector::Judgement Collector::failed(const Error& error) {
  Judgement judgement;
  set_error(judgement.verdict, error);
  return judgement;
}

// What goes beyond all that may be gathered is not kept, but counted.
void Collector::hold(Collective& collective, wire::Collect& part) {
  const std::uint64_t bytes = part.blob().size();
  if (collective.blob_bytes + bytes > gathered_bytes_max) {
    part.set_oversize_bytes(size_of(part));
    part.clear_blob();
    return;
  }
  collective.blob_bytes += bytes;
}

// All parts are there.
Collector::Judgement Collector::judge(const Open& open) const {
  const Members& members = open.members();
  const auto& parts = open.collective().parts;
  const wire::Collect& first = *parts[0];
  const std::vector<Field> first_fields = fields_of(first.fields());
  const std::string subject = shown(first.subject());
  std::uint64_t bytes = 0;
  std::size_t largest = 0;
  bool gathered = false;
  // A rank that was called wrongly may not even know what the collective is called.
  for (std::size_t place = 0; place < members.size(); ++place) {
    const wire::Collect& part = *parts[place];
    if (part.has_trouble()) return failed(trouble_error(part.subject(), members[place], error_of(part.trouble())));
  }
  for (std::size_t place = 0; place < members.size(); ++place) {
    const wire::Collect& part = *parts[place];
    if (part.kind() != first.kind() || part.subject() != first.subject()) {
      return failed({Code::mismatch,
                     text("ranks are at different collectives: rank ", members[0].value, " is at ", describe(first),
                          ", rank ", members[place].value, " is at ", describe(part)),
                     members[place]});
    }
    gathered = gathered || gathers(part);
    bytes += size_of(part);
    if (size_of(part) > size_of(*parts[largest])) largest = place;
  }
  if (const std::uint64_t most = size_of(*parts[largest]); bytes > gathered_bytes_max || most > part_bytes_max) {
    return failed({Code::out_of_resources,
                   text(subject, ": the parts of ", members_text(members, rank_count_), " have ", format_bytes(bytes),
                        " together, and the limit is ", format_bytes(part_bytes_max), " each and ",
                        format_bytes(gathered_bytes_max), " together; rank ", members[largest].value, " gave most, ",
                        format_bytes(most)),
                   members[largest]});
  }
  std::vector<const std::string*> blobs;
  for (std::size_t place = 0; place < members.size(); ++place) {
    const wire::Collect& part = *parts[place];
    if (gathered) blobs.push_back(&part.blob());
    if (first.kind() == wire::Collect::ALL_GATHER) continue;
    const std::vector<Field> fields = fields_of(part.fields());
    if (const auto difference = first_difference({members[0], first_fields}, {members[place], fields}))
      return failed({Code::mismatch, text(subject, ": ", *difference), members[place]});
  }
  Judgement judgement;
  add_blobs(blobs, bytes, judgement.verdict, judgement.more);
  return judgement;
}

void Collector::decide(const Open& open, Judgement judgement, std::vector<Answer>& answers) {
  Collective& collective = open.collective();
  for (std::size_t place = 0; place < collective.parts.size(); ++place) {
    std::optional<wire::Collect>& part = collective.parts[place];
    if (!part) continue;
    answers.push_back({open.members()[place], judgement.verdict, judgement.more});
    answers.back().verdict.set_sequence(part->sequence());
    part->Clear();
  }
  collective.judgement = std::move(judgement);
  forget_if_complete(open);
}

// Where nothing of a list is open, all its members have come as far.
void Collector::forget_if_complete(const Open& open) {
  if (open.collective().came < open.members().size()) return;
  List& list = open.list->second;
  list.open.erase(open.entry);
  if (!list.open.empty()) return;
  --begun_[list.begun_by.value];
  lists_.erase(open.list);
}

std::optional<Loss> Collector::loss_for(const Open& open) const {
  if (death_) return death_;
  const Members& members = open.members();
  for (const Loss& loss : left_) {
    const auto found = std::lower_bound(members.begin(), members.end(), loss.rank);
    if (found == members.end() || *found != loss.rank) continue;
    if (open.list->second.next[static_cast<std::size_t>(found - members.begin())] <= open.entry->first) return loss;
  }
  return std::nullopt;
}

std::vector<Collector::Open> Collector::undecided() {
  std::vector<Open> all;
  for (auto list = lists_.begin(); list != lists_.end(); ++list) {
    std::map<std::uint64_t, Collective>& open = list->second.open;
    for (auto entry = open.begin(); entry != open.end(); ++entry)
      if (!entry->second.judgement) all.push_back({list, entry});
  }
  return all;
}

std::vector<Answer> Collector::lose(const Loss& loss) {
  if (!loss.left && !death_) death_ = loss;
  if (loss.left) left_.push_back(loss);
  std::vector<Answer> answers;
  for (const Open& open : undecided()) {
    const auto cause = loss_for(open);
    if (cause) decide(open, failed(loss_error(subject_of(open.collective().parts), *cause)), answers);
  }
  return answers;
}

Error Collector::deadline_error(const Open& open) {
  const Members& members = open.members();
  const Collective& collective = open.collective();
  std::vector<Rank> missing;
  for (std::size_t place = 0; place < members.size(); ++place)
    if (!collective.parts[place]) missing.push_back(members[place]);
  const bool is_whole = members.size() == rank_count_;
  std::string words = text(shown(subject_of(collective.parts)), ": ", name_ranks(missing), " of ",
                           is_whole ? text(rank_count_) : name_ranks(members), " did not come within ",
                           format_duration(collective.allowed_ns));
  // Where they wait instead. Two groups whose ranks wait for each other are told so, whichever is first.
  constexpr int elsewhere_max = 3;
  int elsewhere = 0;
  for (const Open& other : undecided()) {
    const auto& parts = other.collective().parts;
    std::vector<Rank> waiting;
    for (std::size_t place = 0; place < parts.size(); ++place)
      if (parts[place] && std::binary_search(missing.begin(), missing.end(), other.members()[place]))
        waiting.push_back(other.members()[place]);
    if (waiting.empty()) continue;
    if (++elsewhere > elsewhere_max) break;
    words += text("; ", name_ranks(waiting), waiting.size() == 1 ? " is at " : " are at ", shown(subject_of(parts)),
                  " of ", members_text(other.members(), rank_count_));
  }
  return {Code::deadline, std::move(words), missing.front()};
}

std::vector<Answer> Collector::expire(std::uint64_t now_ns) {
  // All words are found before anything is decided: what ends together is told of each other.
  std::vector<std::pair<Open, Error>> expired;
  for (const Open& open : undecided())
    if (open.collective().deadline_ns <= now_ns) expired.emplace_back(open, deadline_error(open));
  std::vector<Answer> answers;
  for (const auto& [open, error] : expired) decide(open, failed(error), answers);
  return answers;
}

std::optional<std::uint64_t> Collector::next_deadline_ns() const {
  std::optional<std::uint64_t> next;
  for (const auto& [members, list] : lists_) {
    for (const auto& [number, collective] : list.open) {
      if (collective.judgement) continue;
      next = std::min(next.value_or(UINT64_MAX), collective.deadline_ns);
    }
  }
  return next;
}

}  // namespace gossamer::runtime

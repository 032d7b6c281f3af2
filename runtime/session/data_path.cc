#include "runtime/session/data_path.h"

#include <poll.h>
#include <sched.h>

#include <array>
#include <cstring>

#include "runtime/control/watchers.h"
#include "runtime/engine/tag.h"

namespace gossamer::runtime {
namespace {

constexpr std::uint64_t trial_close_limit_ns = 1'000'000'000;
constexpr std::uint32_t trial_yields = 100;  // passes without progress before a waiter sleeps
constexpr int trial_sleep_ms = 5;            // it then looks for a loss as well
constexpr std::uint32_t try_all_max = 64;    // ranks up to which every pair is tried

// View 0 is no session's, so no plan's message has such a tag.
Tag trial_tag(Rank source) { return make_tag({.view = Epoch{0}, .source = source}); }

// What travels: the sender's rank, and not by chance.
std::uint64_t word_of(Rank rank) { return 0x676f7373616d6572ull ^ rank.value; }

// A failure as every rank is told it: | silent, 1 B | peer, 4 B | reason |; nothing for none.
Blob encode_failure(const std::optional<DataPathTrial::Failure>& failure) {
  if (!failure) return {};
  const std::string reason = failure->reason.substr(0, 4096);
  Blob blob(5 + reason.size());
  blob[0] = failure->silent ? std::byte{1} : std::byte{0};
  std::memcpy(blob.data() + 1, &failure->peer.value, 4);
  std::memcpy(blob.data() + 5, reason.data(), reason.size());
  return blob;
}

DataPathTrial::Failure decode_failure(const Blob& blob) {
  DataPathTrial::Failure failure;
  if (blob.size() < 5) return failure;
  failure.silent = blob[0] == std::byte{1};
  std::memcpy(&failure.peer.value, blob.data() + 1, 4);
  failure.reason.assign(reinterpret_cast<const char*>(blob.data()) + 5, blob.size() - 5);
  return failure;
}

std::string_view remedy_of(std::string_view transport) {
  return transport == "libfabric"
             ? "check that bind_host (GOSSAMER_BIND_HOST) is the address where peers reach this host, that no firewall "
               "is between them, and FI_TCP_IFACE and GOSSAMER_LIBFABRIC_PROVIDER"
             : "check that UCX_TLS is the same on every rank; for ranks of several users or containers on one host set "
               "UCX_TLS=tcp; between hosts check that bind_host (GOSSAMER_BIND_HOST) or UCX_NET_DEVICES is the network "
               "that joins them, and that no firewall is between";
}

// Moves the trial on until it is finished, a rank is lost, or the time is up.
void drive_trial(DataPathTrial& trial, transport::Transport& transport, const Control& control,
                 std::uint64_t limit_ns) {
  const SteadyClock clock;
  const std::uint64_t end_ns = clock.now_ns() + limit_ns;
  std::uint32_t idle = 0;
  while (!trial.finished()) {
    idle = trial.pass() ? 0 : idle + 1;
    if (idle == 0) continue;
    if (control.loss() || clock.now_ns() >= end_ns) return;
    if (idle < trial_yields || !transport.arm()) {
      sched_yield();
    } else {
      pollfd wait{transport.event_descriptor(), POLLIN, 0};
      static_cast<void>(::poll(&wait, 1, trial_sleep_ms));
    }
  }
}

// The error that all ranks have, from what each of them found: what a library said rather than a silence.
std::optional<Error> path_verdict(const std::vector<Blob>& blobs, Rank self,
                                  const transport::Capabilities& capabilities, std::uint64_t limit_ns) {
  std::optional<Rank> finder;
  for (std::uint32_t r = 0; r < blobs.size(); ++r) {
    if (blobs[r].empty()) continue;
    if (!finder || (decode_failure(blobs[finder->value]).silent && !decode_failure(blobs[r]).silent)) finder = Rank{r};
  }
  if (!finder) return std::nullopt;
  const DataPathTrial::Failure failure = decode_failure(blobs[finder->value]);
  const std::string how = failure.silent ? text("no message came within ", format_duration(limit_ns)) : failure.reason;
  const std::string where = failure.peer == *finder
                                ? text("of rank ", finder->value)
                                : text("between rank ", finder->value, " and rank ", failure.peer.value);
  return Error{failure.silent ? Code::deadline : Code::unavailable,
               text("the data path ", where, " does not work: ", how, "; rank ", self.value, " has ",
                    describe_way(capabilities), "; ", remedy_of(capabilities.name)),
               failure.peer == self ? *finder : failure.peer};
}

}  // namespace

DataPathTrial::DataPathTrial(transport::Transport& transport, Rank rank, std::uint32_t rank_count)
    : transport_(transport), rank_(rank), peers_(rank_count), words_(rank_count + 1) {
  words_.back() = word_of(rank);
}

void DataPathTrial::start() {
  const auto region =
      transport_.register_memory(words_.data(), words_.size() * sizeof(std::uint64_t), MemoryKind::host);
  if (!region.ok()) {
    failure_ = Failure{rank_, false, region.error().message};
    return;
  }
  region_ = *region;
  const auto slice = [&](std::size_t word) {
    return transport::Slice{region_, word * sizeof(std::uint64_t), sizeof(std::uint64_t)};
  };
  const auto count = static_cast<std::uint32_t>(peers_.size());
  std::vector<Rank> tried;
  // Each begins with its neighbour, so that not all connect to rank 0 at once.
  for (std::uint32_t distance = 1; distance < count; ++distance) {
    const Rank peer{(rank_.value + distance) % count};
    if (count <= try_all_max || are_near(rank_, peer, count)) tried.push_back(peer);
  }
  waiting_ = static_cast<std::uint32_t>(tried.size());
  for (const Rank peer : tried) {
    Peer& state = peers_[peer.value];
    state.outstanding = 2;
    const auto receive = transport_.start_receive(peer, trial_tag(peer), slice(peer.value), 2ull * peer.value);
    if (!receive.ok()) {
      fail(peer, receive.error().message);
      continue;
    }
    const auto send = transport_.start_send(peer, trial_tag(rank_), slice(count), 2ull * peer.value + 1);
    if (!send.ok()) fail(peer, send.error().message);
  }
}

void DataPathTrial::fail(Rank peer, std::string reason) {
  if (!failure_) failure_ = Failure{peer, false, std::move(reason)};
  Peer& state = peers_[peer.value];
  if (state.failed || state.outstanding == 0) return;
  state.failed = true;
  --waiting_;
}

void DataPathTrial::end(const transport::Completion& completion) {
  const Rank peer{static_cast<std::uint32_t>(completion.context / 2)};
  const bool came = completion.context % 2 == 0;
  Peer& state = peers_[peer.value];
  if (completion.code != Code::done) {
    fail(peer,
         text("the message ", came ? "from" : "to", " rank ", peer.value, " ended as ", code_name(completion.code)));
  } else if (came && (completion.bytes != sizeof(std::uint64_t) || words_[peer.value] != word_of(peer))) {
    fail(peer, text("the message from rank ", peer.value, " arrived damaged"));
  }
  --state.outstanding;
  if (state.outstanding == 0 && !state.failed) --waiting_;
}

bool DataPathTrial::pass() {
  std::array<transport::Completion, 64> completions;
  const std::size_t count = transport_.poll(completions);
  for (std::size_t i = 0; i < count; ++i) end(completions[i]);
  return count > 0;
}

std::optional<DataPathTrial::Failure> DataPathTrial::failure() const {
  if (failure_) return failure_;
  for (std::uint32_t r = 0; r < peers_.size(); ++r)
    if (peers_[r].outstanding > 0) return Failure{Rank{r}, true, {}};
  return std::nullopt;
}

void DataPathTrial::release() {
  if (region_.base != nullptr) transport_.release_memory(region_);
}

Status open_data_path(transport::Transport& transport, Control& control, const transport::View& view,
                      std::uint64_t limit_ns, std::uint64_t join_limit_ns) {
  const auto count = static_cast<std::uint32_t>(view.addresses.size());
  const Status opened = transport.open_view(view);
  if (count == 1) return opened;
  const auto agree = [&](std::string_view subject, const std::optional<DataPathTrial::Failure>& failure) -> Status {
    GOSSAMER_ASSIGN(const auto blobs, control.all_gather(subject, encode_failure(failure), join_limit_ns));
    if (auto error = path_verdict(blobs, view.rank, transport.capabilities(), limit_ns)) return std::move(*error);
    return {};
  };
  std::optional<DataPathTrial::Failure> failure;
  if (!opened.ok()) failure = {opened.error().rank.value_or(view.rank), false, opened.error().message};
  // Also since nobody may start to a peer that has not opened its view: libfabric's shm reads memory that is not there.
  Status status = agree("view", failure);
  if (!status.ok()) return status;
  auto trial = std::make_unique<DataPathTrial>(transport, view.rank, count);
  trial->start();
  drive_trial(*trial, transport, control, limit_ns);
  status = agree("data path", trial->failure());
  if (status.ok() || transport.close_view(trial_close_limit_ns).ok()) {
    trial->release();
  } else {
    static_cast<void>(trial.release());  // the library may still write to its memory
  }
  return status;
}

}  // namespace gossamer::runtime

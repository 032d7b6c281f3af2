#include "tools/compare/messages.h"

#include <sched.h>

#include <array>
#include <cstdlib>

namespace gossamer::compare {
namespace {
constexpr std::uint64_t close_ns = 2'000'000'000;
constexpr int polls_before_yield = 50;
}  // namespace

Result<std::unique_ptr<Messages>> Messages::make(const StepSetup& setup, std::size_t bytes) {
  std::unique_ptr<Messages> self(new Messages(setup));
  const char* const host = std::getenv("GOSSAMER_BIND_HOST");
  const char* const job = std::getenv("GOSSAMER_JOB");
  GOSSAMER_ASSIGN(self->transport_, transport::make_ucx_transport({.job = job == nullptr ? "compare" : job,
                                                                   .local_host = host == nullptr ? "" : host}));
  const auto name = [&](std::uint32_t rank) { return text(setup.folder, "/address.", rank); };
  const transport::Address& own = self->transport_->address();
  GOSSAMER_TRY(
      publish_file(name(setup.rank.value), std::string(reinterpret_cast<const char*>(own.data()), own.size())));
  transport::View view{Epoch{1}, setup.rank, {}};
  for (std::uint32_t rank = 0; rank < setup.rank_count; ++rank) {
    GOSSAMER_ASSIGN(const std::string address, wait_for_file(name(rank)));
    const auto* const data = reinterpret_cast<const std::byte*>(address.data());
    view.addresses.emplace_back(data, data + address.size());
  }
  GOSSAMER_TRY(self->transport_->open_view(view));
  GOSSAMER_ASSIGN(self->region_, self->transport_->allocate_memory(bytes));
  return self;
}

Messages::~Messages() {
  if (transport_ == nullptr) return;
  static_cast<void>(transport_->close_view(close_ns));
  if (region_.base != nullptr) transport_->release_memory(region_);
}

void Messages::begin_step() {
  ++step_;
  bytes_sent_ = 0;
  sent_.assign(sent_.size(), 0);
  received_.assign(received_.size(), 0);
}

Tag Messages::tag(Rank source, std::uint32_t message) const {
  constexpr unsigned rank_bits = 12, message_bits = 20;
  return Tag{(std::uint64_t{step_} << message_bits | message) << rank_bits | source.value};
}

Status Messages::start_send(Rank to, std::size_t offset, std::size_t bytes) {
  GOSSAMER_TRY(transport_->start_send(to, tag(setup_.rank, sent_[to.value]++), {region_, offset, bytes}, 0));
  ++outstanding_;
  bytes_sent_ += bytes;
  return {};
}

Status Messages::start_receive(Rank from, std::size_t offset, std::size_t bytes) {
  GOSSAMER_TRY(transport_->start_receive(from, tag(from, received_[from.value]++), {region_, offset, bytes}, 0));
  ++outstanding_;
  return {};
}

Status Messages::wait() {
  std::array<transport::Completion, 16> ended;
  for (int idle = 0; outstanding_ > 0;) {
    const std::size_t count = transport_->poll(ended);
    for (std::size_t i = 0; i < count; ++i) {
      if (ended[i].code != Code::done) return Error{ended[i].code, "a message did not arrive"};
    }
    outstanding_ -= count;
    idle = count > 0 ? 0 : idle + 1;
    if (idle > polls_before_yield) sched_yield();
  }
  return {};
}

Status Messages::broadcast(std::size_t offset, std::size_t bytes) {
  std::uint32_t distance = 1;
  while (distance < setup_.rank_count) distance *= 2;
  const std::uint32_t rank = setup_.rank.value;
  for (distance /= 2; distance > 0; distance /= 2) {
    if (rank % (2 * distance) == distance) GOSSAMER_TRY(start_receive(Rank{rank - distance}, offset, bytes));
    if (rank % (2 * distance) == 0 && rank + distance < setup_.rank_count)
      GOSSAMER_TRY(start_send(Rank{rank + distance}, offset, bytes));
    if (rank % distance == 0) GOSSAMER_TRY(wait());
  }
  return {};
}

}  // namespace gossamer::compare

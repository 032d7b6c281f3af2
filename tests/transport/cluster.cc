#include "cluster.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "make_transport.h"

namespace gossamer::transport {
namespace {

std::unique_ptr<Transport> make_plain_transport(const Backend& backend, SimNetwork* network) {
  if (backend.is_sim()) return network->make_transport();
  auto transport = make_transport({backend.transport, backend.ways}, "conformance");
  GOSSAMER_CHECK(transport.ok(), transport.error().message);
  return std::move(*transport);
}

std::vector<Backend> with_rdma(std::vector<Backend> backends) {
  backends.insert(backends.end(), rdma_backends().begin(), rdma_backends().end());
  return backends;
}

bool has_rdma() { return std::getenv("GOSSAMER_TEST_RDMA") != nullptr; }

}  // namespace

std::uint64_t allowance(std::uint64_t bound_ns) { return has_rdma() ? 4 * bound_ns : bound_ns; }

const std::vector<Backend>& rdma_backends() {
  static const std::vector<Backend> none;
  static const std::vector<Backend> backends = {
      {"ucx_rc_verbs", "ucx", "rc_verbs,ud_verbs"},
#ifdef GOSSAMER_WITH_LIBFABRIC
      {"libfabric_verbs", "libfabric", "verbs;ofi_rxm"},
#endif
  };
  return has_rdma() ? backends : none;
}

const std::vector<Backend>& all_backends() {
  static const std::vector<Backend> backends = with_rdma({
      {"sim", "sim", ""},
      {"fault_sim", "sim", "", FaultOptions{}},
      {"fault_sim_delay", "sim", "", FaultOptions{.seed = 5, .delay = 0.5}},
      {"ucx_posix", "ucx", "posix,self"},
      {"ucx_sysv", "ucx", "sysv,self"},
      {"ucx_tcp", "ucx", "tcp"},
#ifdef GOSSAMER_WITH_LIBFABRIC
      {"libfabric_tcp", "libfabric", "tcp;ofi_rxm"},
      {"libfabric_shm", "libfabric", "shm"},
#endif
  });
  return backends;
}

std::vector<Backend> real_backends() {
  std::vector<Backend> backends = all_backends();
  std::erase_if(backends, [](const Backend& each) { return each.is_sim(); });
  return backends;
}

std::vector<Backend> mapping_backends() {
  std::vector<Backend> backends = all_backends();
  std::erase_if(backends, [](const Backend& each) {
    return !each.is_sim() && each.name != "ucx_posix" && each.name != "ucx_sysv";
  });
  return backends;
}

std::vector<std::size_t> sizes_around_edges() {
  std::vector<std::size_t> sizes;
  for (std::size_t size = 0; size <= 300; ++size) sizes.push_back(size);
  for (std::size_t edge = 1'024; edge <= 65'536; edge *= 2) {
    for (std::size_t size = edge - 80; size <= edge + 16; ++size) sizes.push_back(size);
  }
  return sizes;
}

Block::Block(Transport& transport, std::size_t bytes, std::size_t shift)
    : transport_(transport), storage_(bytes + shift + 1) {
  auto region = transport.register_memory(storage_.data() + shift, bytes, MemoryKind::host);
  GOSSAMER_CHECK(region.ok(), region.error().message);
  region_ = *region;
}

Block::~Block() { transport_.release_memory(region_); }

void Block::fill(std::uint64_t seed) {
  for (std::size_t i = 0; i < region_.bytes; i += 8) {
    const std::uint64_t word = mix64(seed, i);
    std::memcpy(region_.base + i, &word, std::min<std::size_t>(8, region_.bytes - i));
  }
}

void Block::clear() { std::fill(storage_.begin(), storage_.end(), std::byte{0}); }

bool Block::holds(std::uint64_t seed, std::size_t bytes) const {
  for (std::size_t i = 0; i < bytes; i += 8) {
    const std::uint64_t word = mix64(seed, i);
    if (std::memcmp(region_.base + i, &word, std::min<std::size_t>(8, bytes - i)) != 0) return false;
  }
  return std::all_of(region_.base + bytes, region_.base + region_.bytes, [](std::byte b) { return b == std::byte{0}; });
}

Cluster::Cluster(const Backend& backend, std::size_t rank_count, const SimOptions& options)
    : backend_(backend), is_sim_(backend.is_sim()) {
  if (backend.is_sim()) network_ = make_sim_network(options, clock_);
  for (std::size_t i = 0; i < rank_count; ++i) transports_.push_back(make_transport_of(i));
  completions_.resize(rank_count);
}

std::unique_ptr<Transport> Cluster::make_transport_of(std::size_t rank) {
  auto transport = make_plain_transport(backend_, network_.get());
  if (!backend_.faults) return transport;
  const Clock& clock = is_sim_ ? static_cast<const Clock&>(clock_) : steady_;
  auto decorated = make_fault_transport(std::move(transport), *backend_.faults, clock);
  faults_.resize(std::max(faults_.size(), rank + 1));
  faults_[rank] = decorated.get();
  return decorated;
}

Cluster::~Cluster() {
  at_the_same_time([&](std::size_t rank) { transports_[rank].reset(); });
}

void Cluster::at_the_same_time(const std::function<void(std::size_t)>& action) {
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < size(); ++i) {
    if (is_sim_) {
      action(i);  // one thread by contract, and nobody waits for anybody
    } else {
      threads.emplace_back(action, i);
    }
  }
  for (std::thread& thread : threads) thread.join();
}

void Cluster::open(std::uint32_t epoch) {
  View view{Epoch{epoch}, Rank{0}, {}};
  for (const auto& transport : transports_) view.addresses.push_back(transport->address());
  for (std::size_t i = 0; i < size(); ++i) {
    view.rank = Rank{static_cast<std::uint32_t>(i)};
    const Status opened = at(i).open_view(view);
    GOSSAMER_CHECK(opened.ok(), opened.error().message);
  }
}

void Cluster::restart(std::size_t rank) {
  transports_[rank].reset();
  transports_[rank] = make_transport_of(rank);
}

void Cluster::close() {
  at_the_same_time([&](std::size_t rank) {
    const Status closed = at(rank).close_view(2'000'000'000);
    GOSSAMER_CHECK(closed.ok(), closed.error().message);
  });
  for (auto& completions : completions_) completions.clear();
}

void Cluster::advance_clock() {
  std::optional<std::uint64_t> next = network_->next_event_ns();
  for (const FaultTransport* faults : faults_)
    // What is due already waits for a transport that is stalled or dead.
    if (const auto due = faults->next_event_ns(); due && *due > clock_.now_ns())
      if (!next || *next <= clock_.now_ns() || *due < *next) next = due;
  if (next) clock_.advance_to(std::max(*next, clock_.now_ns()));
}

void Cluster::step() {
  if (idle_ && network_ != nullptr) advance_clock();
  std::array<Completion, 64> batch;
  idle_ = true;
  for (std::size_t i = 0; i < size(); ++i) {
    const std::size_t count = at(i).poll(batch);
    for (std::size_t k = 0; k < count; ++k) completions_[i].emplace(batch[k].context, batch[k]);
    if (count > 0) idle_ = false;
  }
}

bool Cluster::wait(const std::function<bool()>& condition) {
  const SteadyClock steady;
  const std::uint64_t end_ns = steady.now_ns() + 20'000'000'000;
  while (!condition()) {
    if (steady.now_ns() > end_ns) return false;
    step();
  }
  return true;
}

Completion Cluster::await(std::size_t rank, std::uint64_t context) {
  if (!wait([&] { return has(rank, context); })) return {context, Code::pending, 0};
  const auto entry = completions_[rank].find(context);
  const Completion completion = entry->second;
  completions_[rank].erase(entry);
  return completion;
}

}  // namespace gossamer::transport

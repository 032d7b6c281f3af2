#include "transport/libfabric/libfabric_transport.h"

#include <rdma/fi_errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>

#include "transport/start_checks.h"

namespace gossamer::transport {
namespace libfabric {
namespace {

constexpr std::uint64_t shared_file_bytes = 16 << 20;  // of shm, measured with libfabric 1.17
constexpr std::uint64_t destructor_deadline_ns = 1'000'000'000;
// Of close_view's time, at most a quarter and at most this is for messages already sent to leave.
constexpr std::uint64_t flush_ns_max = 100'000'000;

}  // namespace

LibfabricTransport::LibfabricTransport(std::shared_ptr<Domain> domain, const LibfabricOptions& options)
    : domain_(std::move(domain)), options_(options), regions_(*domain_) {}

LibfabricTransport::~LibfabricTransport() {
  static_cast<void>(close_view(destructor_deadline_ns));
  close_endpoint();
  if (event_descriptor_ >= 0) ::close(event_descriptor_);
}

Result<std::unique_ptr<LibfabricTransport>> LibfabricTransport::make(const LibfabricOptions& options) {
  const KeptSignals kept;
  GOSSAMER_ASSIGN(auto provider, choose_provider(options.provider, options.local_host));
  std::unique_ptr<PortGuard> port;
  if (provider.is_tcp()) port = std::make_unique<PortGuard>(*provider.info);
  GOSSAMER_ASSIGN(auto domain, Domain::open(std::move(provider)));
  std::unique_ptr<LibfabricTransport> transport(new LibfabricTransport(std::move(domain), options));
  transport->port_ = std::move(port);
  GOSSAMER_TRY(transport->set_up());
  return transport;
}

Status LibfabricTransport::set_up() {
  inject_bytes_ = domain_->info().tx_attr->inject_size;
  if (domain_->provider().is_shared_memory()) {
    GOSSAMER_TRY(check_file_size(shared_file_bytes));
    GOSSAMER_ASSIGN(folder_, SharedFolder::open(options_.job));
    own_ = make_shared_memory_address(folder_->name());
  } else {
    GOSSAMER_TRY(open_endpoint(Epoch{}));  // tells the address; it serves the first view
  }
  address_ = encode_address(domain_->provider(), own_);
  read_capabilities();
  return {};
}

void LibfabricTransport::read_capabilities() {
  capabilities_.name = "libfabric";
  capabilities_.version = library_version();
  capabilities_.ways = {domain_->provider().name};
  capabilities_.device = domain_->provider().source;
  capabilities_.memory_kinds = {MemoryKind::host};
  if (domain_->provider().moves_cuda) capabilities_.memory_kinds.push_back(MemoryKind::cuda);
  capabilities_.can_sleep = event_descriptor_ >= 0;
}

Status LibfabricTransport::open_endpoint(Epoch epoch) {
  const bool shared = domain_->provider().is_shared_memory();
  endpoint_name_ = address_in_view(domain_->provider(), own_, epoch);
  GOSSAMER_ASSIGN(endpoint_, Endpoint::open(domain_, endpoint_name_));
  if (shared) {
    SharedEndpoints::opened();
  } else {
    GOSSAMER_ASSIGN(auto name, endpoint_->address());
    if (own_.empty())
      own_ = std::move(name);
    else if (name != own_) {
      close_endpoint();
      return Error{Code::unavailable, text("libfabric's provider \"", domain_->provider().name,
                                           "\" gives a new endpoint another address, so a transport serves one view; "
                                           "make a new transport for the next")};
    }
  }
  if (endpoint_->event_descriptor() < 0) return {};
  if (event_descriptor_ < 0) event_descriptor_ = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN;
  if (event_descriptor_ >= 0) ::epoll_ctl(event_descriptor_, EPOLL_CTL_ADD, endpoint_->event_descriptor(), &event);
  return {};
}

void LibfabricTransport::close_endpoint() {
  if (endpoint_ == nullptr) return;
  if (event_descriptor_ >= 0 && endpoint_->event_descriptor() >= 0) {
    ::epoll_ctl(event_descriptor_, EPOLL_CTL_DEL, endpoint_->event_descriptor(), nullptr);
  }
  if (domain_->provider().is_shared_memory()) {
    SharedEndpoints::retire(std::move(endpoint_), endpoint_name_);
  } else {
    endpoint_.reset();
  }
}

Status LibfabricTransport::open_view(const View& view) {
  const KeptSignals kept;  // shm sets handlers when an endpoint is enabled
  if (endpoints_.size() != 0) return Error{Code::busy, "a view is open; close it before the next one"};
  GOSSAMER_TRY(check_view(view));
  Endpoints peers;
  GOSSAMER_TRY(peers.open(view, domain_->provider()));
  if (endpoint_ == nullptr) GOSSAMER_TRY(open_endpoint(view.epoch));
  GOSSAMER_TRY(regions_.open(endpoint_->ep()));
  endpoints_ = std::move(peers);
  delayed_.reserve(view.addresses.size());
  failed_.reserve(view.addresses.size());
  return {};
}

PeerState* LibfabricTransport::ready(Rank rank, const Slice& slice) {
  if (rank.value >= endpoints_.size() || !slice_fits(slice) || !regions_.has(slice)) return nullptr;
  PeerState& peer = endpoints_.at(rank.value);
  return peer.lost ? nullptr : &peer;
}

Error LibfabricTransport::start_error(Rank rank, const Slice& slice) {
  if (endpoints_.size() == 0) return no_view_error();
  if (rank.value >= endpoints_.size()) return peer_range_error(rank, endpoints_.size());
  if (!slice_fits(slice)) return slice_error(slice);
  if (!regions_.has(slice)) return unregistered_error(slice.region);
  return peer_lost_error(rank);
}

Operation& LibfabricTransport::begin(StartKind kind, PeerState& peer, const Slice& slice, std::uint64_t context) {
  Record& record = requests_.acquire(kind, peer.rank, context, peer.pending);
  Operation& operation = operations_.of(record);
  operation.data = slice.data();
  operation.bytes = slice.bytes;
  operation.descriptor = regions_.descriptor(slice);
  operation.on_host = slice.region.kind == MemoryKind::host;
  operation.given_up = operation.delayed = false;
  return operation;
}

Posted LibfabricTransport::post_to(Operation& operation, PeerState& peer) {
  if (peer.address == FI_ADDR_UNSPEC && operation.record->kind != StartKind::receive) {
    if (!endpoints_.connect(peer, *endpoint_).ok()) return {-FI_EHOSTUNREACH, false};
  }
  return post(*endpoint_, operation, peer.address, inject_bytes_);
}

Result<Token> LibfabricTransport::launch(Operation& operation, PeerState& peer) {
  const Token token = Requests::token(*operation.record);
  const bool behind = !queue_of(operation, peer).records.empty();
  const Posted posted = behind ? Posted{-FI_EAGAIN, false} : post_to(operation, peer);
  if (posted.result == -FI_EAGAIN) {
    delay(operation, peer);
  } else if (posted.result != 0) {
    requests_.abandon(*operation.record, peer.pending);
    Error error = library_error(completion_code(posted.result), text("reach rank ", peer.rank.value), posted.result);
    error.rank = peer.rank;
    return error;
  } else if (posted.ended) {
    finish(*operation.record, Code::done, operation.bytes);
  }
  return token;
}

Result<Token> LibfabricTransport::start_send(Rank peer, Tag tag, const Slice& slice, std::uint64_t context) {
  PeerState* const to = ready(peer, slice);
  if (to == nullptr) return start_error(peer, slice);
  Operation& operation = begin(StartKind::send, *to, slice, context);
  operation.tag = tag.value;
  return launch(operation, *to);
}

Result<Token> LibfabricTransport::start_receive(Rank peer, Tag tag, const Slice& slice, std::uint64_t context) {
  PeerState* const from = ready(peer, slice);
  if (from == nullptr) return start_error(peer, slice);
  Operation& operation = begin(StartKind::receive, *from, slice, context);
  operation.tag = tag.value;
  return launch(operation, *from);
}

Status LibfabricTransport::close_view(std::uint64_t deadline_ns) {
  if (endpoints_.size() == 0) return {};
  const std::uint64_t end_ns = clock_.now_ns() + std::min(deadline_ns / 4, flush_ns_max);
  // What the provider has not taken must not reach a peer that has closed already.
  end_delayed(receives_, Code::cancelled);
  for (PeerState* const peer : delayed_) end_delayed(peer->delayed, Code::cancelled);
  const auto sends_wait = [&] {
    for (std::size_t i = 0; i < endpoints_.size(); ++i) {
      for (const Record* each = endpoints_.at(i).pending.first(); each != nullptr; each = each->next) {
        if (each->kind != StartKind::receive) return true;
      }
    }
    return false;
  };
  do {
    while (read_queue() > 0) {
    }
  } while (sends_wait() && clock_.now_ns() < end_ns);

  regions_.close();  // first: what is registered for the endpoint goes before it
  close_endpoint();
  requests_.drop_all();
  endpoints_.close();
  receives_ = {};
  delayed_.clear();
  failed_.clear();
  return {};
}

Result<Region> LibfabricTransport::register_memory(void* base, std::size_t bytes, MemoryKind kind) {
  const auto& kinds = capabilities_.memory_kinds;
  if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) {
    return Error{Code::unavailable,
                 text("libfabric's provider \"", domain_->provider().name, "\" cannot move ", memory_kind_name(kind),
                      " memory here; copy it to host memory first, or use a libfabric and an adapter with CUDA")};
  }
  if (base == nullptr && bytes > 0) {
    return Error{Code::invalid_argument, text("cannot register ", bytes, " B at a null pointer")};
  }
  return regions_.add(base, bytes, kind);
}

}  // namespace libfabric

Result<std::unique_ptr<Transport>> make_libfabric_transport(const LibfabricOptions& options) {
  GOSSAMER_ASSIGN(auto transport, libfabric::LibfabricTransport::make(options));
  return std::unique_ptr<Transport>(std::move(transport));
}

std::vector<std::string> libfabric_providers() {
  const KeptSignals kept;
  return libfabric::usable_providers();
}

}  // namespace gossamer::transport

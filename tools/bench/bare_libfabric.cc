#include "tools/bench/bare_libfabric.h"

#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_tagged.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "transport/libfabric/functions.h"

namespace gossamer::tools {
namespace {

using namespace transport::libfabric::functions;

Error libfabric_error(const char* what, ssize_t result) {
  return {Code::unavailable, text("libfabric could not ", what, ": ", fi_strerror(static_cast<int>(-result)))};
}

struct Close {
  void operator()(fi_info* info) const { fi_freeinfo(info); }
  template <typename Object>
  void operator()(Object* object) const {
    fi_close(&object->fid);
  }
};
template <typename Object>
using Owned = std::unique_ptr<Object, Close>;

// Asks for what the transport asks for, so that what is left between the two is the transport's own work.
class BareLibfabricChannel final : public Channel {
 public:
  Status set_up(const std::string& provider, const Exchange& exchange, const ChannelMemory& memory) {
    GOSSAMER_TRY(choose(provider));
    GOSSAMER_TRY(open());
    memory_ = memory;
    GOSSAMER_TRY(register_memory(memory.out, FI_SEND, out_registered_));
    GOSSAMER_TRY(register_memory(memory.in, FI_RECV, in_registered_));
    Blob mine(256);
    std::size_t bytes = mine.size();
    if (const int result = fi_getname(&endpoint_->fid, mine.data(), &bytes); result != 0) {
      return libfabric_error("tell its address", result);
    }
    mine.resize(bytes);
    GOSSAMER_ASSIGN(const auto theirs, exchange(mine));
    if (const int result = fi_av_insert(peers_.get(), theirs.data(), 1, &peer_, 0, nullptr); result != 1) {
      return Error{Code::unavailable, "libfabric did not take the peer's address"};
    }
    return {};
  }

  Status ping_pong(std::size_t bytes, std::size_t count, bool leads) override {
    for (std::size_t i = 0; i < count; ++i) {
      GOSSAMER_TRY(receive(bytes, 1));
      if (!leads) GOSSAMER_TRY(wait(1));
      GOSSAMER_TRY(send(bytes, 1));
      GOSSAMER_TRY(wait(leads ? 2 : 1));
    }
    return {};
  }

  Status stream(std::size_t bytes, std::size_t count, bool leads) override {
    for (std::size_t done = 0; done < count;) {
      const std::size_t window = std::min(stream_window(bytes), count - done);
      for (std::size_t i = 0; i < window; ++i) {
        GOSSAMER_TRY(leads ? send(bytes, 100 + i) : receive(bytes, 100 + i));
      }
      GOSSAMER_TRY(wait(window));
      done += window;
    }
    GOSSAMER_TRY(leads ? receive(1, 2) : send(1, 2));
    return wait(1);
  }

 private:
  Status choose(const std::string& provider) {
    const Owned<fi_info> hints(fi_dupinfo(nullptr));
    GOSSAMER_CHECK(hints != nullptr, "memory for libfabric's hints");
    hints->caps = FI_TAGGED;
    hints->mode = FI_CONTEXT | FI_CONTEXT2;
    hints->ep_attr->type = FI_EP_RDM;
    hints->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY;
    hints->domain_attr->threading = FI_THREAD_DOMAIN;
    hints->domain_attr->control_progress = FI_PROGRESS_MANUAL;
    hints->domain_attr->data_progress = FI_PROGRESS_MANUAL;
    hints->domain_attr->resource_mgmt = FI_RM_ENABLED;
    hints->fabric_attr->prov_name = ::strdup(provider.c_str());
    fi_info* found = nullptr;
    const int result = fi_getinfo(FI_VERSION(1, 17), nullptr, nullptr, 0, hints.get(), &found);
    if (result != 0) return libfabric_error("find the provider", result);
    const Owned<fi_info> all(found);
    for (const fi_info* each = found; each != nullptr; each = each->next) {
      if (provider == each->fabric_attr->prov_name) {
        info_.reset(fi_dupinfo(each));
        return {};
      }
    }
    return Error{Code::unavailable, text("libfabric has no provider ", provider)};
  }

  Status open() {
    fid_fabric* fabric = nullptr;
    int result = fi_fabric(info_->fabric_attr, &fabric, nullptr);
    if (result != 0) return libfabric_error("open the fabric", result);
    fabric_.reset(fabric);
    fid_domain* domain = nullptr;
    result = fi_domain(fabric, info_.get(), &domain, nullptr);
    if (result != 0) return libfabric_error("open the domain", result);
    domain_.reset(domain);
    fi_av_attr peers_attributes{};
    peers_attributes.type = FI_AV_TABLE;
    fid_av* peers = nullptr;
    result = fi_av_open(domain, &peers_attributes, &peers, nullptr);
    if (result != 0) return libfabric_error("open the address table", result);
    peers_.reset(peers);
    // A queue that can be slept on, where there is one, as the transport's can.
    fi_cq_attr queue_attributes{};
    queue_attributes.format = FI_CQ_FORMAT_TAGGED;
    queue_attributes.wait_obj = FI_WAIT_FD;
    fid_cq* queue = nullptr;
    result = fi_cq_open(domain, &queue_attributes, &queue, nullptr);
    if (result != 0) {
      queue_attributes.wait_obj = FI_WAIT_NONE;
      result = fi_cq_open(domain, &queue_attributes, &queue, nullptr);
    }
    if (result != 0) return libfabric_error("open the completion queue", result);
    queue_.reset(queue);
    fid_ep* endpoint = nullptr;
    result = fi_endpoint(domain, info_.get(), &endpoint, nullptr);
    if (result != 0) return libfabric_error("make an endpoint", result);
    endpoint_.reset(endpoint);
    result = fi_ep_bind(endpoint, &peers->fid, 0);
    if (result == 0) result = fi_ep_bind(endpoint, &queue->fid, FI_TRANSMIT | FI_RECV);
    if (result == 0) result = fi_enable(endpoint);
    return result == 0 ? Status() : libfabric_error("enable the endpoint", result);
  }

  Status register_memory(std::span<std::byte> memory, std::uint64_t access, Owned<fid_mr>& registered) {
    if ((info_->domain_attr->mr_mode & FI_MR_LOCAL) == 0) return {};
    fid_mr* made = nullptr;
    const int result =
        fi_mr_reg(domain_.get(), memory.data(), memory.size(), access, 0, ++last_key_, 0, &made, nullptr);
    if (result != 0) return libfabric_error("register memory", result);
    registered.reset(made);
    return {};
  }

  static void* descriptor(const Owned<fid_mr>& memory) {
    return memory == nullptr ? nullptr : fi_mr_desc(memory.get());
  }

  Status send(std::size_t bytes, std::uint64_t tag) {
    return start("send", [&] {
      return fi_tsend(endpoint_.get(), memory_.out.data(), bytes, descriptor(out_registered_), peer_, tag,
                      next_context());
    });
  }

  Status receive(std::size_t bytes, std::uint64_t tag) {
    return start("receive", [&] {
      return fi_trecv(endpoint_.get(), memory_.in.data(), bytes, descriptor(in_registered_), peer_, tag, 0,
                      next_context());
    });
  }

  template <typename Call>
  Status start(const char* what, const Call& call) {
    TimeLimit limit;
    for (;;) {
      const ssize_t result = call();
      if (result == 0) return {};
      if (result != -FI_EAGAIN) return libfabric_error(what, result);
      GOSSAMER_TRY(progress());
      if (limit.is_over()) return silent_peer_error();
    }
  }

  // The library's, while a start is under way; there are fewer of those than of these.
  void* next_context() { return &contexts_[next_context_++ % contexts_.size()]; }

  Status progress() {
    std::array<fi_cq_tagged_entry, 32> entries;
    const ssize_t count = fi_cq_read(queue_.get(), entries.data(), entries.size());
    if (count >= 0) {
      completed_ += static_cast<std::size_t>(count);
      return {};
    }
    return count == -FI_EAGAIN ? Status() : libfabric_error("move a message", count);
  }

  Status wait(std::size_t count) {
    TimeLimit limit;
    while (completed_ < count) {
      GOSSAMER_TRY(progress());
      if (limit.is_over()) return silent_peer_error();
    }
    completed_ -= count;
    return {};
  }

  // Closed in the opposite order.
  Owned<fi_info> info_;
  Owned<fid_fabric> fabric_;
  Owned<fid_domain> domain_;
  Owned<fid_av> peers_;
  Owned<fid_cq> queue_;
  ChannelMemory memory_;
  Owned<fid_mr> out_registered_;
  Owned<fid_mr> in_registered_;
  std::array<fi_context2, 64> contexts_{};
  Owned<fid_ep> endpoint_;
  fi_addr_t peer_ = FI_ADDR_UNSPEC;
  std::size_t next_context_ = 0;
  std::size_t completed_ = 0;
  std::uint64_t last_key_ = 0;
};

}  // namespace

bool has_libfabric() { return true; }

Result<std::unique_ptr<Channel>> make_bare_libfabric_channel(const std::string& provider, const Exchange& exchange,
                                                             const ChannelMemory& memory) {
  GOSSAMER_TRY(transport::libfabric::load_functions());
  const KeptSignals kept;
  auto channel = std::make_unique<BareLibfabricChannel>();
  GOSSAMER_TRY(channel->set_up(provider, exchange, memory));
  return std::unique_ptr<Channel>(std::move(channel));
}

}  // namespace gossamer::tools

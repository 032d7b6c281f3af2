#include "tools/info/memory_probe.h"

#include <sched.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

namespace gossamer::tools {
namespace {

constexpr std::size_t bytes_max = 4 << 20;
constexpr std::uint64_t transfer_limit_ns = 5'000'000'000;
constexpr std::uint64_t close_limit_ns = 1'000'000'000;

// Memory of one kind, with contents that the host sets and reads.
class ProbeBlock {
 public:
  static Result<ProbeBlock> make(DeviceMemory* device) {
    ProbeBlock block;
    block.host_.resize(bytes_max);
    if (device == nullptr) return block;
    GOSSAMER_ASSIGN(block.queue_, device->make_queue());
    GOSSAMER_ASSIGN(block.device_, DeviceBlock::make(*device, bytes_max));
    return block;
  }

  [[nodiscard]] std::byte* memory() { return queue_ ? device_.data() : host_.data(); }
  [[nodiscard]] std::byte* host() { return host_.data(); }

  Status fill(std::uint64_t seed) {
    for (std::size_t i = 0; i < bytes_max; i += 8) {
      const std::uint64_t word = mix64(seed, i);
      std::memcpy(host_.data() + i, &word, 8);
    }
    return to_device(bytes_max);
  }
  Status to_device(std::size_t bytes) { return queue_ ? copy(device_.data(), host_.data(), bytes) : Status{}; }
  Status to_host(std::size_t bytes) { return queue_ ? copy(host_.data(), device_.data(), bytes) : Status{}; }
  void clear_host() { std::fill(host_.begin(), host_.end(), std::byte{0}); }
  Status clear() {
    clear_host();
    return to_device(bytes_max);
  }

 private:
  Status copy(void* to, const void* from, std::size_t bytes) {
    GOSSAMER_TRY(queue_->start(to, from, bytes));
    return wait_for_copies(*queue_, queue_->started());
  }

  std::vector<std::byte> host_;
  std::unique_ptr<CopyQueue> queue_;
  DeviceBlock device_;
};

// Registered as long as it lives.
class Registered {
 public:
  static Result<Registered> make(transport::Transport& transport, std::byte* base, MemoryKind kind) {
    GOSSAMER_ASSIGN(const auto region, transport.register_memory(base, bytes_max, kind));
    return Registered(transport, region);
  }
  Registered(Registered&& other) noexcept
      : transport_(std::exchange(other.transport_, nullptr)), region_(other.region_) {}
  Registered& operator=(Registered&&) = delete;
  ~Registered() {
    if (transport_ != nullptr) transport_->release_memory(region_);
  }
  [[nodiscard]] transport::Slice slice(std::size_t bytes) const { return {region_, 0, bytes}; }

 private:
  Registered(transport::Transport& transport, const transport::Region& region)
      : transport_(&transport), region_(region) {}
  transport::Transport* transport_;
  transport::Region region_;
};

Status exchange(transport::Transport& transport, const transport::Slice& from, const transport::Slice& to,
                FunctionRef<void()> step) {
  const Tag tag{from.bytes};
  GOSSAMER_TRY(transport.start_receive(Rank{0}, tag, to, 1));
  GOSSAMER_TRY(transport.start_send(Rank{0}, tag, from, 2));
  const SteadyClock clock;
  const std::uint64_t end_ns = clock.now_ns() + transfer_limit_ns;
  std::array<transport::Completion, 4> completions;
  for (int ended = 0; ended < 2;) {
    const std::size_t count = transport.poll(completions);
    for (std::size_t i = 0; i < count; ++i) {
      const transport::Completion& each = completions[i];
      if (each.code != Code::done || each.bytes != from.bytes)
        return Error{Code::unavailable, text("a message of ", from.bytes, " B ended as ", code_name(each.code),
                                             " with ", each.bytes, " B")};
      ++ended;
    }
    if (count > 0) continue;
    if (clock.now_ns() > end_ns)
      return Error{Code::deadline, text("a message of ", from.bytes, " B to the own rank was not there after ",
                                        format_duration(transfer_limit_ns))};
    if (step) step();
    sched_yield();
  }
  return {};
}

Status verify(transport::Transport& transport, const MemoryProbe& probe, DeviceMemory* device,
              FunctionRef<void()> step) {
  GOSSAMER_ASSIGN(auto from, ProbeBlock::make(device));
  GOSSAMER_ASSIGN(auto to, ProbeBlock::make(device));
  GOSSAMER_TRY(from.fill(1));
  const bool is_direct = probe.path == MemoryPath::direct;
  const MemoryKind moved = is_direct ? probe.kind : MemoryKind::host;
  GOSSAMER_ASSIGN(const auto out, Registered::make(transport, is_direct ? from.memory() : from.host(), moved));
  GOSSAMER_ASSIGN(const auto in, Registered::make(transport, is_direct ? to.memory() : to.host(), moved));
  const std::vector<std::byte> expected(from.host(), from.host() + bytes_max);
  for (const std::size_t bytes : {std::size_t{8}, std::size_t{65'537}, bytes_max}) {
    GOSSAMER_TRY(to.clear());
    if (device != nullptr) from.clear_host();  // what travels must come from the device
    if (!is_direct) GOSSAMER_TRY(from.to_host(bytes));
    GOSSAMER_TRY(exchange(transport, out.slice(bytes), in.slice(bytes), step));
    if (!is_direct) GOSSAMER_TRY(to.to_device(bytes));
    if (device != nullptr) to.clear_host();
    GOSSAMER_TRY(to.to_host(bytes));
    if (std::memcmp(to.host(), expected.data(), bytes) != 0)
      return Error{Code::internal, text("a message of ", bytes, " B arrived with other contents")};
  }
  return {};
}

}  // namespace

std::string_view memory_path_name(MemoryPath path) {
  switch (path) {
    case MemoryPath::direct:
      return "direct";
    case MemoryPath::staged:
      return "staged";
    case MemoryPath::none:
      break;
  }
  return "none";
}

std::vector<MemoryProbe> probe_memory(transport::Transport& transport, FunctionRef<void()> step) {
  const auto& direct = transport.capabilities().memory_kinds;
  const Status opened = transport.open_view({Epoch{1}, Rank{0}, {transport.address()}});
  std::vector<MemoryProbe> probes;
  for (const MemoryKind kind : {MemoryKind::host, MemoryKind::cuda, MemoryKind::fake_device}) {
    MemoryProbe probe;
    probe.kind = kind;
    DeviceMemory* device = nullptr;
    if (kind != MemoryKind::host) {
      const auto found = find_device_memory(kind);
      if (!found.ok() && found.error().code == Code::invalid_argument) continue;  // no kind of this process
      if (!found.ok()) {
        probe.problem = found.error().message;
        probes.push_back(std::move(probe));
        continue;
      }
      device = *found;
      probe.device = device->description();
    }
    probe.path =
        std::find(direct.begin(), direct.end(), kind) != direct.end() ? MemoryPath::direct : MemoryPath::staged;
    const Status status = opened.ok() ? verify(transport, probe, device, step) : opened;
    probe.is_verified = status.ok();
    if (!status.ok()) probe.problem = status.error().message;
    probes.push_back(std::move(probe));
  }
  if (opened.ok())
    if (const Status closed = transport.close_view(close_limit_ns); !closed.ok())
      log(LogLevel::warning, text("the view of the probe did not close: ", closed.error().message));
  return probes;
}

std::string describe_probe(const MemoryProbe& probe) {
  if (probe.path == MemoryPath::none) return text("no device: ", probe.problem);
  const std::string way = probe.path == MemoryPath::direct ? "moved directly" : "staged through the host";
  const std::string device = probe.device.empty() ? "" : text(" (", probe.device, ")");
  return probe.is_verified ? text(way, ", verified", device) : text(way, ", FAILED", device, ": ", probe.problem);
}

}  // namespace gossamer::tools

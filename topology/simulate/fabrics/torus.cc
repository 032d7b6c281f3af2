// A torus: a host at each point, two cables to its neighbours in each dimension. A message goes through the dimensions
// in turn (dimension order), each the shorter way round; where both are as long, by the parity of the destination, so
// that an exchange over half a ring uses both directions.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "topology/simulate/fabrics.h"

namespace gossamer::topology {
namespace {

constexpr std::size_t dimensions_max = 6;

std::string shape_words(const std::vector<std::uint32_t>& sizes) {
  std::string out;
  for (const std::uint32_t size : sizes) out += text(out.empty() ? "" : "x", size);
  return out;
}

class Torus final : public Fabric {
 public:
  Torus(std::vector<std::uint32_t> sizes, const FabricDefaults& link) : sizes_(std::move(sizes)) {
    std::uint32_t stride = 1;
    for (const std::uint32_t size : sizes_) {
      strides_.push_back(stride);
      stride *= size;
    }
    host_count_ = stride;
    description_ = text("torus ", shape_words(sizes_), ", ", host_count_, " hosts");
    for (std::size_t d = 0; d < sizes_.size(); ++d) class_names_.push_back(text("dimension ", d));
    // A dimension of one has cables to itself, which nobody takes; they keep the numbering simple.
    for (std::uint32_t node = 0; node < host_count_; ++node) {
      for (std::uint32_t d = 0; d < sizes_.size(); ++d) {
        const std::uint32_t at = place(node, d);
        for (const std::uint32_t step : {1u, sizes_[d] - 1}) {
          const std::uint32_t to = node - at * strides_[d] + (at + step) % sizes_[d] * strides_[d];
          links_.push_back({node, to, d, link.ns_per_byte, link.latency_ns});
        }
      }
    }
  }

  std::uint32_t node_of(std::uint32_t host) const override { return host; }

  std::uint32_t next_link(std::uint32_t node, std::uint32_t host) const override {
    for (std::uint32_t d = 0; d < sizes_.size(); ++d) {
      const std::uint32_t end = place(host, d);
      const std::uint32_t ahead = (end + sizes_[d] - place(node, d)) % sizes_[d];
      if (ahead == 0) continue;
      const bool up = 2 * ahead < sizes_[d] || (2 * ahead == sizes_[d] && end % 2 == 0);
      return (node * static_cast<std::uint32_t>(sizes_.size()) + d) * 2 + (up ? 0 : 1);
    }
    return no_link;
  }

  std::string node_name(std::uint32_t node) const override {
    std::string out = "host ";
    for (std::uint32_t d = 0; d < sizes_.size(); ++d) out += text(d == 0 ? "" : ",", place(node, d));
    return out;
  }

 private:
  std::uint32_t place(std::uint32_t node, std::uint32_t d) const { return node / strides_[d] % sizes_[d]; }

  std::vector<std::uint32_t> sizes_;
  std::vector<std::uint32_t> strides_;
};

std::uint32_t largest_divisor(std::uint32_t of, std::uint32_t most) {
  while (of % most != 0) --most;
  return most;
}

// Three dimensions, the longest at most twice the shortest, of as few hosts as the ranks fit in.
std::vector<std::uint32_t> shape_for(std::uint32_t ranks) {
  if (ranks < 8) return {ranks};
  for (std::uint32_t hosts = ranks;; ++hosts) {
    const double third = std::cbrt(static_cast<double>(hosts));
    const std::uint32_t a = largest_divisor(hosts, static_cast<std::uint32_t>(third + 1e-9));
    const double half = std::sqrt(static_cast<double>(hosts / a));
    const std::uint32_t b = largest_divisor(hosts / a, static_cast<std::uint32_t>(half + 1e-9));
    if (hosts / a / b <= 2 * a) return {hosts / a / b, b, a};
  }
}

// Empty where it is none.
std::vector<std::uint32_t> parse_shape(std::string_view words) {
  std::vector<std::uint32_t> sizes;
  std::uint64_t hosts = 1;
  const char* at = words.data();
  const char* const end = at + words.size();
  while (true) {
    std::uint32_t size = 0;
    const auto [stop, error] = std::from_chars(at, end, size);
    hosts *= size;
    if (error != std::errc{} || size == 0 || hosts > fabric_hosts_max || sizes.size() == dimensions_max) return {};
    sizes.push_back(size);
    if (stop == end) return sizes;
    if (*stop != 'x') return {};
    at = stop + 1;
  }
}

}  // namespace

Result<std::unique_ptr<Fabric>> make_torus(FabricWords words, const FabricDefaults& defaults) {
  const FabricDefaults link = take_link(words, defaults);
  std::vector<std::uint32_t> sizes;
  const std::optional<std::string_view> words_of_shape = words.take_bare();
  if (words_of_shape) {
    sizes = parse_shape(*words_of_shape);
    if (sizes.empty()) {
      words.refuse(text("\"", *words_of_shape, "\" is not 1 to ", dimensions_max, " sizes with at most ",
                        fabric_hosts_max, " hosts, as in 16x16x8"));
    }
  } else {
    sizes = shape_for(defaults.ranks);
  }
  GOSSAMER_TRY(words.finish());
  return std::unique_ptr<Fabric>(std::make_unique<Torus>(std::move(sizes), link));
}

}  // namespace gossamer::topology

#include "runtime/session/report.h"

#include <unistd.h>

#include <array>
#include <cmath>

#include "runtime/session/version.h"
#include "sketch/sketch.h"

namespace gossamer::runtime {

namespace {

// A number that JSON has; `null` for what is none.
std::string number(double value) { return std::isfinite(value) ? general(value, 9) : std::string("null"); }

std::string times_and_bytes(const PlanStats& stats) {
  return text("\"operations\":", stats.operations, ",\"bytes_sent\":", stats.bytes_sent,
              ",\"total_bytes_sent\":", stats.total_bytes_sent, ",\"exchange_ns\":", stats.exchange_ns,
              ",\"waiting_ns\":", stats.waiting_ns, ",\"wire_ns\":", stats.wire_ns,
              ",\"compute_ns\":", stats.compute_ns, ",\"total_exchange_ns\":", stats.total_exchange_ns,
              ",\"total_waiting_ns\":", stats.total_waiting_ns, ",\"total_wire_ns\":", stats.total_wire_ns,
              ",\"total_compute_ns\":", stats.total_compute_ns);
}

}  // namespace

std::string report_head(const ReportHead& head) {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  return text("{\"schema\":\"gossamer.session/1\",\"version\":", quoted_json(version), ",\"rank\":", head.rank,
              ",\"ranks\":", head.rank_count, ",\"host\":", quoted_json(host.data()),
              ",\"transport\":", quoted_json(head.way), ",\"control_bytes_sent\":", head.control_bytes_sent);
}

std::string report_of(Compressor& compressor, std::uint32_t rank_count) {
  const CompressorStats stats = compressor.stats();
  const double dimension = static_cast<double>(compressor.layout().dimension());
  const double dense_bytes =
      static_cast<double>(stats.operations) * 2.0 * (rank_count - 1) / rank_count * dimension * sizeof(float);
  std::string residual_norm = "null";
  if (!compressor.plan().is_in_flight() && !compressor.residual().empty())
    residual_norm = number(std::sqrt(sketch::sum_squares(compressor.residual())));
  return text("{\"name\":", quoted_json(compressor.name()),
              ",\"algorithm\":", quoted_json(algorithm_name(compressor.algorithm())),
              ",\"tensors\":", compressor.layout().tensor_count(), ",\"dimension\":", compressor.layout().dimension(),
              ",", times_and_bytes(stats), ",\"compress_ns\":", stats.compress_ns,
              ",\"total_compress_ns\":", stats.total_compress_ns,
              ",\"total_dense_bytes\":", static_cast<std::uint64_t>(dense_bytes),
              ",\"ratio\":", number(dense_bytes / static_cast<double>(stats.total_bytes_sent)),
              ",\"applied\":", stats.applied, ",\"gradient_norm\":", number(stats.gradient_norm),
              ",\"clipped\":", stats.clipped, ",\"residual_norm\":", residual_norm, "}");
}

std::string report_of(Collective& collective) {
  return text("{\"name\":", quoted_json(collective.plan().name()), ",\"ranks\":", collective.rank_count(), ",",
              times_and_bytes(collective.plan().stats()), "}");
}

}  // namespace gossamer::runtime

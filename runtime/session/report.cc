#include "runtime/session/report.h"

#include <cmath>
#include <utility>

#include "runtime/session/version.h"
#include "sketch/sketch.h"

namespace gossamer::runtime {

namespace {

// A number that JSON has; `null` for what is none.
std::string number(double value) { return std::isfinite(value) ? general(value, 9) : std::string("null"); }
std::string number(const std::optional<double>& value) { return value ? number(*value) : std::string("null"); }

std::optional<double> norm_of(const std::optional<double>& squares) {
  return squares ? std::optional<double>(std::sqrt(*squares)) : std::nullopt;
}

std::string times_and_bytes(const PlanStats& stats) {
  return text("\"operations\":", stats.operations, ",\"bytes_sent\":", stats.bytes_sent,
              ",\"total_bytes_sent\":", stats.total_bytes_sent, ",\"exchange_ns\":", stats.exchange_ns,
              ",\"waiting_ns\":", stats.waiting_ns, ",\"wire_ns\":", stats.wire_ns,
              ",\"compute_ns\":", stats.compute_ns, ",\"total_exchange_ns\":", stats.total_exchange_ns,
              ",\"total_waiting_ns\":", stats.total_waiting_ns, ",\"total_wire_ns\":", stats.total_wire_ns,
              ",\"total_compute_ns\":", stats.total_compute_ns);
}

std::string json_of(const CompressorReport& report) {
  const CompressorStats& stats = report.stats;
  return text("{\"name\":", quoted_json(report.name), ",\"algorithm\":", quoted_json(algorithm_name(report.algorithm)),
              ",\"tensors\":", report.tensors, ",\"dimension\":", report.dimension, ",", times_and_bytes(stats),
              ",\"compress_ns\":", stats.compress_ns, ",\"total_compress_ns\":", stats.total_compress_ns,
              ",\"total_dense_bytes\":", static_cast<std::uint64_t>(report.total_dense_bytes),
              ",\"ratio\":", number(report.total_dense_bytes / static_cast<double>(stats.total_bytes_sent)),
              ",\"applied\":", stats.applied, ",\"gradient_norm\":", number(stats.gradient_norm),
              ",\"clipped\":", stats.clipped, ",\"residual_norm\":", number(norm_of(report.residual_squares)),
              ",\"recovered\":", number(recovered(report)), "}");
}

std::string json_of(const CollectiveReport& report) {
  return text("{\"name\":", quoted_json(report.name), ",\"ranks\":", report.rank_count, ",",
              times_and_bytes(report.stats), "}");
}

template <typename Items, typename Write>
std::string json_list(const Items& items, Write write) {
  std::string list = "[";
  for (const auto& item : items) append(list, list.size() == 1 ? "" : ",", write(item));
  return list + "]";
}

// What only grows.
void add_counters(PlanStats& to, const PlanStats& from) {
  to.operations += from.operations;
  to.total_bytes_sent += from.total_bytes_sent;
  to.total_exchange_ns += from.total_exchange_ns;
  to.total_waiting_ns += from.total_waiting_ns;
  to.total_wire_ns += from.total_wire_ns;
  to.total_compute_ns += from.total_compute_ns;
}

void add_counters(CollectiveReport& to, const CollectiveReport& from) { add_counters(to.stats, from.stats); }

void add_counters(CompressorReport& to, const CompressorReport& from) {
  add_counters(static_cast<PlanStats&>(to.stats), from.stats);
  to.stats.clipped += from.stats.clipped;
  to.stats.total_compress_ns += from.stats.total_compress_ns;
  to.total_dense_bytes += from.total_dense_bytes;
}

std::optional<double> sum(const std::optional<double>& a, const std::optional<double>& b) {
  return a && b ? std::optional<double>(*a + *b) : std::nullopt;
}

void add_gauges(CollectiveReport&, const CollectiveReport&) {}

void add_gauges(CompressorReport& to, const CompressorReport& from) {
  to.dimension += from.dimension;
  to.stats.applied += from.stats.applied;
  to.stats.gradient_norm = std::hypot(to.stats.gradient_norm, from.stats.gradient_norm);
  to.residual_squares = sum(to.residual_squares, from.residual_squares);
  to.sent_squares = sum(to.sent_squares, from.sent_squares);
}

template <typename Report>
void add_past(std::map<std::string, Report>& past, Report report) {
  if (report.stats.operations == 0) return;
  if (past.size() >= PastReports::names_max && !past.contains(report.name)) report.name = "(others)";
  const auto [place, is_new] = past.try_emplace(report.name, report);
  if (is_new) return;
  add_counters(report, place->second);
  place->second = std::move(report);
}

template <typename Report>
std::map<std::string, Report> by_name(const std::vector<Report>& present, const std::map<std::string, Report>& past) {
  std::map<std::string, Report> all;
  for (const Report& each : present) {
    const auto [place, is_new] = all.try_emplace(each.name, each);
    if (is_new) continue;
    add_counters(place->second, each);
    add_gauges(place->second, each);
  }
  for (const auto& [name, each] : past)
    if (const auto [place, is_new] = all.try_emplace(name, each); !is_new) add_counters(place->second, each);
  return all;
}

double seconds(std::uint64_t ns) { return static_cast<double>(ns) / 1e9; }

// Writes families whose samples all say whose they are: files of several ranks and jobs lie in one folder.
class SessionMetrics {
 public:
  using Labels = MetricsWriter::Labels;

  SessionMetrics(const SessionReport& report, const PastReports& past)
      : report_(report),
        compressors_(by_name(report.compressors, past.compressors())),
        collectives_(by_name(report.collectives, past.collectives())) {}

  std::string write() && {
    write_session();
    write_plans();
    write_compressors();
    return std::move(writer_).end();
  }

 private:
  void add(Labels labels, double value) {
    labels.insert(labels.begin(), {{"session", report_.job}, {"rank", text(report_.rank.value)}});
    writer_.add(labels, value);
  }

  void write_session() {
    writer_.begin_gauge("gossamer_session_info", "", "Who this rank is, and what moves its bytes");
    add({{"host", report_.host}, {"transport", report_.way}, {"version", std::string(version)}}, 1);
    writer_.begin_gauge("gossamer_session_ranks", "", "Ranks of the session");
    add({}, report_.rank_count);
    writer_.begin_counter("gossamer_control_sent_bytes", "bytes", "Bytes that this rank sent over the control plane");
    add({}, static_cast<double>(report_.control_bytes_sent));
    writer_.begin_counter("gossamer_waited_for_seconds", "seconds",
                          "Time in which nothing moved here until the peer's part came");
    for (std::size_t peer = 0; peer < report_.waited_for_ns.size(); ++peer)
      if (report_.waited_for_ns[peer] != 0) add({{"peer", text(peer)}}, seconds(report_.waited_for_ns[peer]));
  }

  // Of compressors and collectives: `value` adds what it has for each.
  template <typename Value>
  void for_each_plan(Value value) {
    for (const auto& [name, each] : compressors_) value({{"kind", "compressor"}, {"name", name}}, each.stats);
    for (const auto& [name, each] : collectives_) value({{"kind", "collective"}, {"name", name}}, each.stats);
  }

  void write_plans() {
    writer_.begin_counter("gossamer_operations", "", "Operations that were seen to end done");
    for_each_plan(
        [&](const Labels& labels, const PlanStats& stats) { add(labels, static_cast<double>(stats.operations)); });
    writer_.begin_counter("gossamer_sent_bytes", "bytes", "Payload bytes that this rank sent");
    for_each_plan([&](const Labels& labels, const PlanStats& stats) {
      add(labels, static_cast<double>(stats.total_bytes_sent));
    });
    writer_.begin_counter("gossamer_exchange_seconds", "seconds", "Time of operations, from start to end, by phase");
    for_each_plan([&](Labels labels, const PlanStats& stats) {
      labels.emplace_back("phase", "");
      for (const auto& [phase, ns] :
           {std::pair("waiting", stats.total_waiting_ns), std::pair("wire", stats.total_wire_ns),
            std::pair("compute", stats.total_compute_ns)}) {
        labels.back().second = phase;
        add(labels, seconds(ns));
      }
    });
  }

  // `value` may be nothing.
  template <typename Value>
  void for_each_compressor(Value value) {
    for (const auto& [name, each] : compressors_)
      if (const std::optional<double> has = value(each); has && std::isfinite(*has)) add({{"name", name}}, *has);
  }

  void write_compressors() {
    using Report = CompressorReport;
    writer_.begin_counter("gossamer_compress_seconds", "seconds", "Time of compressing gradients");
    for_each_compressor([](const Report& each) { return seconds(each.stats.total_compress_ns); });
    writer_.begin_counter("gossamer_dense_bytes", "bytes", "Bytes that an all-reduce of everything would have sent");
    for_each_compressor([](const Report& each) { return each.total_dense_bytes; });
    writer_.begin_counter("gossamer_clipped_gradients", "", "Gradients that were cut to the bound of their norm");
    for_each_compressor([](const Report& each) { return static_cast<double>(each.stats.clipped); });
    writer_.begin_gauge("gossamer_coordinates", "", "Elements of all tensors");
    for_each_compressor([](const Report& each) { return static_cast<double>(each.dimension); });
    writer_.begin_gauge("gossamer_applied_coordinates", "", "Coordinates in the last update");
    for_each_compressor([](const Report& each) { return static_cast<double>(each.stats.applied); });
    writer_.begin_gauge("gossamer_gradient_norm", "", "L2 norm of the last gradient of this rank, before clipping");
    for_each_compressor([](const Report& each) { return each.stats.gradient_norm; });
    writer_.begin_gauge("gossamer_residual_norm", "", "L2 norm of what this rank holds back");
    for_each_compressor([](const Report& each) { return norm_of(each.residual_squares); });
    writer_.begin_gauge("gossamer_recovered_ratio", "ratio",
                        "Squares that the last step sent over the squares that it could send");
    for_each_compressor([](const Report& each) { return recovered(each); });
  }

  const SessionReport& report_;
  const std::map<std::string, CompressorReport> compressors_;
  const std::map<std::string, CollectiveReport> collectives_;
  MetricsWriter writer_;
};

}  // namespace

CompressorReport report_of(Compressor& compressor, std::uint32_t rank_count) {
  CompressorReport report;
  report.name = compressor.name();
  report.algorithm = compressor.algorithm();
  report.tensors = compressor.layout().tensor_count();
  report.dimension = compressor.layout().dimension();
  report.stats = compressor.stats();
  report.total_dense_bytes = static_cast<double>(report.stats.operations) * 2.0 * (rank_count - 1) / rank_count *
                             static_cast<double>(report.dimension) * sizeof(float);
  if (!compressor.plan().is_in_flight() && !compressor.residual().empty()) {
    report.residual_squares = sketch::sum_squares(compressor.residual());
    report.sent_squares = compressor.sent_squares();
  }
  return report;
}

CollectiveReport report_of(Collective& collective) {
  return {collective.plan().name(), collective.rank_count(), collective.plan().stats()};
}

std::optional<double> recovered(const CompressorReport& report) {
  const std::optional<double> offered = sum(report.sent_squares, report.residual_squares);
  if (!offered || *offered == 0.0) return std::nullopt;
  return *report.sent_squares / *offered;
}

std::string json_of(const SessionReport& report) {
  return text("{\"schema\":\"gossamer.session/1\",\"version\":", quoted_json(version), ",\"rank\":", report.rank.value,
              ",\"ranks\":", report.rank_count, ",\"host\":", quoted_json(report.host),
              ",\"transport\":", quoted_json(report.way), ",\"control_bytes_sent\":", report.control_bytes_sent,
              ",\"waited_for_ns\":", json_list(report.waited_for_ns, [](std::uint64_t ns) { return text(ns); }),
              ",\"compressors\":", json_list(report.compressors, [](const auto& each) { return json_of(each); }),
              ",\"collectives\":", json_list(report.collectives, [](const auto& each) { return json_of(each); }), "}");
}

void PastReports::add(CompressorReport report) { add_past(compressors_, std::move(report)); }
void PastReports::add(CollectiveReport report) { add_past(collectives_, std::move(report)); }

std::string metrics_of(const SessionReport& report, const PastReports& past) {
  return SessionMetrics(report, past).write();
}

}  // namespace gossamer::runtime

#include "tools/topo/measurement_file.h"

#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

namespace gossamer::tools {
namespace {

using nlohmann::json;
using topology::Estimate;
using topology::LogGp;
using topology::Measurement;
using topology::PairLoad;
using topology::PairMeasurement;
using topology::SizeSamples;

constexpr std::string_view schema_name = "gossamer.topo/";
constexpr std::uint32_t ranks_max = 65'536;
// What the numbers of a pair's "sizes" are, in their order.
constexpr std::array size_columns = {"bytes",       "count",  "p50_ns", "p50_low_ns",
                                     "p50_high_ns", "min_ns", "p99_ns", "p999_ns"};

std::string compact(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

json estimate_json(const Estimate& estimate) { return {estimate.value, estimate.low, estimate.high}; }

json pair_json(const PairMeasurement& pair) {
  json written = {{"from", pair.from}, {"to", pair.to}, {"load", pair_load_name(pair.load)}, {"passes", pair.passes}};
  if (!pair.missing.empty()) written["missing"] = pair.missing;
  json sizes = json::array();
  for (const SizeSamples& size : pair.sizes) {
    sizes.push_back({size.bytes, size.count, size.p50_ns.value, size.p50_ns.low, size.p50_ns.high, size.min_ns,
                     size.p99_ns, size.p999_ns});
  }
  written["sizes"] = std::move(sizes);
  if (pair.fit) {
    written["fit"] = {{"alpha_ns", estimate_json(pair.fit->alpha_ns)},
                      {"beta_ns_per_byte", estimate_json(pair.fit->beta_ns_per_byte)},
                      {"gap_ns", estimate_json(pair.fit->gap_ns)},
                      {"overhead_ns", estimate_json(pair.fit->overhead_ns)},
                      {"residual", pair.fit->residual}};
  }
  return written;
}

// Walks a document and remembers the first thing that is not as it should be; after that every read gives zeros.
class Reader {
 public:
  explicit Reader(std::string name) : name_(std::move(name)) {}

  [[nodiscard]] const std::optional<Error>& trouble() const { return trouble_; }

  void fail(const std::string& place, const std::string& expected) {
    if (!trouble_) trouble_ = Error{Code::malformed, text(name_, ": ", place, ": expected ", expected)};
  }

  // A member of an object; null where it is missing, which fails unless it may be.
  const json& member(const json& object, const std::string& place, const char* key, bool needed = true) {
    static const json none;
    const auto found = object.is_object() ? object.find(key) : object.end();
    if (object.is_object() && found != object.end()) return *found;
    if (needed) fail(place, text("an object with \"", key, "\""));
    return none;
  }

  double number(const json& value, const std::string& place) {
    const double read = value.is_number() ? value.get<double>() : NAN;
    if (std::isfinite(read)) return read;
    fail(place, "a number");
    return 0.0;
  }

  double number_of(const json& object, const std::string& place, const char* key, double least) {
    const double read = number(member(object, place, key), place + "." + key);
    if (read < least) fail(place + "." + key, text("at least ", least));
    return read;
  }

  std::uint64_t whole(const json& value, const std::string& place, std::uint64_t most, const char* what) {
    if (value.is_number_unsigned() && value.get<std::uint64_t>() <= most) return value.get<std::uint64_t>();
    fail(place, text(what, " from 0 to ", most, value.is_number() ? text(", not ", value.dump()) : std::string()));
    return 0;
  }

  std::uint32_t whole_of(const json& object, const std::string& place, const char* key, std::uint64_t most,
                         const char* what) {
    return static_cast<std::uint32_t>(whole(member(object, place, key), place + "." + key, most, what));
  }

  std::string words_of(const json& object, const std::string& place, const char* key, bool needed = true) {
    const json& value = member(object, place, key, needed);
    if (value.is_string()) return value.get<std::string>();
    if (needed || !value.is_null()) fail(place + "." + key, "text");
    return {};
  }

  const json& list_of(const json& object, const std::string& place, const char* key) {
    static const json none = json::array();
    const json& value = member(object, place, key);
    if (value.is_array()) return value;
    fail(place.empty() ? key : place + "." + key, "a list");
    return none;
  }

  Estimate estimate_of(const json& object, const std::string& place, const char* key) {
    const json& list = list_of(object, place, key);
    if (list.size() != 3) {
      fail(place + "." + key, "[value, low, high]");
      return {};
    }
    const std::string here = place + "." + key;
    return {number(list[0], here), number(list[1], here), number(list[2], here)};
  }

 private:
  std::string name_;
  std::optional<Error> trouble_;
};

SizeSamples read_size(Reader& reader, const json& row, const std::string& place) {
  SizeSamples size;
  if (!row.is_array() || row.size() < size_columns.size()) {
    reader.fail(place, text("a list of ", size_columns.size(), " numbers, as \"size_columns\" names them"));
    return size;
  }
  size.bytes = reader.whole(row[0], place, std::uint64_t{1} << 62, "a size in bytes");
  size.count = static_cast<std::uint32_t>(reader.whole(row[1], place, UINT32_MAX, "a count"));
  size.p50_ns = {reader.number(row[2], place), reader.number(row[3], place), reader.number(row[4], place)};
  size.min_ns = reader.number(row[5], place);
  size.p99_ns = reader.number(row[6], place);
  size.p999_ns = reader.number(row[7], place);
  return size;
}

PairMeasurement read_pair(Reader& reader, const json& written, const std::string& place, std::uint32_t rank_count) {
  PairMeasurement pair;
  pair.from = reader.whole_of(written, place, "from", rank_count - 1, "a rank");
  pair.to = reader.whole_of(written, place, "to", rank_count - 1, "a rank");
  if (pair.from == pair.to) reader.fail(place, "two different ranks");
  const std::string load = reader.words_of(written, place, "load");
  if (load != "idle" && load != "loaded") reader.fail(place + ".load", R"("idle" or "loaded")");
  pair.load = load == "loaded" ? PairLoad::loaded : PairLoad::idle;
  pair.passes = reader.whole_of(written, place, "passes", UINT32_MAX, "a count");
  pair.missing = reader.words_of(written, place, "missing", false);
  const json& sizes = reader.list_of(written, place, "sizes");
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const std::string here = text(place, ".sizes[", i, "]");
    pair.sizes.push_back(read_size(reader, sizes[i], here));
    if (i > 0 && pair.sizes[i - 1].bytes >= pair.sizes[i].bytes) reader.fail(here, "a larger size than before it");
  }
  if (pair.sizes.empty() == pair.missing.empty()) {
    reader.fail(place, "sizes, or a reason in \"missing\" why there are none");
  }
  if (const json& fit = reader.member(written, place, "fit", false); !fit.is_null()) {
    const std::string here = place + ".fit";
    pair.fit = LogGp{reader.estimate_of(fit, here, "alpha_ns"), reader.estimate_of(fit, here, "beta_ns_per_byte"),
                     reader.estimate_of(fit, here, "gap_ns"), reader.estimate_of(fit, here, "overhead_ns"),
                     reader.number_of(fit, here, "residual", 0.0)};
  }
  return pair;
}

auto place_of(const PairMeasurement& pair) { return std::tuple(pair.load, pair.from, pair.to); }

void read_cluster(Reader& reader, const json& document, Measurement& measurement) {
  const json& hosts = reader.list_of(document, "", "hosts");
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    const std::string place = text("hosts[", i, "]");
    topology::MeasuredHost host;
    host.name = reader.words_of(hosts[i], place, "name");
    host.cores = reader.whole_of(hosts[i], place, "cores", UINT32_MAX, "a count");
    for (const json& each : reader.list_of(hosts[i], place, "adapters")) {
      if (!each.is_string()) reader.fail(place + ".adapters", "texts");
      host.adapters.push_back(each.is_string() ? each.get<std::string>() : "");
    }
    host.declared_switch = reader.words_of(hosts[i], place, "declared_switch", false);
    host.stolen_cpu = reader.number_of(hosts[i], place, "stolen_cpu", 0.0);
    measurement.hosts.push_back(std::move(host));
  }
  const json& ranks = reader.list_of(document, "", "ranks");
  if (ranks.empty() || ranks.size() > ranks_max) reader.fail("ranks", text("1 to ", ranks_max, " ranks"));
  if (hosts.empty()) reader.fail("hosts", "at least one host");
  if (reader.trouble()) return;
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    const std::string place = text("ranks[", i, "]");
    const std::uint32_t host = reader.whole_of(ranks[i], place, "host", hosts.size() - 1, "an index of \"hosts\"");
    const json& died = reader.member(ranks[i], place, "died", false);
    if (!died.is_null() && !died.is_boolean()) reader.fail(place + ".died", "true or false");
    measurement.ranks.push_back({host, died.is_boolean() && died.get<bool>()});
  }
}

// Whether the bytes end where JSON could still go on: then the file was cut off.
bool is_cut_off(std::string_view content) {
  while (!content.empty() && std::strchr(" \t\r\n", content.back()) != nullptr) content.remove_suffix(1);
  return !content.empty() && content.front() == '{' && content.back() != '}';
}

Status check_schema(const json& document, const std::string& name) {
  const auto found = document.is_object() ? document.find("schema") : document.end();
  const bool has_schema = document.is_object() && found != document.end() && found->is_string();
  const std::string schema = has_schema ? found->get<std::string>() : "";
  const std::string own = text(schema_name, Measurement::format_version);
  if (schema == own) return {};
  if (schema.rfind(schema_name, 0) == 0) {
    return Error{Code::mismatch, text(name, " has the schema ", schema, ", and this version of gossamer reads ", own,
                                      ": measure again, or use the version that wrote it")};
  }
  return Error{Code::malformed, text(name, " is not a measurement of `gossamer topo measure`: ",
                                     has_schema ? text("its schema is \"", schema, "\"") : "it names no schema",
                                     ", expected \"", own, "\"")};
}

}  // namespace

std::string_view pair_load_name(PairLoad load) { return load == PairLoad::loaded ? "loaded" : "idle"; }

std::string write_measurement(const Measurement& measurement) {
  const std::pair<const char*, json> members[] = {
      {"schema", text(schema_name, Measurement::format_version)},
      {"when", measurement.when},
      {"version", measurement.version},
      {"transport", measurement.transport},
      {"memory", measurement.memory},
      {"clock_uncertainty_ns", measurement.clock_uncertainty_ns},
      {"sampled_fraction", measurement.sampled_fraction},
      {"seed", measurement.seed},
      {"size_columns", size_columns},
  };
  std::string out = "{\n";
  for (const auto& [key, value] : members) out += text("  \"", key, "\": ", compact(value), ",\n");
  const auto add_list = [&out](const char* key, const auto& rows, const auto& row_json, const char* behind) {
    out += text("  \"", key, "\": [");
    for (std::size_t i = 0; i < rows.size(); ++i) {
      out += i == 0 ? "\n    " : ",\n    ";
      out += compact(row_json(rows[i]));
    }
    out += text("\n  ]", behind, "\n");
  };
  const auto host_json = [](const topology::MeasuredHost& host) {
    return json{{"name", host.name},
                {"cores", host.cores},
                {"adapters", host.adapters},
                {"declared_switch", host.declared_switch},
                {"stolen_cpu", host.stolen_cpu}};
  };
  const auto rank_json = [](const topology::MeasuredRank& rank) {
    return json{{"host", rank.host}, {"died", rank.died}};
  };
  add_list("hosts", measurement.hosts, host_json, ",");
  add_list("ranks", measurement.ranks, rank_json, ",");
  add_list("pairs", measurement.pairs, pair_json, "");
  return out + "}\n";
}

Result<Measurement> parse_measurement(std::string_view content, const std::string& name) {
  const json document = json::parse(content, nullptr, false);
  if (document.is_discarded()) {
    return Error{Code::malformed,
                 text(name, is_cut_off(content) ? " ends in the middle: the file was cut off"
                                                : " is not JSON, expected a file of `gossamer topo measure`")};
  }
  GOSSAMER_TRY(check_schema(document, name));
  Reader reader(name);
  Measurement measurement;
  measurement.when = reader.words_of(document, "", "when");
  measurement.version = reader.words_of(document, "", "version");
  measurement.transport = reader.words_of(document, "", "transport");
  measurement.memory = reader.words_of(document, "", "memory");
  measurement.clock_uncertainty_ns = reader.number_of(document, "", "clock_uncertainty_ns", 0.0);
  measurement.sampled_fraction = reader.number_of(document, "", "sampled_fraction", 0.0);
  measurement.seed = reader.whole(reader.member(document, "", "seed"), "seed", UINT64_MAX, "a number");
  read_cluster(reader, document, measurement);
  if (reader.trouble()) return *reader.trouble();
  const json& pairs = reader.list_of(document, "", "pairs");
  const auto rank_count = static_cast<std::uint32_t>(measurement.ranks.size());
  for (std::size_t i = 0; i < pairs.size() && !reader.trouble(); ++i) {
    const std::string place = text("pairs[", i, "]");
    measurement.pairs.push_back(read_pair(reader, pairs[i], place, rank_count));
    if (i > 0 && !(place_of(measurement.pairs[i - 1]) < place_of(measurement.pairs[i]))) {
      reader.fail(place, "pairs in ascending order of load, from, to, each once");
    }
  }
  if (reader.trouble()) return *reader.trouble();
  return measurement;
}

Result<Measurement> read_measurement(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string content;
  if (file) content.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  if (!file || (content.empty() && errno != 0)) {
    return Error{Code::unavailable, text("cannot read ", path, ": ", std::strerror(errno))};
  }
  if (content.empty())
    return Error{Code::malformed, text(path, " is empty, expected a file of `gossamer topo measure`")};
  return parse_measurement(content, path);
}

std::string measurement_csv(const Measurement& measurement) {
  const auto quoted = [](const std::string& words) {
    if (words.find_first_of(",\"\n\r") == std::string::npos) return words;
    std::string out = "\"";
    for (const char each : words) out += each == '"' ? std::string("\"\"") : std::string(1, each);
    return out + "\"";
  };
  const auto plain = [](double value) { return compact(json(value)); };
  std::string out = "from,to,from_host,to_host,load,passes";
  for (const char* column : size_columns) out += text(",", column);
  out += ",alpha_ns,alpha_low_ns,alpha_high_ns,beta_ns_per_byte,beta_low_ns_per_byte,beta_high_ns_per_byte,missing\n";
  for (const PairMeasurement& pair : measurement.pairs) {
    const std::string head =
        text(pair.from, ",", pair.to, ",", quoted(measurement.host_of(pair.from)), ",",
             quoted(measurement.host_of(pair.to)), ",", pair_load_name(pair.load), ",", pair.passes);
    std::string fit = ",,,,,,";
    if (pair.fit) {
      fit.clear();
      for (const Estimate& each : {pair.fit->alpha_ns, pair.fit->beta_ns_per_byte})
        fit += text(",", plain(each.value), ",", plain(each.low), ",", plain(each.high));
    }
    if (pair.sizes.empty()) {
      out += head + std::string(size_columns.size(), ',') + fit + "," + quoted(pair.missing) + "\n";
      continue;
    }
    for (const SizeSamples& size : pair.sizes) {
      out += text(head, ",", size.bytes, ",", size.count);
      for (const double value :
           {size.p50_ns.value, size.p50_ns.low, size.p50_ns.high, size.min_ns, size.p99_ns, size.p999_ns})
        out += text(",", plain(value));
      out += fit + ",\n";
    }
  }
  return out;
}

}  // namespace gossamer::tools

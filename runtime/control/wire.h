// What both ends of a control connection must have in common, beside control.proto.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/base.h"
#include "runtime/control/control.h"
#include "runtime/control/control.pb.h"
#include "runtime/control/limits.h"

namespace gossamer::runtime {

// "GOSSAMER" read as big-endian text: tells a rank from a stranger at the door.
constexpr std::uint64_t control_magic = 0x474f5353414d4552u;
// Grows with every change of control.proto that an older peer would misread.
constexpr std::uint32_t control_protocol = 5;

// The shared field that says whose rank a Hello comes from. In every version, as Hello itself.
constexpr const char* job_field = "job";

// Refusal and Verdict carry an Error the same way.
template <typename Wire>
void set_error(Wire& wire, const Error& error) {
  wire.set_code(static_cast<std::int32_t>(error.code));
  wire.set_message(error.message);
  wire.set_rank_plus_one(error.rank ? error.rank->value + 1 : 0);
}

template <typename Wire>
[[nodiscard]] Error error_of(const Wire& wire) {
  const auto code = static_cast<Code>(wire.code());
  Error error{code_name(code) == "unknown" || wire.code() >= 0 ? Code::internal : code, wire.message()};
  if (wire.rank_plus_one() > 0) error.rank = Rank{wire.rank_plus_one() - 1};
  return error;
}

// Hello and Collect carry fields the same way.
using WireFields = google::protobuf::RepeatedPtrField<wire::Field>;

inline void add_fields(WireFields& to, std::span<const Field> fields) {
  for (const Field& field : fields) {
    wire::Field* const entry = to.Add();
    entry->set_name(field.name);
    entry->set_value(field.value);
  }
}

[[nodiscard]] inline std::vector<Field> fields_of(const WireFields& from) {
  std::vector<Field> fields;
  for (const wire::Field& field : from) fields.push_back({field.name(), field.value()});
  return fields;
}

// In the order of the members; none was sent where all are empty.
[[nodiscard]] inline std::vector<Blob> blobs_of(const wire::Verdict& verdict, std::size_t member_count) {
  std::vector<Blob> blobs;
  blobs.reserve(member_count);
  for (const std::string& blob : verdict.blobs()) {
    const auto bytes = std::as_bytes(std::span(blob));
    blobs.emplace_back(bytes.begin(), bytes.end());
  }
  blobs.resize(member_count);
  return blobs;
}

}  // namespace gossamer::runtime

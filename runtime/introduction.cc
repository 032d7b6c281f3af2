#include "runtime/introduction.h"

#include <cstring>
#include <optional>
#include <span>

namespace gossamer::runtime {
namespace {

void append_number(Blob& blob, std::size_t number) {
  const auto small = static_cast<std::uint32_t>(number);
  const auto bytes = std::as_bytes(std::span(&small, 1));
  blob.insert(blob.end(), bytes.begin(), bytes.end());
}

// A number, or bytes behind their length; nothing when they do not fit.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : rest_(bytes) {}

  std::optional<std::uint32_t> number() {
    std::uint32_t value = 0;
    if (rest_.size() < sizeof value) return std::nullopt;
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_ = rest_.subspan(sizeof value);
    return value;
  }
  std::optional<std::span<const std::byte>> bytes(std::size_t count_max) {
    const auto count = number();
    if (!count || *count > count_max || *count > rest_.size()) return std::nullopt;
    const auto taken = rest_.first(*count);
    rest_ = rest_.subspan(*count);
    return taken;
  }
  [[nodiscard]] bool empty() const { return rest_.empty(); }

 private:
  std::span<const std::byte> rest_;
};

}  // namespace

Blob encode_introduction(const Introduction& introduction) {
  const std::string host = introduction.host.substr(0, Introduction::host_bytes_max);
  GOSSAMER_CHECK(introduction.address.size() <= Introduction::address_bytes_max, "a transport's address is small");
  Blob blob;
  append_number(blob, Introduction::format_version);
  append_number(blob, host.size());
  const auto host_bytes = std::as_bytes(std::span(host));
  blob.insert(blob.end(), host_bytes.begin(), host_bytes.end());
  append_number(blob, introduction.address.size());
  const auto address_bytes = std::as_bytes(std::span(introduction.address));
  blob.insert(blob.end(), address_bytes.begin(), address_bytes.end());
  return blob;
}

Result<Introduction> decode_introduction(const Blob& blob, Rank rank) {
  const auto wrong = [&](std::string_view what) {
    return Error{Code::malformed, text("the introduction of rank ", rank.value, " (", blob.size(), " B) ", what), rank};
  };
  Reader reader(blob);
  const auto version = reader.number();
  if (!version) return wrong("is cut short");
  if (*version != Introduction::format_version)
    return wrong(text("has format version ", *version, ", expected ", Introduction::format_version));
  const auto host = reader.bytes(Introduction::host_bytes_max);
  if (!host) return wrong("has a host name that is cut short or too long");
  const auto address = reader.bytes(Introduction::address_bytes_max);
  if (!address) return wrong("has a transport address that is cut short or too long");
  if (!reader.empty()) return wrong("goes on after its end");
  Introduction introduction;
  introduction.host.assign(reinterpret_cast<const char*>(host->data()), host->size());
  introduction.address.resize(address->size());
  if (!address->empty()) std::memcpy(introduction.address.data(), address->data(), address->size());
  return introduction;
}

}  // namespace gossamer::runtime

#include "runtime/session/introduction.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "runtime/control/fields.h"
#include "runtime/control/joining/rank_hosts.h"

namespace gossamer::runtime {
namespace {

constexpr std::uint32_t memory_bit = 1;
constexpr std::uint32_t adapter_bit = 2;

// Behind its length; `at` moves on.
void write_bytes(Blob& blob, std::size_t& at, const void* bytes, std::size_t count) {
  const auto length = static_cast<std::uint32_t>(count);
  std::memcpy(blob.data() + at, &length, sizeof length);
  at += sizeof length;
  if (count > 0) std::memcpy(blob.data() + at, bytes, count);
  at += count;
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
  std::size_t text_bytes = 0;
  std::array<std::string, 4> texts = {introduction.host, introduction.memory, introduction.name, introduction.library};
  for (std::string& each : texts) {
    each.resize(std::min(each.size(), Introduction::text_bytes_max));
    text_bytes += each.size();
  }
  GOSSAMER_CHECK(introduction.address.size() <= Introduction::address_bytes_max, "a transport's address is small");
  Blob blob(7 * sizeof(std::uint32_t) + text_bytes + introduction.address.size());
  const std::uint32_t links =
      (introduction.links.shared_memory ? memory_bit : 0u) | (introduction.links.adapter ? adapter_bit : 0u);
  std::memcpy(blob.data(), &Introduction::format_version, sizeof Introduction::format_version);
  std::memcpy(blob.data() + sizeof links, &links, sizeof links);
  std::size_t at = 2 * sizeof links;
  for (const std::string& each : texts) write_bytes(blob, at, each.data(), each.size());
  write_bytes(blob, at, introduction.address.data(), introduction.address.size());
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
  const auto links = reader.number();
  if (!links || *links > (memory_bit | adapter_bit)) return wrong("has links that are cut short or unknown");
  Introduction introduction;
  for (std::string* each : {&introduction.host, &introduction.memory, &introduction.name, &introduction.library}) {
    const auto bytes = reader.bytes(Introduction::text_bytes_max);
    if (!bytes) return wrong("has a text that is cut short or too long");
    each->assign(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  }
  const auto address = reader.bytes(Introduction::address_bytes_max);
  if (!address) return wrong("has a transport address that is cut short or too long");
  if (!reader.empty()) return wrong("goes on after its end");
  introduction.links = {(*links & memory_bit) != 0, (*links & adapter_bit) != 0};
  introduction.address.resize(address->size());
  if (!address->empty()) std::memcpy(introduction.address.data(), address->data(), address->size());
  return introduction;
}

std::string library_difference(std::span<const Introduction> introductions, std::string_view rank_hosts) {
  std::vector<std::string> libraries;  // as they come
  for (const Introduction& each : introductions)
    if (std::find(libraries.begin(), libraries.end(), each.library) == libraries.end())
      libraries.push_back(each.library);
  if (libraries.size() < 2) return {};
  std::string sentence = "the ranks have several libraries:";
  for (const std::string& library : libraries) {
    std::vector<Rank> ranks;
    for (std::uint32_t r = 0; r < introductions.size(); ++r)
      if (introductions[r].library == library) ranks.push_back(Rank{r});
    sentence += text(&library == &libraries.front() ? " " : ", ", library, " on ", name_ranks(ranks),
                     on_hosts(rank_hosts, ranks));
  }
  return sentence + "; they need not understand each other: install one version on all hosts";
}

}  // namespace gossamer::runtime

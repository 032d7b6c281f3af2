#include "runtime/bootstrap/caller.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <vector>

#include "runtime/bootstrap/meet.h"
#include "runtime/control/address.h"

namespace gossamer::runtime {
namespace {

constexpr std::string_view id_begin = "gossamer-id-1,";
constexpr std::size_t id_secret_bytes = 16;
constexpr std::size_t job_bytes = 6;

Status check_place(const CallersPlace& place) {
  if (place.rank_count >= 1 && place.rank.value < place.rank_count) return {};
  return Error{Code::invalid_argument, text("rank ", place.rank.value, " of ", place.rank_count,
                                            " does not exist; ranks count from 0 to ", place.rank_count - 1)};
}

// The doors of ids made in this process that no session has taken.
struct Doors {
  std::mutex mutex;
  std::map<std::string, UniqueDescriptor> waiting;
};

Doors& doors() {
  static Doors* const kept = new Doors;  // never destroyed: a session may be joined at exit
  return *kept;
}

struct IdParts {
  std::string rendezvous;
  std::string secret;
  std::string job;
};

std::optional<IdParts> parts_of(std::string_view id) {
  if (id.size() >= unique_id_bytes || !id.starts_with(id_begin)) return std::nullopt;
  id.remove_prefix(id_begin.size());
  const std::size_t first = id.find(',');
  const std::size_t second = first == std::string_view::npos ? first : id.find(',', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  IdParts parts{std::string(id.substr(0, first)), std::string(id.substr(first + 1, second - first - 1)),
                std::string(id.substr(second + 1))};
  if (!parse_host_port(parts.rendezvous).ok() || parts.secret.size() != 2 * id_secret_bytes || parts.job.empty())
    return std::nullopt;
  return parts;
}

class IdBootstrap final : public Bootstrap {
 public:
  IdBootstrap(IdParts parts, const CallersPlace& place, UniqueDescriptor listener)
      : parts_(std::move(parts)), place_(place), listener_(std::move(listener)) {}
  std::string name() const override { return "a unique id"; }
  Rank rank() const override { return place_.rank; }
  std::uint32_t rank_count() const override { return place_.rank_count; }
  std::string job() const override { return parts_.job; }
  bool is_one_host() const override { return false; }
  std::optional<Meeting> meeting() override {
    return Meeting{parts_.rendezvous, parts_.secret, {}, std::move(listener_)};
  }
  Result<std::string> broadcast(std::string_view, std::uint64_t) override {
    return Error{Code::internal, "an id says it all"};
  }

 private:
  const IdParts parts_;
  const CallersPlace place_;
  UniqueDescriptor listener_;
};

// The same for processes between which the loopback leads: one running system, one network namespace.
std::uint64_t host_word() {
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  struct stat status {};
  const std::uint64_t network = ::stat("/proc/self/ns/net", &status) == 0 ? status.st_ino : 0;
  std::uint64_t word = mix64(network, static_cast<std::uint64_t>(::gethostid()));
  for (const char letter : boot) word = mix64(word, static_cast<unsigned char>(letter));
  return word;
}

class CallsBootstrap final : public Bootstrap {
 public:
  CallsBootstrap(CallersCalls calls, const CallersPlace& place, bool is_one_host)
      : calls_(std::move(calls)), place_(place), is_one_host_(is_one_host) {}
  std::string name() const override { return calls_.name; }
  Rank rank() const override { return place_.rank; }
  std::uint32_t rank_count() const override { return place_.rank_count; }
  std::string job() const override { return {}; }
  bool is_one_host() const override { return is_one_host_; }

  Result<std::string> broadcast(std::string_view words, std::uint64_t) override {
    std::array<char, broadcast_bytes_max + 1> bytes{};
    std::copy_n(words.data(), std::min(words.size(), broadcast_bytes_max), bytes.data());
    if (calls_.broadcast) {
      if (!calls_.broadcast(bytes)) return failed("broadcast");
    } else {
      std::vector<char> all(bytes.size() * place_.rank_count);
      if (!calls_.all_gather(bytes, all)) return failed("all_gather");
      std::copy_n(all.data(), bytes.size(), bytes.data());
    }
    return std::string(bytes.data(), ::strnlen(bytes.data(), bytes.size()));
  }

  Error failed(const char* what) const {
    return Error{Code::unavailable, text(calls_.name, ": ", what, " failed, and without it the ranks cannot meet")};
  }

 private:
  const CallersCalls calls_;
  const CallersPlace place_;
  const bool is_one_host_;
};

}  // namespace

Result<std::string> make_unique_id(const std::string& bind_host, std::uint64_t limit_ns) {
  GOSSAMER_ASSIGN(auto door, open_door({bind_host, false}, limit_ns));
  const std::string id = text(id_begin, door.address, ",", random_hex(id_secret_bytes), ",", random_hex(job_bytes));
  GOSSAMER_CHECK(id.size() < unique_id_bytes, "an address, a secret and a name fit into an id");
  const std::lock_guard lock(doors().mutex);
  doors().waiting.emplace(id, std::move(door.listener));
  return id;
}

Result<std::unique_ptr<Bootstrap>> make_id_bootstrap(std::string_view id, const CallersPlace& place) {
  GOSSAMER_TRY(check_place(place));
  auto parts = parts_of(id);
  if (!parts)
    return Error{Code::invalid_argument, text("the unique id is not what gossamer_unique_id_create made: all ",
                                              unique_id_bytes, " bytes of it must reach each rank unchanged")};
  UniqueDescriptor listener;
  if (place.rank == Rank{0}) {
    const std::lock_guard lock(doors().mutex);
    const auto found = doors().waiting.find(std::string(id));
    if (found == doors().waiting.end())
      return Error{Code::invalid_argument,
                   "rank 0 uses a unique id that was not made in its process, or was used before: make it on rank 0 "
                   "(gossamer_unique_id_create), a new one for each session"};
    listener = std::move(found->second);
    doors().waiting.erase(found);
  }
  return std::unique_ptr<Bootstrap>(std::make_unique<IdBootstrap>(std::move(*parts), place, std::move(listener)));
}

Result<std::unique_ptr<Bootstrap>> make_calls_bootstrap(CallersCalls calls, const CallersPlace& place) {
  GOSSAMER_TRY(check_place(place));
  bool is_one_host = false;
  if (calls.all_gather) {
    std::array<char, sizeof(std::uint64_t)> mine{};
    const std::uint64_t word = host_word();
    std::memcpy(mine.data(), &word, sizeof word);
    std::vector<char> all(mine.size() * place.rank_count);
    if (!calls.all_gather(mine, all))
      return Error{Code::unavailable, text(calls.name, ": all_gather failed, and without it the ranks cannot meet")};
    is_one_host = true;
    for (std::size_t at = 0; at < all.size(); at += mine.size())
      is_one_host = is_one_host && std::memcmp(all.data() + at, mine.data(), mine.size()) == 0;
  }
  return std::unique_ptr<Bootstrap>(std::make_unique<CallsBootstrap>(std::move(calls), place, is_one_host));
}

}  // namespace gossamer::runtime

#include "runtime/control/joining/interfaces.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <bit>
#include <boost/asio/ip/address.hpp>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "runtime/control/address.h"
#include "runtime/control/joining/local_host.h"

namespace gossamer::runtime {
namespace ip = boost::asio::ip;

namespace {

constexpr std::uint64_t look_up_ns = 5'000'000'000;

std::vector<unsigned char> bytes_of(const ip::address& address) {
  if (address.is_v4()) {
    const auto bytes = address.to_v4().to_bytes();
    return {bytes.begin(), bytes.end()};
  }
  const auto bytes = address.to_v6().to_bytes();
  return {bytes.begin(), bytes.end()};
}

ip::address address_of(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    ip::address_v4::bytes_type bytes;
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in&>(address).sin_addr, bytes.size());
    return ip::address_v4(bytes);
  }
  ip::address_v6::bytes_type bytes;
  std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, bytes.size());
  return ip::address_v6(bytes);
}

// A name, an address or a subnet.
struct Word {
  std::string name;
  std::optional<ip::address> address;
  std::size_t prefix = 0;
};

std::optional<Word> word_of(std::string_view text) {
  Word word{std::string(text), {}, 0};
  if (text.empty()) return std::nullopt;
  const std::size_t slash = text.find('/');
  word.address = numeric_address(std::string(text.substr(0, slash)));
  if (word.address) word.prefix = bytes_of(*word.address).size() * 8;
  if (slash == std::string_view::npos) return word;
  const std::string_view digits = text.substr(slash + 1);
  const std::size_t longest = word.prefix;
  const auto [at, error] = std::from_chars(digits.data(), digits.data() + digits.size(), word.prefix);
  if (!word.address || error != std::errc{} || at != digits.data() + digits.size() || word.prefix > longest)
    return std::nullopt;
  return word;
}

struct Choice {
  bool excludes = false;
  std::vector<Word> words;
};

std::optional<Choice> choice_of(std::string_view text) {
  Choice choice;
  choice.excludes = text.starts_with('^');
  if (choice.excludes) text.remove_prefix(1);
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    auto word = word_of(text.substr(at, end - at));
    if (!word) return std::nullopt;
    choice.words.push_back(*std::move(word));
    at = end + 1;
  }
  return choice;
}

bool is_in(const ip::address& address, const Word& word) {
  const auto theirs = bytes_of(address);
  const auto ours = bytes_of(*word.address);
  if (theirs.size() != ours.size()) return false;
  for (std::size_t bit = 0; bit < word.prefix; ++bit) {
    const unsigned mask = 0x80u >> (bit % 8);
    if (((theirs[bit / 8] ^ ours[bit / 8]) & mask) != 0) return false;
  }
  return true;
}

bool fits(const InterfaceAddress& entry, const Word& word) {
  if (!word.address) return entry.interface == word.name;
  const auto address = numeric_address(entry.address);
  return address && is_in(*address, word);
}

bool is_link_local(const InterfaceAddress& entry) {
  const auto address = numeric_address(entry.address);
  return address && address->is_v6() && address->to_v6().is_link_local();
}

bool is_loopback_address(const InterfaceAddress& entry) {
  const auto address = numeric_address(entry.address);
  return address && address->is_loopback();
}

// "e0 (10.77.0.1/24, fd00::1/64), eth1 (down), lo (127.0.0.1/8)"
std::string list_of(std::span<const InterfaceAddress> all) {
  std::vector<std::pair<std::string, std::string>> names;
  for (const InterfaceAddress& each : all) {
    auto found =
        std::find_if(names.begin(), names.end(), [&](const auto& name) { return name.first == each.interface; });
    if (found == names.end()) found = names.insert(names.end(), {each.interface, each.is_up ? "" : "down"});
    if (!each.address.empty()) found->second += text(found->second.empty() ? "" : ", ", each.address, "/", each.prefix);
  }
  std::string out;
  for (const auto& [name, addresses] : names)
    out += text(out.empty() ? "" : ", ", name, " (", addresses.empty() ? "no address" : addresses, ")");
  return out.empty() ? "none" : out;
}

bool is_of_this_host(const std::string& address) {
  const auto all = interface_addresses();
  return std::any_of(all.begin(), all.end(), [&](const InterfaceAddress& each) { return each.address == address; });
}

// "client port server port", where sshd started this.
std::string address_of_ssh() {
  const char* const connection = std::getenv("SSH_CONNECTION");
  if (connection == nullptr) return {};
  std::string_view words(connection);
  for (int i = 0; i < 2; ++i) words.remove_prefix(std::min(words.size(), words.find(' ') + 1));
  return std::string(words.substr(0, words.find(' ')));
}

std::string address_of_name(const std::string& listed) {
  const auto found = resolve({listed.substr(listed.find('@') + 1), 0}, time_after(look_up_ns));
  if (!found.ok()) return {};
  for (const SocketAddress& each : *found) {
    const auto address = each.address();
    if (!address.is_loopback() && !address.is_unspecified() && is_of_this_host(address.to_string()))
      return address.to_string();
  }
  return {};
}

}  // namespace

std::vector<InterfaceAddress> interface_addresses() {
  std::vector<InterfaceAddress> out;
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return out;
  for (const ifaddrs* each = all; each != nullptr; each = each->ifa_next) {
    std::string name(each->ifa_name);
    name = name.substr(0, name.find(':'));  // a label of a further address: "eth0:1"
    const bool is_up = (each->ifa_flags & IFF_UP) != 0;
    const bool is_ip =
        each->ifa_addr != nullptr && (each->ifa_addr->sa_family == AF_INET || each->ifa_addr->sa_family == AF_INET6);
    InterfaceAddress entry{name, "", 0, is_up};
    if (is_ip) {
      entry.address = address_of(*each->ifa_addr).to_string();
      if (each->ifa_netmask != nullptr) {
        // The mask of an address has the address's family, whether it says so or not.
        sockaddr_storage mask{};
        std::memcpy(&mask, each->ifa_netmask,
                    each->ifa_addr->sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
        mask.ss_family = each->ifa_addr->sa_family;
        for (const unsigned char byte : bytes_of(address_of(reinterpret_cast<const sockaddr&>(mask))))
          entry.prefix += static_cast<unsigned>(std::popcount(byte));
      }
    }
    const auto same = [&](const InterfaceAddress& other) { return other.interface == name && other.address.empty(); };
    const auto bare = std::find_if(out.begin(), out.end(), same);
    if (!is_ip && std::any_of(out.begin(), out.end(), [&](const auto& other) { return other.interface == name; }))
      continue;
    if (is_ip && bare != out.end())
      *bare = std::move(entry);
    else
      out.push_back(std::move(entry));
  }
  ::freeifaddrs(all);
  return out;
}

std::string check_interface_choice(std::string_view choice) {
  if (choice.empty() || choice_of(choice)) return {};
  return "interfaces, addresses or subnets with commas between (eth0,10.0.0.0/16), or ^ and those to leave out "
         "(^docker0)";
}

Result<std::vector<InterfaceAddress>> choose_interfaces(std::string_view choice,
                                                        std::span<const InterfaceAddress> all) {
  const auto wanted = choice_of(choice);
  if (!wanted)
    return Error{Code::invalid_argument,
                 text("the interface is \"", choice, "\", expected ", check_interface_choice(choice))};
  std::vector<InterfaceAddress> chosen;
  const auto usable = [](const InterfaceAddress& each) { return each.is_up && !each.address.empty(); };
  if (wanted->excludes) {
    for (const InterfaceAddress& each : all) {
      const bool named =
          std::any_of(wanted->words.begin(), wanted->words.end(), [&](const Word& word) { return fits(each, word); });
      if (usable(each) && !named && !is_link_local(each) && !is_loopback_address(each)) chosen.push_back(each);
    }
  } else {
    for (const Word& word : wanted->words) {
      for (const InterfaceAddress& each : all) {
        if (usable(each) && fits(each, word) && (word.address || !is_link_local(each))) chosen.push_back(each);
      }
    }
  }
  if (!chosen.empty()) return chosen;
  return Error{Code::unavailable,
               text("GOSSAMER_INTERFACE is \"", choice, "\", and no interface of this host that is up ",
                    "and has an address is that; there are ", list_of(all))};
}

const InterfaceAddress& like(std::span<const InterfaceAddress> chosen, std::string_view address) {
  const bool v6 = address.find(':') != address.rfind(':');  // one colon stands before a port
  const auto found = std::find_if(chosen.begin(), chosen.end(), [&](const InterfaceAddress& each) {
    return (each.address.find(':') != std::string::npos) == v6;
  });
  return found != chosen.end() ? *found : chosen.front();
}

Result<std::string> reachable_address(const std::string& listed, std::string_view choice) {
  const auto all = interface_addresses();
  if (!choice.empty()) {
    GOSSAMER_ASSIGN(const auto chosen, choose_interfaces(choice, all));
    return like(chosen, listed).address;
  }
  const auto has = [](const std::string& address) {
    const auto numeric = numeric_address(address);
    return numeric && !numeric->is_loopback() && !numeric->is_unspecified() && is_of_this_host(address);
  };
  if (const std::string ssh = address_of_ssh(); has(ssh)) return ssh;
  if (const std::string named = address_of_name(listed); !named.empty()) return named;
  // TEST-NET: of nobody, so the default route leads there (RFC 5737, RFC 3849).
  for (const char* const far_away : {"192.0.2.1:1", "[2001:db8::1]:1"})
    if (const std::string out = source_towards(far_away); has(out)) return out;
  for (const InterfaceAddress& each : all)
    if (each.is_up && has(each.address) && !is_link_local(each)) return each.address;
  return std::string("127.0.0.1");
}

}  // namespace gossamer::runtime

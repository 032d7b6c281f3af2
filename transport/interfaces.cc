#include "transport/interfaces.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "base/base.h"

namespace gossamer::transport {
namespace {

struct Ip {
  int family = AF_UNSPEC;
  std::array<std::byte, 16> bytes{};
  bool operator==(const Ip&) const = default;
};

Ip ip_of(const sockaddr* address) {
  Ip ip;
  if (address == nullptr) return ip;
  if (address->sa_family == AF_INET) {
    std::memcpy(ip.bytes.data(), &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, sizeof(in_addr));
  } else if (address->sa_family == AF_INET6) {
    std::memcpy(ip.bytes.data(), &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, sizeof(in6_addr));
  } else {
    return ip;
  }
  ip.family = address->sa_family;
  return ip;
}

bool is_loopback(const Ip& ip) {
  if (ip.family == AF_INET) return ip.bytes[0] == std::byte{127};
  return ip.family == AF_INET6 && std::memcmp(ip.bytes.data(), &in6addr_loopback, sizeof(in6_addr)) == 0;
}

// "4: ACTIVE" of a port's state.
bool is_active(const std::filesystem::path& port) {
  const UniqueDescriptor file(::open((port / "state").c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 32> state{};
  const ssize_t bytes = file.is_open() ? ::read(file.value(), state.data(), state.size()) : 0;
  return bytes > 0 &&
         std::string_view(state.data(), static_cast<std::size_t>(bytes)).find("ACTIVE") < std::string_view::npos;
}

std::vector<std::string> names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  std::error_code failure;
  for (std::filesystem::directory_iterator entry(folder, failure), end; !failure && entry != end;
       entry.increment(failure))
    names.push_back(entry->path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

std::string interface_of(std::string_view address) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST;
  addrinfo* numeric = nullptr;
  if (address.empty() || ::getaddrinfo(std::string(address).c_str(), nullptr, &hints, &numeric) != 0) return {};
  const Ip wanted = ip_of(numeric->ai_addr);
  ::freeaddrinfo(numeric);
  if (wanted.family == AF_UNSPEC || is_loopback(wanted)) return {};
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return {};
  std::string name;
  for (const ifaddrs* each = all; each != nullptr && name.empty(); each = each->ifa_next)
    if (ip_of(each->ifa_addr) == wanted) name = each->ifa_name;
  ::freeifaddrs(all);
  return name.substr(0, name.find(':'));  // a label of a further address: "eth0:1"
}

std::vector<std::string> rdma_ports(const std::vector<std::string>& interfaces, const std::string& folder) {
  std::vector<std::string> ports;
  std::vector<std::string> chosen;
  for (const std::string& adapter : names_in(folder)) {
    const std::filesystem::path of_adapter = std::filesystem::path(folder) / adapter;
    const auto own = names_in(of_adapter / "device/net");
    const bool is_chosen = std::any_of(own.begin(), own.end(), [&](const std::string& name) {
      return std::find(interfaces.begin(), interfaces.end(), name) != interfaces.end();
    });
    for (const std::string& port : names_in(of_adapter / "ports")) {
      if (!is_active(of_adapter / "ports" / port)) continue;
      ports.push_back(adapter + ":" + port);
      if (is_chosen) chosen.push_back(ports.back());
    }
  }
  return chosen.empty() ? ports : chosen;
}

}  // namespace gossamer::transport

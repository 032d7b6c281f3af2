// The network interfaces of this host, and which of them GOSSAMER_INTERFACE means.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/base.h"

namespace gossamer::runtime {

struct InterfaceAddress {
  std::string interface;  // "eth0"
  std::string address;    // "10.0.0.7", "fd00::7"; empty: it has none
  unsigned prefix = 0;    // bits of its subnet
  bool is_up = false;
};

// In the system's order, each interface at least once.
[[nodiscard]] std::vector<InterfaceAddress> interface_addresses();

// What was expected where `choice` cannot be one; empty where it can.
[[nodiscard]] std::string check_interface_choice(std::string_view choice);

// The addresses of `all` that `choice` means: "eth0", an address, a subnet ("10.0.0.0/16", "fd00::/64"), or several
// with commas between, the first of them first; "^docker0,eth1" is all interfaces but these and the loopback. Without
// those that are down, and without addresses of one link alone (fe80::) unless their subnet is named. Not every word
// must be found: hosts differ. Errors: unavailable where none fits, with what there is.
[[nodiscard]] Result<std::vector<InterfaceAddress>> choose_interfaces(std::string_view choice,
                                                                      std::span<const InterfaceAddress> all);

// The first of `chosen` that is of the family of `address`, numeric or not; else the first. Not of none.
[[nodiscard]] const InterfaceAddress& like(std::span<const InterfaceAddress> chosen, std::string_view address);

// Where ranks on other hosts reach this one, numeric. `listed`: how the user calls this host. The first that says
// something: `choice` of an interface; the address at which ssh was reached here; the address that `listed` leads to;
// the address from which this host goes out; the first that it has. 127.0.0.1 where it has none but the loopback's.
[[nodiscard]] Result<std::string> reachable_address(const std::string& listed, std::string_view choice);

}  // namespace gossamer::runtime

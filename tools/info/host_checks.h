// What a host should have for gradients to travel fast, checked: the doctor of `gossamer info --probe`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gossamer::tools {

enum class Verdict : std::uint8_t { pass, warn, fail, unknown };
[[nodiscard]] std::string_view verdict_name(Verdict verdict);

struct HostCheck {
  std::string name;  // "locked memory"
  Verdict verdict = Verdict::unknown;
  std::string found;  // what there is: "8.0 MiB", "ACTIVE, 100 Gb/sec (4X EDR)"
  std::string fix;    // what to do; empty where nothing is to be done
};

// What no file under a root folder tells.
struct HostFacts {
  std::uint64_t locked_memory_bytes = 0;  // limit; ~0: none
  std::uint64_t shared_memory_bytes = 0;  // free in /dev/shm
  std::string kernel;                     // "6.1.0-18-amd64"
};
[[nodiscard]] HostFacts host_facts();

// Reads /sys, /proc and /dev under `root`, and nothing else; "" is this host.
[[nodiscard]] std::vector<HostCheck> check_host(const HostFacts& facts, const std::string& root = "");

}  // namespace gossamer::tools

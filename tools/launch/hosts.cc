#include "tools/launch/hosts.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

namespace gossamer::tools {
namespace {

constexpr std::uint32_t slots_max = 65'536;
constexpr std::string_view blanks = " \t\r";

std::optional<std::uint32_t> slots_of(std::string_view digits) {
  std::uint32_t value = 0;
  const auto [at, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool is_whole = error == std::errc{} && at == digits.data() + digits.size();
  return is_whole && value >= 1 && value <= slots_max ? std::optional(value) : std::nullopt;
}

// ssh would take what begins with a dash for an option, and a shell or a list would cut other words apart.
bool is_host_name(std::string_view name) {
  constexpr std::string_view others = "-._@:%";
  return !name.empty() && name.front() != '-' && std::all_of(name.begin(), name.end(), [&](char each) {
    return (each >= '0' && each <= '9') || (each >= 'a' && each <= 'z') || (each >= 'A' && each <= 'Z') ||
           others.find(each) != std::string_view::npos;
  });
}

// "a", "a:4", "[fd00::7]:4", or an IPv6 address, which has more than one colon. The error is why not.
Result<HostSlots> host_of(std::string_view word) {
  const auto wrong = [](const std::string& why) { return Error{Code::invalid_argument, why}; };
  std::string_view name = word;
  std::optional<std::string_view> digits;
  if (word.starts_with('[')) {
    const std::size_t close = word.find(']');
    if (close == std::string_view::npos) return wrong(text("\"", word, "\" has a [ without its ]"));
    name = word.substr(1, close - 1);
    const std::string_view rest = word.substr(close + 1);
    if (!rest.empty() && rest.front() != ':') return wrong(text("\"", word, "\" has words behind its ]"));
    if (!rest.empty()) digits = rest.substr(1);
  } else if (const std::size_t colon = word.find(':'); colon != std::string_view::npos && colon == word.rfind(':')) {
    name = word.substr(0, colon);
    digits = word.substr(colon + 1);
  }
  if (!is_host_name(name)) return wrong(text("\"", word, "\" is no host"));
  const auto ranks = digits ? slots_of(*digits) : std::optional<std::uint32_t>(1);
  if (!ranks) return wrong(text("\"", word, "\" has no number of ranks behind its colon"));
  return HostSlots{std::string(name), *ranks};
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (std::size_t at = line.find_first_not_of(blanks); at != std::string_view::npos;) {
    const std::size_t end = std::min(line.find_first_of(blanks, at), line.size());
    words.push_back(line.substr(at, end - at));
    at = line.find_first_not_of(blanks, end);
  }
  return words;
}

Result<HostSlots> host_of_line(const std::vector<std::string_view>& words) {
  GOSSAMER_ASSIGN(auto host, host_of(words.front()));
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::size_t equals = words[i].find('=');
    const std::string_view key = words[i].substr(0, equals);
    const auto value =
        equals == std::string_view::npos ? std::optional<std::uint32_t>() : slots_of(words[i].substr(equals + 1));
    const bool is_bound = key == "max_slots" || key == "max-slots";
    if (!value || (key != "slots" && !is_bound))
      return Error{Code::invalid_argument, text("\"", words[i], "\" means nothing here")};
    if (!is_bound) host.ranks = *value;
  }
  return host;
}

}  // namespace

Result<std::vector<HostSlots>> parse_hosts(std::string_view list) {
  std::vector<HostSlots> hosts;
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t end = std::min(list.find(',', at), list.size());
    auto host = host_of(list.substr(at, end - at));
    if (!host.ok())
      return Error{Code::invalid_argument,
                   text(host.error().message, "; expected hosts like a:4,b:2, with how many ranks each has")};
    hosts.push_back(*std::move(host));
    at = end + 1;
  }
  return hosts;
}

Result<std::vector<HostSlots>> read_hostfile(const std::string& path) {
  std::error_code ignored;
  std::ifstream file(path);
  if (!file || std::filesystem::is_directory(path, ignored))
    return Error{Code::unavailable,
                 text("cannot read the hostfile ", path, ": ", file ? "it is a folder" : std::strerror(errno))};
  std::vector<HostSlots> hosts;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    const auto words = words_of(std::string_view(line).substr(0, line.find('#')));
    if (words.empty()) continue;
    auto host = host_of_line(words);
    if (!host.ok())
      return Error{Code::invalid_argument, text(path, ":", number, ": ", host.error().message,
                                                "; expected \"HOST slots=4\", \"HOST:4\" or \"HOST\"")};
    hosts.push_back(*std::move(host));
  }
  if (hosts.empty())
    return Error{Code::invalid_argument, text(path, ": no host; expected lines like \"node7 slots=4\"")};
  return hosts;
}

Result<std::vector<HostSlots>> take_ranks(std::vector<HostSlots> hosts, std::uint32_t ranks) {
  std::uint32_t left = ranks;
  for (HostSlots& host : hosts) {
    host.ranks = std::min(host.ranks, left);
    left -= host.ranks;
  }
  if (left > 0)
    return Error{Code::invalid_argument, text(ranks, " ranks, and the hosts have room for ", ranks - left,
                                              ": list more hosts, or more ranks for each, as in a:8,b:8")};
  std::erase_if(hosts, [](const HostSlots& host) { return host.ranks == 0; });
  return hosts;
}

std::string hosts_text(const std::vector<HostSlots>& hosts) {
  std::string out;
  for (const HostSlots& host : hosts) {
    const bool is_v6 = host.name.find(':') != std::string::npos;
    out += text(out.empty() ? "" : ",", is_v6 ? "[" : "", host.name, is_v6 ? "]:" : ":", host.ranks);
  }
  return out;
}

std::string ranks_text(std::uint32_t first, std::uint32_t count) {
  if (count == 2) return text("ranks ", first, " and ", first + 1);
  return count == 1 ? text("rank ", first) : text("ranks ", first, " to ", first + count - 1);
}

}  // namespace gossamer::tools

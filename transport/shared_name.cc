#include "transport/shared_name.h"

#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/base.h"
#include "transport/process.h"

namespace gossamer::transport {
namespace {

constexpr std::string_view prefix = "gossamer-";
constexpr std::string_view file_mark = ".fi";
constexpr std::size_t shared_name_max = 192;  // NAME_MAX is 255, and libfabric adds to it

bool is_plain(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

// Whether all of `ending` is ".fi<n>-<view>" or ".fi<n>-<view>_<message>". Strict, as job names may hold anything that
// stands in a name.
bool is_file_ending(std::string_view ending) {
  const auto take = [&](std::string_view mark) {
    if (!ending.starts_with(mark)) return false;
    ending.remove_prefix(mark.size());
    const std::size_t digits = std::min(ending.find_first_not_of("0123456789"), ending.size());
    ending.remove_prefix(digits);
    return digits > 0;
  };
  return take(file_mark) && take("-") && (ending.empty() || take("_")) && ending.empty();
}

// Takes the last field, "-<number>", off the end of `name`.
template <typename Number>
bool take_last(std::string_view& name, Number& number, int base) {
  const std::size_t mark = name.rfind('-');
  if (mark == std::string_view::npos) return false;
  const char* const end = name.data() + name.size();
  const auto read = std::from_chars(name.data() + mark + 1, end, number, base);
  name.remove_suffix(name.size() - mark);
  return read.ec == std::errc{} && read.ptr == end;
}

std::uint64_t random_number() {
  std::uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) == sizeof number) return number;
  return mix64(SteadyClock().now_ns(), static_cast<std::uint64_t>(::getpid()));
}

}  // namespace

std::string clean_job_name(std::string_view job) {
  std::string name(job.substr(0, 64));
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !is_plain(c); }, '_');
  return name.empty() ? "job" : name;
}

std::string make_shared_name(std::string_view job) {
  std::array<char, 16> random{};
  const auto end = std::to_chars(random.data(), random.data() + random.size(), random_number(), 16).ptr;
  return text(prefix, clean_job_name(job), "-", std::to_string(::getpid()), "-",
              std::to_string(own_start_time().value_or(0)), "-", std::to_string(process_namespace()), "-",
              std::string_view(random.data(), static_cast<std::size_t>(end - random.data())));
}

std::optional<SharedOwner> parse_shared_name(std::string_view name) {
  const std::string_view folder = folder_of(name);
  if (!is_shared_name(name) || (folder.size() < name.size() && !is_file_ending(name.substr(folder.size()))))
    return std::nullopt;
  // From the end, for a job's name may look like all of it.
  std::string_view rest = folder;
  SharedOwner owner;
  std::uint64_t random = 0;
  if (!take_last(rest, random, 16) || !take_last(rest, owner.pid_namespace, 10) ||
      !take_last(rest, owner.start_time, 10) || !take_last(rest, owner.pid, 10) || owner.pid <= 0 ||
      rest.size() <= prefix.size())
    return std::nullopt;
  return owner;
}

std::string_view folder_of(std::string_view name) {
  const std::size_t mark = name.rfind(file_mark);
  // A job may have the mark in its name: then no file's ending follows, and the last field is no number.
  return mark != std::string_view::npos && is_file_ending(name.substr(mark)) ? name.substr(0, mark) : name;
}

bool is_shared_name(std::string_view name) {
  return name.starts_with(prefix) && name.size() <= shared_name_max && std::all_of(name.begin(), name.end(), is_plain);
}

}  // namespace gossamer::transport

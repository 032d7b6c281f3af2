// Goal: any settings file is refused with its name, or gives settings within their ranges. Method: the file is the
// only source of settings; what is resolved is checked against the ranges that the errors name.
#include <cstdlib>

#include "fuzz.h"
#include "memory_file.h"
#include "runtime/control/secret/secret.h"
#include "runtime/session/settings.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gossamer;
  static const bool own_environment = ::clearenv() == 0;
  GOSSAMER_CHECK(own_environment, "an empty environment");
  fuzz::Input input(data, size);
  const fuzz::MemoryFile file(input.take_rest());
  ::setenv("GOSSAMER_CONFIG", file.path().c_str(), 1);

  const auto lines = runtime::describe_settings();
  const auto settings = runtime::resolve_settings({});
  if (!lines.ok()) {
    fuzz::check_refusal(lines.error(), Code::invalid_argument);
    GOSSAMER_CHECK(lines.error().message.starts_with(file.path() + ":"), "a refusal that does not name the line");
    GOSSAMER_CHECK(!settings.ok(), "settings from a file that cannot be described");
    return 0;
  }
  for (const runtime::SettingLine& line : *lines) {
    GOSSAMER_CHECK(line.origin == "default" || line.origin == "file " + file.path(), "a setting from elsewhere");
    GOSSAMER_CHECK(line.value.find('\n') == std::string::npos, "a value of several lines");
  }
  if (!settings.ok()) {
    fuzz::check_refusal(settings.error(), Code::invalid_argument);
    const std::string& message = settings.error().message;
    GOSSAMER_CHECK(
        message.find("(from file ") != std::string::npos || message.find("(GOSSAMER_SECRET)") != std::string::npos,
        "defaults that are refused");
    return 0;
  }
  GOSSAMER_CHECK(settings->rank_count >= 1 && settings->rank_count <= 4096, "ranks out of range");
  GOSSAMER_CHECK(settings->rank.value < settings->rank_count, "a rank that is none");
  GOSSAMER_CHECK(settings->rendezvous_descriptor >= -1, "no descriptor is below -1");
  GOSSAMER_CHECK(settings->init_timeout_ns > 0 && settings->init_timeout_ns <= 86'400'000'000'000, "a day at most");
  GOSSAMER_CHECK(
      settings->lease_ns == 0 || (settings->lease_ns >= 99'999'999 && settings->lease_ns <= 86'400'000'000'000),
      "a lease out of range");
  GOSSAMER_CHECK(runtime::check_secret_source(settings->secret).ok(), "a secret from nowhere");
  for (const runtime::SettingLine& line : *lines) {
    GOSSAMER_CHECK(line.name != "init_timeout" || line.value.find('\0') == std::string::npos, "a number, then more");
  }
  GOSSAMER_CHECK(settings->threads.threads >= 1 && settings->threads.threads <= 256, "threads out of range");
  return 0;
}

#include "runtime/session/user_schedules.h"

#include <span>
#include <utility>

#include "sketch/sketch.h"

namespace gossamer::runtime {

UserSchedules read_user_schedules(const std::string& setting) {
  UserSchedules made;
  made.fields.push_back({"schedule", setting.empty() ? "by cost" : setting});
  if (setting.empty()) return made;
  auto rules = topology::parse_schedule_rules(setting);
  if (!rules.ok()) {
    made.trouble = rules.error();
    return made;
  }
  made.rules = *std::move(rules);
  const auto fail = [&](Error error) {
    if (!made.trouble) made.trouble = std::move(error);
  };
  for (const topology::ScheduleRule& rule : made.rules.rules) {
    const auto* file = std::get_if<topology::ScheduleFile>(&rule.use);
    if (file == nullptr || made.files.contains(file->path)) continue;
    topology::Schedule& schedule = made.files[file->path];
    const std::string field = "schedule file " + file->path;
    const auto content = topology::read_schedule(file->path);
    if (!content.ok()) {
      made.fields.push_back({field, content.error().message.substr(field.size() + 2)});
      fail(content.error());
      continue;
    }
    made.fields.push_back({field, "hash " + hex(sketch::hash_bytes(std::as_bytes(std::span(*content))), 16)});
    auto parsed = topology::parse_schedule(*content);
    if (parsed.ok())
      schedule = *std::move(parsed);
    else
      fail({Code::invalid_argument, text(field, ": ", parsed.error().message)});
  }
  return made;
}

}  // namespace gossamer::runtime

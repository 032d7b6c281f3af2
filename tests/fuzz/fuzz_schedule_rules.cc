// Goal: any text is refused with the character, or is rules that can be written, read back and asked. Method: what
// parses is formatted and parsed again; both are asked about every collective and sizes at each edge, and agree.
#include "fuzz.h"
#include "topology/schedule_rules.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gossamer;
  using topology::Collective;
  fuzz::Input input(data, size);
  const Result<topology::ScheduleRules> rules = topology::parse_schedule_rules(fuzz::as_text(input.take_rest()));
  if (!rules.ok()) {
    fuzz::check_refusal(rules.error(), Code::invalid_argument);
    GOSSAMER_CHECK(rules.error().message.starts_with("schedule rules"), "a refusal that does not say of what");
    return 0;
  }
  const Result<topology::ScheduleRules> again = topology::parse_schedule_rules(topology::format_schedule_rules(*rules));
  GOSSAMER_CHECK(again.ok() && *again == *rules, "rules that are not read back as they were written");
  for (const topology::ScheduleRule& rule : rules->rules) {
    GOSSAMER_CHECK(rule.bytes_begin < rule.bytes_end, "a rule for no bytes");
    for (const std::uint64_t bytes : {rule.bytes_begin, rule.bytes_end - 1, rule.bytes_end}) {
      for (const Collective collective : {Collective::all_reduce, Collective::all_gather, Collective::broadcast,
                                          Collective::reduce_scatter, Collective::reduce}) {
        const topology::ScheduleRule* found = rules->find(collective, bytes);
        if (rule.collective == collective && bytes < rule.bytes_end)
          GOSSAMER_CHECK(found == &rule, "a rule that another one hides");
        if (found == nullptr) continue;
        const auto* kind = std::get_if<topology::ScheduleKind>(&found->use);
        GOSSAMER_CHECK(kind == nullptr || topology::supports(*kind, collective), "a kind for what it does not know");
      }
    }
  }
  return 0;
}

// The report of a session.
#include <cstring>
#include <string>

#include "bindings/c/call.h"
#include "bindings/c/gossamer.h"
#include "bindings/c/objects.h"

using namespace gossamer::c;

extern "C" gossamer_status gossamer_session_report(gossamer_session* session, char* text, size_t capacity,
                                                   size_t* bytes) {
  constexpr const char* function = "gossamer_session_report";
  return guarded([&] {
    if (bytes != nullptr) *bytes = 0;
    const Entered entered(check_given(function, session), session);
    if (!entered.is_done()) return entered.status;
    if (bytes == nullptr || (text == nullptr && capacity > 0)) return fail_argument(function, "bytes or text is NULL");
    const gossamer::runtime::SessionReport numbers = session->session->report();
    const std::string report = json_of(numbers);
    *bytes = report.size() + 1;
    if (capacity < *bytes)
      return fail(gossamer::Error{
          gossamer::Code::out_of_resources,
          gossamer::text(function, ": the report has ", *bytes, " B, and there is room for ", capacity)});
    std::memcpy(text, report.c_str(), *bytes);
    session->session->write_metrics(numbers);
    return GOSSAMER_DONE;
  });
}

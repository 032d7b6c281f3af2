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
    if (session == nullptr || bytes == nullptr || (text == nullptr && capacity > 0))
      return fail_argument(function, "session, bytes or text is NULL");
    if (is_forked(*session)) return fail_forked(function);
    const std::string report = session->session->report();
    *bytes = report.size() + 1;
    if (capacity < *bytes)
      return fail(gossamer::Error{
          gossamer::Code::out_of_resources,
          gossamer::text(function, ": the report has ", *bytes, " B, and there is room for ", capacity)});
    std::memcpy(text, report.c_str(), *bytes);
    return GOSSAMER_DONE;
  });
}

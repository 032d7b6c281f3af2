// What a launcher adds to a session's settings: who this process is, where ranks meet, what they prove there.
#pragma once

#include <cstdint>
#include <memory>

#include "base/base.h"
#include "runtime/bootstrap/bootstrap.h"
#include "runtime/session/deadline.h"
#include "runtime/session/settings.h"

namespace gossamer::runtime {

// Asks the launcher of the settings, or the caller's own way where there is one, and fills in what the user's settings
// do not say. Collective over the job where the launcher carries words. Errors: invalid_argument (launcher and settings
// contradict each other, no secret for ranks on several hosts), deadline, unavailable. Blocks, at most until
// `deadline`.
[[nodiscard]] Result<Meeting> meet_as_launched(Settings& settings, std::unique_ptr<Bootstrap> callers,
                                               const Deadline& deadline);

}  // namespace gossamer::runtime

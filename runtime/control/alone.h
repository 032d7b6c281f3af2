// The control plane of a session with one rank: no network, and every call succeeds at once.
#pragma once

#include <memory>

#include "base/base.h"
#include "runtime/control/control.h"

namespace gossamer::runtime {

[[nodiscard]] std::unique_ptr<Control> make_control_alone();

}  // namespace gossamer::runtime

// The declared fabric: what ibnetdiscover printed, for a terminal and as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "topology/measure/ibnetdiscover.h"
#include "topology/measure/measurement.h"

namespace gossamer::tools {

// `unavailable`: no such file to read; `malformed` as parse_ibnetdiscover.
[[nodiscard]] Result<topology::IbFabric> read_ibnetdiscover(const std::string& path);

[[nodiscard]] nlohmann::json ib_fabric_json(const topology::IbFabric& fabric);
[[nodiscard]] std::string ib_fabric_text(const topology::IbFabric& fabric);

// Each host that the fabric has gets its switch, whatever it was declared before. How many did.
std::size_t declare_switches(const topology::IbFabric& fabric, topology::Measurement& measurement);

}  // namespace gossamer::tools

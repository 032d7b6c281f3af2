// A library's address as it travels between ranks: behind a mark, which tells transports and versions apart, and a
// checksum. The libraries read an address without knowing its length, so damage must be found before they see it.
// As with region keys, that is no defence against a forger, who is kept out by the control plane.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>

#include "transport/transport.h"

namespace gossamer::transport {

using AddressMark = std::array<char, 8>;

// | mark, 8 B | checksum of the contents, 8 B | contents |
[[nodiscard]] Address frame_address(const AddressMark& mark, std::span<const std::byte> contents);

// The contents, a part of `address`; nothing for what has another mark, or is empty, cut or damaged.
[[nodiscard]] std::optional<std::span<const std::byte>> unframe_address(const AddressMark& mark,
                                                                        const Address& address);

}  // namespace gossamer::transport

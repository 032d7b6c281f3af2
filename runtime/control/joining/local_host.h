// Where this host is reached by the others of a session.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gossamer::runtime {

// The numeric address at which the data path should be: bind_host's, or, where that is every address of this host, the
// one from which the rendezvous is reached. Empty where neither tells: a look-up that fails, a rendezvous on the
// loopback. Sends nothing; looks names up for at most `limit_ns`.
[[nodiscard]] std::string local_host(const std::string& bind_host, const std::string& rendezvous,
                                     std::uint64_t limit_ns);

// The numeric address from which this host reaches `where` ("host:port"), by its routes; also one of the loopback.
// Empty where none leads there. Sends nothing; `where` is numeric.
[[nodiscard]] std::string source_towards(std::string_view where);

}  // namespace gossamer::runtime

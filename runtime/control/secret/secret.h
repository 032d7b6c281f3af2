// Where the session secret is read from. A setting says where it is, never what it is, and its bytes
// go into no message, no log and no error.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/base.h"
#include "runtime/control/secret/seal.h"

namespace gossamer::runtime {

// Whether `source` is one of
//   ""            no secret: loopback only
//   "none"        no secret, anywhere: the caller trusts the network
//   "file:PATH"   the contents of a file
//   "fd:N"        the contents of an inherited descriptor, as from the launcher
// The error does not repeat it, since it may be a secret that was put in the wrong place.
[[nodiscard]] Status check_secret_source(std::string_view source);

class Secret {
 public:
  static constexpr std::size_t bytes_min = 16;
  static constexpr std::size_t bytes_max = 4096;

  Secret() = default;

  // Reads it: bytes_min to bytes_max bytes, without white space at the end. A file that every user of the
  // host may read or write is refused. A descriptor is read from its beginning, stays open for a later
  // session, and is closed at exec. Errors: invalid_argument, unavailable.
  [[nodiscard]] static Result<Secret> read(std::string_view source);
  // From its bytes, for tests.
  [[nodiscard]] static Secret of(std::string_view bytes);

  [[nodiscard]] bool is_set() const { return key_.has_value(); }
  // The caller said that there shall be none.
  [[nodiscard]] bool is_declined() const { return declined_; }
  [[nodiscard]] const Key& key() const { return *key_; }

 private:
  std::optional<Key> key_;
  bool declined_ = false;
};

}  // namespace gossamer::runtime

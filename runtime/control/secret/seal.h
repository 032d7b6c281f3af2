// What authenticates a connection of the control plane: keys that both ends derive, and a code on each
// frame. Pure functions of bytes; no network.
//
// Both ends say one frame in the clear, each with a fresh nonce (Hello or MeshHello, then Challenge).
// Everything said so far goes into the keys:
//
//   said(x)   = SHA-256 of all bytes that x sent in the clear
//   base      = HMAC-SHA-256(secret, label | said(initiator) | said(acceptor))
//   key of x  = HMAC-SHA-256(base, "initiator" or "acceptor")
//
// and each later frame carries the first 16 bytes of HMAC-SHA-256(sender's key, sequence | length | body).
// So a frame counts once, in its place, in its direction, on its connection: ranks, rank count, session,
// role and nonces are all in the bytes that made the keys. Primitives: libsodium.
#pragma once

#include <sodium.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/base.h"

namespace gossamer::runtime {

constexpr std::size_t nonce_bytes = 32;
constexpr std::size_t session_id_bytes = 16;
constexpr std::size_t frame_code_bytes = 16;

// Overwrites itself in the end.
class Key {
 public:
  Key() = default;
  Key(const Key&) = default;
  Key& operator=(const Key&) = default;
  ~Key();

  std::array<unsigned char, crypto_auth_hmacsha256_KEYBYTES> bytes{};
};

// Overwrites what a compiler may not optimise away.
void wipe(std::string& bytes);

// Fresh random bytes of the system.
[[nodiscard]] std::string random_bytes(std::size_t count);

// The key of a secret of any length.
[[nodiscard]] Key key_from(std::string_view secret);

enum class Side : std::uint8_t { initiator, acceptor };  // who connected; who listened

// The codes of the frames of one direction, in their order.
class Seal {
 public:
  using FrameCode = std::array<unsigned char, frame_code_bytes>;

  explicit Seal(const Key& key) : key_(key) {}
  // The code of the next frame: `frame` is its length and its body.
  [[nodiscard]] FrameCode next(std::string_view length, std::string_view body);
  // Whether `code` is that of the next frame. In constant time.
  [[nodiscard]] bool check_next(std::string_view length, std::string_view body, std::string_view code);
  [[nodiscard]] std::uint64_t frames() const { return sequence_; }

 private:
  Key key_;
  std::uint64_t sequence_ = 0;
};

struct SealPair {
  Seal sending;
  Seal receiving;
};

// The bytes that one end of a connection said and heard in the clear.
class Transcript {
 public:
  Transcript();
  void said(std::string_view bytes);
  void heard(std::string_view bytes);
  [[nodiscard]] SealPair derive(const Key& secret, Side own) const;

 private:
  crypto_hash_sha256_state said_;
  crypto_hash_sha256_state heard_;
};

}  // namespace gossamer::runtime

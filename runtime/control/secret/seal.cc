#include "runtime/control/secret/seal.h"

#include <algorithm>

namespace gossamer::runtime {
namespace {

using Digest = std::array<unsigned char, crypto_hash_sha256_BYTES>;

constexpr std::string_view key_label = "gossamer session secret";
constexpr std::string_view connection_label = "gossamer control connection 2";

// Chooses the implementation for this processor, once.
void start_sodium() {
  static const int started = sodium_init();
  GOSSAMER_CHECK(started >= 0, "the system's random numbers are there");
}

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

class Mac {
 public:
  Mac(const unsigned char* key, std::size_t bytes) {
    start_sodium();
    crypto_auth_hmacsha256_init(&state_, key, bytes);
  }
  ~Mac() { sodium_memzero(&state_, sizeof state_); }
  Mac(const Mac&) = delete;
  Mac& operator=(const Mac&) = delete;

  Mac& add(const unsigned char* bytes, std::size_t count) {
    crypto_auth_hmacsha256_update(&state_, bytes, count);
    return *this;
  }
  Mac& add(std::string_view text) { return add(bytes_of(text), text.size()); }
  void end(unsigned char* out) { crypto_auth_hmacsha256_final(&state_, out); }

 private:
  crypto_auth_hmacsha256_state state_;
};

Digest digest_of(crypto_hash_sha256_state state) {
  Digest digest;
  crypto_hash_sha256_final(&state, digest.data());
  return digest;
}

Key derived(const Key& from, std::string_view label) {
  Key key;
  Mac(from.bytes.data(), from.bytes.size()).add(label).end(key.bytes.data());
  return key;
}

}  // namespace

Key::~Key() { sodium_memzero(bytes.data(), bytes.size()); }

void wipe(std::string& bytes) { sodium_memzero(bytes.data(), bytes.size()); }

std::string random_bytes(std::size_t count) {
  start_sodium();
  std::string bytes(count, '\0');
  randombytes_buf(bytes.data(), bytes.size());
  return bytes;
}

Key key_from(std::string_view secret) {
  Key key;
  Mac(bytes_of(key_label), key_label.size()).add(secret).end(key.bytes.data());
  return key;
}

Seal::FrameCode Seal::next(std::string_view length, std::string_view body) {
  std::array<unsigned char, 8> sequence;
  for (unsigned i = 0; i < 8; ++i) sequence[i] = static_cast<unsigned char>((sequence_ >> (8 * i)) & 0xff);
  ++sequence_;
  std::array<unsigned char, crypto_auth_hmacsha256_BYTES> whole;
  Mac(key_.bytes.data(), key_.bytes.size())
      .add(sequence.data(), sequence.size())
      .add(length)
      .add(body)
      .end(whole.data());
  FrameCode code;
  std::copy_n(whole.begin(), code.size(), code.begin());
  return code;
}

bool Seal::check_next(std::string_view length, std::string_view body, std::string_view code) {
  const FrameCode expected = next(length, body);
  return code.size() == expected.size() && sodium_memcmp(expected.data(), code.data(), expected.size()) == 0;
}

Transcript::Transcript() {
  start_sodium();
  crypto_hash_sha256_init(&said_);
  crypto_hash_sha256_init(&heard_);
}

void Transcript::said(std::string_view bytes) { crypto_hash_sha256_update(&said_, bytes_of(bytes), bytes.size()); }

void Transcript::heard(std::string_view bytes) { crypto_hash_sha256_update(&heard_, bytes_of(bytes), bytes.size()); }

SealPair Transcript::derive(const Key& secret, Side own) const {
  const bool initiator = own == Side::initiator;
  const Digest first = digest_of(initiator ? said_ : heard_);
  const Digest second = digest_of(initiator ? heard_ : said_);
  Key base;
  Mac(secret.bytes.data(), secret.bytes.size())
      .add(connection_label)
      .add(first.data(), first.size())
      .add(second.data(), second.size())
      .end(base.bytes.data());
  const Seal of_initiator(derived(base, "initiator")), of_acceptor(derived(base, "acceptor"));
  return initiator ? SealPair{of_initiator, of_acceptor} : SealPair{of_acceptor, of_initiator};
}

}  // namespace gossamer::runtime

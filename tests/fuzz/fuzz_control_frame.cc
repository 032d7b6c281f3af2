// Goal: on an authenticated connection, exactly the genuine frames count, each once and in its place; the first that is
// not genuine ends the connection as forged, whatever the bytes are. Method: the input says what a stranger between two
// ends does with genuine frames; a plain model of it says what must arrive.
//
//   input   | event | event | ...
//   event   | kind, 1 B | ... |     kind: a genuine frame, an earlier one again, one with a bit flipped, one left out,
//                                   any bytes in place of one
#include <vector>

#include "fuzz.h"
#include "run_connection.h"
#include "runtime/control/address.h"
#include "runtime/control/secret/secret.h"

namespace {

using namespace gossamer;
namespace wire = runtime::wire;

class Recorder final : public runtime::ConnectionOwner {
 public:
  void on_message(runtime::Connection& connection, const wire::Message& message) override {
    heard.push_back(message.collect().sequence());
    connection.read();
  }
  void on_end(runtime::Connection&, const std::string& reason, runtime::ConnectionEnd how) override {
    GOSSAMER_CHECK(!ended && !reason.empty(), "a connection ends once, for a reason");
    ended = true;
    end = how;
  }

  std::vector<std::uint64_t> heard;
  bool ended = false;
  runtime::ConnectionEnd end = runtime::ConnectionEnd::closed;
};

// The frames of one sender, each with its own sequence in it.
class Sender {
 public:
  explicit Sender(const runtime::Seal& seal) : seal_(seal) {}

  std::string frame() {
    wire::Message message;
    message.mutable_collect()->set_sequence(frames_++);
    const std::string body = message.SerializeAsString();
    std::string length;
    for (unsigned i = 0; i < 4; ++i) length += static_cast<char>((body.size() >> (8 * i)) & 0xff);
    const auto code = seal_.next(length, body);
    return length + body + std::string(code.begin(), code.end());
  }
  [[nodiscard]] std::uint64_t frames() const { return frames_; }

 private:
  runtime::Seal seal_;
  std::uint64_t frames_ = 0;
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t stream_bytes_max = 32 << 10;  // the socket takes it at once
  fuzz::Input input(data, size);
  const runtime::Secret secret = runtime::Secret::of("the secret of a fuzz target");
  const runtime::Transcript nothing_said;
  Sender sender(nothing_said.derive(secret.key(), runtime::Side::initiator).sending);

  std::string stream;
  std::vector<std::string> sent;
  std::vector<std::uint64_t> expected;
  bool in_step = true;     // no frame was left out
  bool genuine = true;     // the stream so far
  bool any_bytes = false;  // what ended that may be cut short, or announce too much
  while (!input.empty() && stream.size() < stream_bytes_max) {
    const auto kind = input.take<std::uint8_t>() % 8;
    if (kind == 4 && !sent.empty()) {
      stream += sent[input.take<std::uint8_t>() % sent.size()];
      genuine = false;
      continue;
    }
    if (kind == 7) {
      const auto bytes = input.take_bytes(input.take<std::uint8_t>());
      stream += fuzz::as_text(bytes);
      any_bytes = any_bytes || (genuine && !bytes.empty());
      genuine = genuine && bytes.empty();
      continue;
    }
    const std::uint64_t sequence = sender.frames();
    std::string frame = sender.frame();
    if (kind == 6) {
      in_step = false;
      continue;
    }
    if (kind == 5) {
      const auto bit = input.take<std::uint16_t>() % (8 * frame.size());
      frame[bit / 8] = static_cast<char>(frame[bit / 8] ^ (1 << (bit % 8)));
      any_bytes = any_bytes || (genuine && bit < 32);
      genuine = false;
    }
    genuine = genuine && in_step;
    sent.push_back(frame);
    stream += frame;
    if (genuine) expected.push_back(sequence);
  }
  std::atomic<std::uint64_t> bytes_sent{0};
  Recorder recorder;
  static_cast<void>(fuzz::run_connection(stream, recorder, bytes_sent, [&](runtime::Connection& connection) {
    connection.keep_transcript();
    connection.authenticate(secret.key(), runtime::Side::acceptor);
  }));
  GOSSAMER_CHECK(recorder.heard == expected, "other messages than the genuine ones");
  GOSSAMER_CHECK(recorder.ended, "a connection that does not end");
  GOSSAMER_CHECK(recorder.end != runtime::ConnectionEnd::malformed || any_bytes, "a genuine frame is well formed");
  GOSSAMER_CHECK(!genuine || recorder.end == runtime::ConnectionEnd::closed, "genuine frames that end the connection");
  return 0;
}

// Goal: a connection gives its owner exactly the messages that are in the stream, up to the first bytes that are none,
// and says what ended it. Method: the stream is cut into frames by a plain loop beside it; each message is sent back,
// and must arrive as the same bytes.
//
//   input   | which limit of a frame, 1 B | stream |
#include <sys/socket.h>

#include <vector>

#include "fuzz.h"
#include "run_connection.h"
#include "runtime/control/address.h"

namespace {

using namespace gossamer;
namespace wire = runtime::wire;

struct Heard {
  std::vector<std::string> messages;  // serialised
  bool ended = false;
  bool malformed = false;
};

class Recorder final : public runtime::ConnectionOwner {
 public:
  void on_message(runtime::Connection& connection, const wire::Message& message) override {
    heard.messages.push_back(message.SerializeAsString());
    connection.send(message);
    connection.read();
  }
  void on_end(runtime::Connection&, const std::string& reason, runtime::ConnectionEnd end) override {
    GOSSAMER_CHECK(!heard.ended && !reason.empty(), "a connection ends once, for a reason");
    heard.ended = true;
    heard.malformed = end == runtime::ConnectionEnd::malformed;
  }

  Heard heard;
};

Heard expected_from(std::string_view stream, std::size_t frame_bytes_max) {
  Heard heard;
  heard.ended = true;
  while (stream.size() >= 4) {
    std::size_t length = 0;
    for (unsigned i = 0; i < 4; ++i) length |= std::size_t{static_cast<unsigned char>(stream[i])} << (8 * i);
    stream.remove_prefix(4);
    heard.malformed = length > frame_bytes_max;
    if (heard.malformed || length > stream.size()) return heard;
    wire::Message message;
    heard.malformed = !message.ParseFromString(std::string(stream.substr(0, length))) ||
                      message.kind_case() == wire::Message::KIND_NOT_SET;
    if (heard.malformed) return heard;
    heard.messages.push_back(message.SerializeAsString());
    stream.remove_prefix(length);
  }
  return heard;
}

std::string receive_all(int socket) {
  std::string out;
  char part[4096];
  while (true) {
    const ssize_t got = ::recv(socket, part, sizeof part, MSG_DONTWAIT);
    if (got <= 0) return out;
    out.append(part, static_cast<std::size_t>(got));
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t stream_bytes_max = 32 << 10;  // the socket takes it at once, there and back
  constexpr std::size_t limits[] = {64, runtime::hello_bytes_max, runtime::frame_bytes_max};
  fuzz::Input input(data, size);
  const std::size_t limit = limits[input.take<std::uint8_t>() % std::size(limits)];
  const std::string_view stream = fuzz::as_text(input.take_bytes(stream_bytes_max));

  std::atomic<std::uint64_t> bytes_sent{0};
  Recorder recorder;
  const gossamer::UniqueDescriptor peer = fuzz::run_connection(
      stream, recorder, bytes_sent, [&](runtime::Connection& connection) { connection.set_frame_bytes_max(limit); });
  const Heard expected = expected_from(stream, limit);
  GOSSAMER_CHECK(recorder.heard.messages == expected.messages, "other messages than the stream holds");
  GOSSAMER_CHECK(recorder.heard.ended && recorder.heard.malformed == expected.malformed, "another end");

  std::string echo;
  for (const std::string& message : expected.messages) {
    for (unsigned i = 0; i < 4; ++i) echo += static_cast<char>(message.size() >> (8 * i) & 0xff);
    echo += message;
  }
  GOSSAMER_CHECK(receive_all(peer.value()) == echo && bytes_sent == echo.size(),
                 "messages that are not sent as they came");
  return 0;
}

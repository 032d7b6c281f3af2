// The other process of process_death_test.cc: rank 1 of two. Usage: transport_peer JOB TRANSPORT WAYS MODE
//   absent  writes its address, then does nothing
//   setup   makes and destroys transports until it is killed, a byte for each
//   idle    echoes one message of 8 B (tag 1, back as tag 2), then does nothing, unpolled
//   echo    as idle, and polls on
//   flood   as echo, then sends messages of 8,000 B with ever new tags
//   large   as flood, of 4 MiB
//   receive as echo, then receives messages of up to 1 MiB with tags from 100,000 on, some at once
//   share   as echo, after it has sent (tag 3) the key of 1 MiB of the transport's memory, filled with sevens
// Flood, large and receive write a byte once messages flow.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "make_transport.h"
#include "units.h"

namespace {

using gossamer::Rank;
using gossamer::Tag;
using gossamer::transport::mebibyte;
namespace transport = gossamer::transport;

void write_all(const void* data, std::size_t bytes) {
  if (::write(STDOUT_FILENO, data, bytes) != static_cast<ssize_t>(bytes)) std::abort();
}

void signal_test() { write_all("x", 1); }

void read_all(void* data, std::size_t bytes) {
  auto* next = static_cast<char*>(data);
  while (bytes > 0) {
    const ssize_t count = ::read(STDIN_FILENO, next, bytes);
    if (count <= 0) std::exit(0);  // the test has ended
    next += count;
    bytes -= static_cast<std::size_t>(count);
  }
}

transport::Address read_address() {
  std::uint64_t bytes = 0;
  read_all(&bytes, sizeof bytes);
  transport::Address address(bytes);
  read_all(address.data(), bytes);
  return address;
}

void wait_for(transport::Transport& endpoint, std::uint64_t context) {
  std::array<transport::Completion, 1> completion;
  while (endpoint.poll(completion) == 0 || completion[0].context != context) {
  }
}

[[noreturn]] void do_nothing() {
  for (;;) ::pause();
}

[[noreturn]] void send_for_ever(transport::Transport& endpoint, const transport::Slice& slice) {
  std::array<transport::Completion, 16> completions;
  std::uint64_t tag = 1'000;
  std::size_t pending = 0;
  for (;;) {
    while (pending < completions.size() && endpoint.start_send(Rank{0}, Tag{++tag}, slice, 9).ok()) ++pending;
    pending -= endpoint.poll(completions);
    if (tag == 1'000 + completions.size()) signal_test();
  }
}

[[noreturn]] void receive_for_ever(transport::Transport& endpoint, const transport::Region& region) {
  constexpr std::uint64_t at_once = 4;
  std::array<transport::Completion, at_once> completions;
  std::uint64_t tag = 100'000;
  const auto receive = [&](std::uint64_t place) {
    if (!endpoint.start_receive(Rank{0}, Tag{tag++}, {region, place * mebibyte, mebibyte}, place).ok()) do_nothing();
  };
  for (std::uint64_t place = 0; place < at_once; ++place) receive(place);
  for (;;) {
    const std::size_t ended = endpoint.poll(completions);
    for (std::size_t i = 0; i < ended; ++i) {
      if (tag == 100'000 + 2 * at_once) signal_test();
      receive(completions[i].context);
    }
  }
}

void share(transport::Transport& endpoint, const transport::Region& room) {
  const auto own = endpoint.allocate_memory(mebibyte);
  if (!own.ok()) std::exit(1);
  std::fill_n(own->base, mebibyte, std::byte{7});
  const auto key = endpoint.export_region(*own);
  if (!key.ok()) std::exit(1);
  std::copy(key->begin(), key->end(), room.base);
  if (!endpoint.start_send(Rank{0}, Tag{3}, {room, 0, key->size()}, 3).ok()) std::exit(1);
  wait_for(endpoint, 3);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: %s JOB TRANSPORT WAYS MODE\n", argv[0]);
    return 2;
  }
  const std::string mode = argv[4];
  const transport::TransportChoice choice{argv[2], argv[3]};
  while (mode == "setup") {
    if (!transport::make_transport(choice, argv[1]).ok()) return 1;
    signal_test();
  }
  auto made = transport::make_transport(choice, argv[1]);
  if (!made.ok()) {
    std::fprintf(stderr, "%s\n", made.error().message.c_str());
    return 1;
  }
  transport::Transport& endpoint = **made;
  const std::uint64_t address_bytes = endpoint.address().size();
  write_all(&address_bytes, sizeof address_bytes);
  write_all(endpoint.address().data(), address_bytes);
  if (mode == "absent") do_nothing();

  transport::View view{gossamer::Epoch{1}, Rank{1}, {read_address(), read_address()}};
  std::vector<std::byte> memory(4u << 20);
  const auto region = endpoint.register_memory(memory.data(), memory.size(), gossamer::MemoryKind::host);
  if (!endpoint.open_view(view).ok() || !region.ok()) return 1;
  const transport::Slice small{*region, 0, 8};
  if (!endpoint.start_receive(Rank{0}, Tag{1}, small, 1).ok()) return 1;
  wait_for(endpoint, 1);
  if (!endpoint.start_send(Rank{0}, Tag{2}, small, 2).ok()) return 1;
  wait_for(endpoint, 2);
  signal_test();
  if (mode == "idle") do_nothing();
  if (mode == "flood") send_for_ever(endpoint, {*region, 0, 8'000});
  if (mode == "large") send_for_ever(endpoint, {*region, 0, memory.size()});
  if (mode == "receive") receive_for_ever(endpoint, *region);
  if (mode == "share") share(endpoint, *region);
  for (;;) wait_for(endpoint, 0);
}

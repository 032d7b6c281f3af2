// Goal: the bits that come with libfabric's puts end the waits that they name in the open view, and no others; what
// names no rank of it is dropped. Method: words of any bits against a model that counts; a wait is begun for each word
// before or after it, at the rank and number that the word names or at others.
//
//   input   | view, 4 B | ranks, 2 B | records of: word, 8 B; bit 0: the word comes first, bits 1, 2: wait elsewhere |
#include <map>
#include <utility>
#include <vector>

#include "fuzz.h"
#include "transport/libfabric/notices.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gossamer;
  using transport::Notice;
  fuzz::Input input(data, size);
  const Epoch view{input.take<std::uint32_t>()};
  const std::uint32_t rank_count = 1 + input.take<std::uint16_t>() % 4096u;
  transport::Requests requests;
  transport::libfabric::Notices notices(requests);
  notices.open(view, rank_count);

  struct Slot {
    std::int64_t arrived = 0;
    std::int64_t waits = 0;
  };
  std::map<std::pair<std::uint32_t, std::uint32_t>, Slot> model;
  std::int64_t ended = 0;
  const auto settle = [&](Slot& slot) {
    const std::int64_t both = std::min(slot.arrived, slot.waits);
    slot.arrived -= both;
    slot.waits -= both;
    ended += both;
  };
  while (!input.empty()) {
    const auto word = input.take<std::uint64_t>();
    const auto order = input.take<std::uint8_t>();
    const std::uint32_t source = (word >> 8 & 0xfff);
    const std::uint32_t notice = word & 0xff;
    const auto arrive = [&] {
      notices.arrive(word);
      if (source >= rank_count || (word >> 20 & 0xfff) != (view.value & 0xfff)) return;
      Slot& slot = model[{source, notice}];
      ++slot.arrived;
      settle(slot);
    };
    if ((order & 1) != 0) arrive();
    const Rank peer{(source + (order >> 1 & 1)) % rank_count};
    const Notice number{(notice + (order >> 2 & 1)) % transport::notice_count};
    static_cast<void>(notices.start_wait(peer, number, 1));
    Slot& slot = model[{peer.value, number.value}];
    ++slot.waits;
    settle(slot);
    if ((order & 1) == 0) arrive();
  }

  std::int64_t done = 0;
  for (transport::Completion completion; requests.pop_finished(completion); ++done)
    GOSSAMER_CHECK(completion.code == Code::done, "a wait that did not end well");
  GOSSAMER_CHECK(done == ended, text(done, " waits ended, the model has ", ended));
  std::int64_t left = 0;
  for (std::uint32_t peer = 0; peer < rank_count; ++peer) notices.fail(Rank{peer});
  for (transport::Completion completion; requests.pop_finished(completion); ++left)
    GOSSAMER_CHECK(completion.code == Code::peer_lost, "a wait that outlives its peer");
  std::int64_t waiting = 0;
  for (const auto& [key, slot] : model) waiting += slot.waits;
  GOSSAMER_CHECK(left == waiting, "waits are missing");
  return 0;
}

#include "runtime/session/plan_numbers.h"

#include <algorithm>
#include <cstring>

#include "runtime/engine/tag.h"

namespace gossamer::runtime {

static_assert(PlanNumbers::plans_max == tag_field_max);

namespace {

constexpr std::size_t head_bytes = 8;
constexpr std::size_t entry_bytes = 16;
constexpr std::uint32_t flag_held = 1;

template <typename T>
void put(Blob& blob, T value) {
  const auto* bytes = reinterpret_cast<const std::byte*>(&value);
  blob.insert(blob.end(), bytes, bytes + sizeof value);
}

template <typename T>
T take_number(std::span<const std::byte>& bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes = bytes.subspan(sizeof value);
  return value;
}

void put_draw(Blob& blob, const PlanDraw& draw) {
  put(blob, draw.number);
  put(blob, draw.ledger.operations);
  put(blob, draw.ledger.hash);
}

PlanDraw take_draw(std::span<const std::byte>& bytes) {
  PlanDraw draw;
  draw.number = take_number<std::uint32_t>(bytes);
  draw.ledger.operations = take_number<std::uint32_t>(bytes);
  draw.ledger.hash = take_number<std::uint64_t>(bytes);
  return draw;
}

bool offers_free(const PlanOffer& offer, const PlanDraw& draw) {
  const auto found =
      std::lower_bound(offer.free.begin(), offer.free.end(), draw.number,
                       [](const PlanDraw& entry, std::uint32_t number) { return entry.number < number; });
  return found != offer.free.end() && *found == draw;
}

}  // namespace

PlanOffer PlanNumbers::offer(std::size_t free_max) const {
  PlanOffer offer;
  offer.unused = unused_;
  for (const auto& [number, ledger] : free_) {
    if (offer.free.size() == free_max) break;
    offer.free.push_back({number, ledger});
  }
  return offer;
}

void PlanNumbers::take(std::uint32_t number) {
  free_.erase(number);
  unused_ = std::max(unused_, number + 1);
}

void PlanNumbers::give_back(std::uint32_t number, const Ledger& ledger) {
  if (!ledger.torn) free_.insert_or_assign(number, ledger);
}

std::size_t offered_max(std::uint32_t rank_count) {
  constexpr std::size_t bytes_of_all = std::size_t{512} << 10;
  return std::min<std::size_t>(PlanNumbers::plans_max, bytes_of_all / entry_bytes / std::max(rank_count, 1u));
}

Result<PlanDraw> draw_plan(std::span<const PlanOffer> offers) {
  for (const PlanDraw& draw : offers.front().free)
    if (std::all_of(offers.begin() + 1, offers.end(), [&](const PlanOffer& offer) { return offers_free(offer, draw); }))
      return draw;
  std::uint32_t unused = 0;
  for (const PlanOffer& offer : offers) unused = std::max(unused, offer.unused);
  if (unused >= PlanNumbers::plans_max)
    return Error{
        Code::out_of_resources,
        text("a session holds at most ", PlanNumbers::plans_max,
             " plans at once, one for each compressor and each root of a broadcast: destroy some compressors")};
  return PlanDraw{unused, {}};
}

std::optional<PlanDraw> common_plan(std::span<const PlanOffer> offers) {
  const auto& first = offers.front().held;
  if (!first) return std::nullopt;
  for (const PlanOffer& offer : offers)
    if (offer.held != first) return std::nullopt;
  return first;
}

Blob encode_offer(const PlanOffer& offer) {
  Blob blob;
  blob.reserve(head_bytes + entry_bytes * (offer.free.size() + 1));
  put(blob, offer.unused);
  put(blob, offer.held ? flag_held : 0u);
  if (offer.held) put_draw(blob, *offer.held);
  for (const PlanDraw& draw : offer.free) put_draw(blob, draw);
  return blob;
}

Result<PlanOffer> decode_offer(std::span<const std::byte> bytes, Rank rank) {
  const auto wrong = [&](std::string_view what) {
    return Error{Code::malformed, text("the plan numbers of rank ", rank.value, " ", what), rank};
  };
  if (bytes.size() < head_bytes || (bytes.size() - head_bytes) % entry_bytes != 0) return wrong("are cut short");
  PlanOffer offer;
  offer.unused = take_number<std::uint32_t>(bytes);
  const auto flags = take_number<std::uint32_t>(bytes);
  if (offer.unused > PlanNumbers::plans_max || flags > flag_held) return wrong("are out of range");
  if (flags == flag_held) {
    if (bytes.empty()) return wrong("are cut short");
    offer.held = take_draw(bytes);
    if (offer.held->number >= offer.unused) return wrong("are out of range");
  }
  offer.free.reserve(bytes.size() / entry_bytes);
  while (!bytes.empty()) {
    offer.free.push_back(take_draw(bytes));
    const std::uint32_t number = offer.free.back().number;
    if (number >= offer.unused) return wrong("are out of range");
    if (offer.free.size() > 1 && number <= offer.free[offer.free.size() - 2].number) return wrong("do not ascend");
  }
  return offer;
}

Result<std::vector<PlanOffer>> decode_offers(std::span<const Blob> blobs, std::span<const Rank> members) {
  std::vector<PlanOffer> offers;
  for (std::size_t r = 0; r < blobs.size(); ++r) {
    const Rank rank = members.empty() ? Rank{static_cast<std::uint32_t>(r)} : members[r];
    GOSSAMER_ASSIGN(auto offer, decode_offer(blobs[r], rank));
    offers.push_back(std::move(offer));
  }
  return offers;
}

}  // namespace gossamer::runtime

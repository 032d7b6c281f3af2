// What all ranks make, or none: for the files of Session that make something.
#pragma once

#include "runtime/engine/contained.h"
#include "runtime/session/session.h"

namespace gossamer::runtime {

template <typename Make, typename Unmake>
auto Session::make_on_all(std::string_view subject, std::span<const Rank> members, const PlanDraw& draw,
                          const Deadline& deadline, Make make, Unmake unmake) -> decltype(make()) {
  numbers_.take(draw.number);
  auto made = contained(make);
  Contribution mine;
  if (!made.ok())
    mine.trouble = made.error();
  else
    mine.blob = driver_->shared_key(draw.number);
  const auto all = agree_among(subject, {}, mine, members, deadline);
  if (!made.ok()) {
    numbers_.give_back(draw.number, draw.ledger);
    return made;
  }
  if (!all.ok()) {
    unmake(*made);
    return all.error();
  }
  if (const Status shared = share_memory(subject, members, draw.number, *all, deadline); !shared.ok()) {
    unmake(*made);
    return shared.error();
  }
  return made;
}

}  // namespace gossamer::runtime

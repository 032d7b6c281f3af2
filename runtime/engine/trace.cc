#include "runtime/engine/trace.h"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace gossamer::runtime {
namespace {

// Microseconds, with all digits.
std::string microseconds(std::uint64_t ns) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%llu.%03llu", static_cast<unsigned long long>(ns / 1000),
                static_cast<unsigned long long>(ns % 1000));
  return digits;
}

}  // namespace

std::uint32_t Trace::add_track(std::string name, std::vector<std::string> stage_labels) {
  Track track;
  track.name = std::move(name);
  track.stage_labels = std::move(stage_labels);
  tracks_.push_back(std::move(track));
  return static_cast<std::uint32_t>(tracks_.size() - 1);
}

void Trace::add(const Event& event) {
  ring_[count_++ % ring_.size()] = event;
  Track& track = tracks_[event.place.track];
  track.latest_ns = std::max(track.latest_ns, event.interval.end_ns);
}

void Trace::started(std::uint32_t index, std::uint32_t operation, std::uint64_t now_ns) {
  Track& track = tracks_[index];
  if (track.is_open) {  // it has failed
    end_round(track, std::max(track.latest_ns, track.round_begin_ns));
    add({{track.begin_ns, track.latest_ns}, {.track = index}, track.operation, Kind::operation, true});
  }
  track.is_open = true;
  track.operation = operation;
  track.begin_ns = track.latest_ns = now_ns;
}

void Trace::moved(const Place& place, const Interval& interval, bool is_send) {
  Track& track = tracks_[place.track];
  if (track.is_in_round && (track.round.stage != place.stage || track.round.round != place.round))
    end_round(track, interval.begin_ns);
  if (!track.is_in_round) {
    track.is_in_round = true;
    track.round = place;
    track.round.bytes = 0;
    track.round_begin_ns = interval.begin_ns;
    track.is_waiting = true;
    track.completed_ns = 0;
  }
  if (is_send) track.round.bytes += place.bytes;
  track.moved_ns = track.latest_ns = interval.end_ns;
}

void Trace::completed(std::uint32_t index, Rank peer, std::uint64_t now_ns) {
  Track& track = tracks_[index];
  if (!track.is_open) return;  // of an operation that has failed
  track.last_peer = peer;
  track.completed_ns = track.latest_ns = now_ns;
}

void Trace::end_wait(Track& track) {
  if (!std::exchange(track.is_waiting, false) || track.completed_ns <= track.moved_ns) return;
  Place place = track.round;
  place.peer = track.last_peer;
  add({{track.moved_ns, track.completed_ns}, place, track.operation, Kind::wait});
}

void Trace::end_round(Track& track, std::uint64_t now_ns) {
  if (!track.is_in_round) return;
  end_wait(track);
  add({{track.round_begin_ns, now_ns}, track.round, track.operation, Kind::round});
  track.is_in_round = false;
}

void Trace::merged(const Place& place, const Interval& interval) {
  Track& track = tracks_[place.track];
  end_wait(track);
  add({interval, place, track.operation, Kind::merge});
}

void Trace::prepared(const Place& place, const Interval& interval) {
  Track& track = tracks_[place.track];
  end_round(track, interval.begin_ns);
  add({interval, place, track.operation, Kind::prepare});
}

void Trace::ended(std::uint32_t index, std::uint64_t now_ns) {
  Track& track = tracks_[index];
  track.is_open = false;
  add({{track.begin_ns, now_ns}, {.track = index}, track.operation, Kind::operation});
}

std::string Trace::line(const Event& event) const {
  const Track& track = tracks_[event.place.track];
  const Place& place = event.place;
  const std::string label = place.stage < track.stage_labels.size() ? track.stage_labels[place.stage] : "result";
  std::string name;
  std::string arguments = text("\"plan\":", quoted_json(track.name), ",\"step\":", event.operation);
  const char* kind = "";
  switch (event.kind) {
    case Kind::operation:
      kind = "operation";
      name = text(track.name, " step ", event.operation);
      if (event.is_unfinished) arguments += ",\"unfinished\":true";
      break;
    case Kind::round:
      kind = "round";
      name = text(label, " round ", place.round);
      arguments += text(",\"stage\":", quoted_json(label), ",\"round\":", place.round, ",\"bytes\":", place.bytes);
      break;
    case Kind::wait:
      kind = "wait";
      name = text("wait for rank ", place.peer.value);
      arguments += text(",\"stage\":", quoted_json(label), ",\"round\":", place.round, ",\"peer\":", place.peer.value);
      break;
    case Kind::merge:
      kind = "merge";
      name = text("merge of rank ", place.peer.value);
      arguments += text(",\"stage\":", quoted_json(label), ",\"round\":", place.round, ",\"peer\":", place.peer.value,
                        ",\"bytes\":", place.bytes);
      break;
    case Kind::prepare:
      kind = "prepare";
      name = text("prepare ", label);
      arguments += text(",\"stage\":", quoted_json(label));
      break;
  }
  const auto begin_ns =
      static_cast<std::uint64_t>(static_cast<std::int64_t>(event.interval.begin_ns) + config_.offset_ns);
  return text("{\"name\":", quoted_json(name), ",\"cat\":\"", kind, "\",\"ph\":\"X\",\"pid\":", config_.rank.value,
              ",\"tid\":", place.track, ",\"ts\":", microseconds(begin_ns),
              ",\"dur\":", microseconds(event.interval.end_ns - event.interval.begin_ns), ",\"args\":{", arguments,
              "}}");
}

std::string Trace::json(std::uint64_t now_ns) const {
  const std::uint64_t kept = std::min<std::uint64_t>(count_, ring_.size());
  std::string json =
      text("{\"displayTimeUnit\":\"ns\",\"otherData\":{\"schema\":\"gossamer.trace/1\",\"rank\":", config_.rank.value,
           ",\"rank_count\":", config_.rank_count, ",\"host\":", quoted_json(config_.host),
           ",\"clock_offset_ns\":", config_.offset_ns, ",\"clock_uncertainty_ns\":", config_.uncertainty_ns,
           ",\"events\":", kept, ",\"dropped\":", count_ - kept, "},\n\"traceEvents\":[\n",
           "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":", config_.rank.value,
           ",\"args\":{\"name\":", quoted_json(text("rank ", config_.rank.value)),
           "}},\n{\"name\":\"process_sort_index\",\"ph\":\"M\",\"pid\":", config_.rank.value,
           ",\"args\":{\"sort_index\":", config_.rank.value, "}}");
  for (std::uint32_t i = 0; i < tracks_.size(); ++i)
    json += text(",\n{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":", config_.rank.value, ",\"tid\":", i,
                 ",\"args\":{\"name\":", quoted_json(tracks_[i].name), "}}");
  for (std::uint64_t i = count_ - kept; i < count_; ++i) json += text(",\n", line(ring_[i % ring_.size()]));
  for (std::uint32_t i = 0; i < tracks_.size(); ++i) {
    const Track& track = tracks_[i];
    if (!track.is_open) continue;
    if (track.is_in_round)
      json += text(",\n", line({{track.round_begin_ns, now_ns}, track.round, track.operation, Kind::round}));
    json += text(",\n", line({{track.begin_ns, now_ns}, {.track = i}, track.operation, Kind::operation, true}));
  }
  return json + "\n]}\n";
}

Status Trace::write(std::uint64_t now_ns) const {
  const Status written = write_whole_file(config_.path, json(now_ns), Outlives::process);
  if (written.ok()) return {};
  return Error{written.error().code,
               text("the trace could not be written to ", config_.path, " (", written.error().message,
                    "): GOSSAMER_TRACE names a file in a folder that this process may write to")};
}

}  // namespace gossamer::runtime

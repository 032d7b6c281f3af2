#include "transport/requests.h"

namespace gossamer::transport {

void RecordList::append(Record& record) {
  record.previous = last_;
  record.next = nullptr;
  (last_ == nullptr ? first_ : last_->next) = &record;
  last_ = &record;
}

void RecordList::prepend(Record& record) {
  record.previous = nullptr;
  record.next = first_;
  (first_ == nullptr ? last_ : first_->previous) = &record;
  first_ = &record;
}

void RecordList::remove(Record& record) {
  (record.previous == nullptr ? first_ : record.previous->next) = record.next;
  (record.next == nullptr ? last_ : record.next->previous) = record.previous;
}

Record& Requests::acquire(StartKind kind, Rank peer, std::uint64_t context, RecordList& pending) {
  if (free_.empty()) grow();
  Record& record = *free_.first();
  free_.remove(record);
  record.request = nullptr;
  record.context = context;
  record.bytes = 0;
  record.peer = peer.value;
  record.kind = kind;
  record.state = Record::State::pending;
  record.peer_failed = false;
  pending.append(record);
  ++pending_count_;
  return record;
}

void Requests::abandon(Record& record, RecordList& pending) {
  pending.remove(record);
  --pending_count_;
  release(record);
}

void Requests::finish(Record& record, RecordList& pending, Code code, std::size_t bytes) {
  GOSSAMER_CHECK(record.state == Record::State::pending, "a start ends once");
  pending.remove(record);
  --pending_count_;
  record.state = Record::State::finished;
  record.code = code;
  record.bytes = bytes;
  finished_.append(record);
}

void Requests::orphan(Record& record, RecordList& pending, Code code) {
  Record& heir = acquire(record.kind, Rank{record.peer}, record.context, pending);
  finish(heir, pending, code, 0);
  pending.remove(record);
  --pending_count_;
  record.state = Record::State::orphaned;
  ++orphan_count_;
}

void Requests::end_orphan(Record& record) {
  --orphan_count_;
  release(record);
}

bool Requests::pop_finished(Completion& completion) {
  if (finished_.empty()) return false;
  Record& record = *finished_.first();
  completion = {record.context, record.code, record.bytes};
  finished_.remove(record);
  release(record);
  return true;
}

void Requests::drop_finished() {
  Completion dropped;
  while (pop_finished(dropped)) {
  }
}

void Requests::drop_all() {
  for (const auto& block : blocks_) {
    for (Record& record : *block) {
      if (record.state != Record::State::free) release(record);
    }
  }
  finished_ = {};
  pending_count_ = 0;
  orphan_count_ = 0;
}

Token Requests::token(const Record& record) { return {(std::uint64_t{record.generation} << 32) | record.index}; }

Record* Requests::find(Token token) {
  const std::size_t index = token.value & 0xffffffffu;
  if (index >= blocks_.size() * block_records) return nullptr;
  Record& record = (*blocks_[index / block_records])[index % block_records];
  const bool same = record.generation == token.value >> 32 && record.state == Record::State::pending;
  return same ? &record : nullptr;
}

void Requests::grow() {
  const std::size_t first = blocks_.size() * block_records;
  blocks_.push_back(std::make_unique<Block>());
  for (std::size_t i = 0; i < block_records; ++i) {
    Record& record = (*blocks_.back())[i];
    record.index = static_cast<std::uint32_t>(first + i);
    record.generation = 1;  // token 0 names nothing
    free_.append(record);
  }
}

void Requests::release(Record& record) {
  record.state = Record::State::free;
  ++record.generation;
  free_.prepend(record);  // the one used last is the one in the cache
}

}  // namespace gossamer::transport

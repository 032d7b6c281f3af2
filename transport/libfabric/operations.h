// What libfabric must know of a start: kept from the start to its end, so that a start that the provider does not
// take yet (FI_EAGAIN) can be posted again.
#pragma once

#include <rdma/fabric.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "transport/libfabric/endpoint.h"
#include "transport/requests.h"

namespace gossamer::transport::libfabric {

struct Operation {
  fi_context2 space{};  // first: the provider's while the operation is under way, and what its completion names
  Record* record = nullptr;
  std::byte* data = nullptr;
  std::size_t bytes = 0;
  void* descriptor = nullptr;
  std::uint64_t tag = 0;
  bool on_host = true;
  bool given_up = false;  // fi_cancel was called
  bool delayed = false;   // the provider has not taken it
};

// One operation for each record, at the record's index. Blocks never move, as providers keep pointers.
class Operations {
 public:
  [[nodiscard]] Operation& of(Record& record) {
    while (record.index / block_size >= blocks_.size()) blocks_.push_back(std::make_unique<Block>());
    Operation& operation = (*blocks_[record.index / block_size])[record.index % block_size];
    operation.record = &record;
    return operation;
  }

 private:
  static constexpr std::size_t block_size = 128;
  using Block = std::array<Operation, block_size>;
  std::vector<std::unique_ptr<Block>> blocks_;
};

struct Posted {
  ssize_t result = 0;  // 0, -FI_EAGAIN, or why not
  bool ended = false;  // no completion will come: the data has been copied
};

// Hands the operation to the provider. Sends of up to `inject_bytes` go as a copy.
[[nodiscard]] Posted post(const Endpoint& endpoint, Operation& operation, fi_addr_t peer, std::size_t inject_bytes);

}  // namespace gossamer::transport::libfabric

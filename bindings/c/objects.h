// What the opaque objects of the C interface hold.
#pragma once

#include <memory>
#include <vector>

#include "bindings/c/gossamer.h"
#include "runtime/runtime.h"

// One for each compressor: an operation is the compressor's latest.
struct gossamer_operation {
  gossamer_compressor* compressor = nullptr;
};

struct gossamer_compressor {
  gossamer_compressor(gossamer_session* owner, gossamer::runtime::Compressor* made) : session(owner), compressor(made) {
    operation.compressor = this;
  }
  gossamer_session* session;
  gossamer::runtime::Compressor* compressor;  // the session's
  gossamer_operation operation;
};

struct gossamer_session {
  std::unique_ptr<gossamer::runtime::Session> session;
  std::vector<std::unique_ptr<gossamer_compressor>> compressors;
};

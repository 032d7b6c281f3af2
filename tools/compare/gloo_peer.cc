// A rank of Gloo as its users run it: gloo::allreduce over its TCP transport, a shared folder as the store.
//
//     gloo_peer SOCKET STORE RANK RANK_COUNT ADDRESS
#include <gloo/allreduce.h>
#include <gloo/math.h>
#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/file_store.h>
#include <gloo/transport/tcp/device.h>

#include <cstdlib>
#include <exception>
#include <memory>
#include <optional>
#include <string>

#include "turns.h"

namespace {

struct State {
  std::shared_ptr<gloo::rendezvous::Context> context;
  std::optional<gloo::AllreduceOptions> options;
};

float* allocate(void*, std::size_t bytes) {
  constexpr std::size_t page = 4096;
  void* memory = std::aligned_alloc(page, (bytes + page - 1) / page * page);
  if (memory == nullptr) turns_fail("gloo_peer", "no memory");
  return static_cast<float*>(memory);
}

void release(void*, float* memory) { std::free(memory); }

void prepare(void* context, const float* input, float* output, std::size_t count) {
  auto& state = *static_cast<State*>(context);
  state.options.emplace(state.context);
  state.options->setInput(const_cast<float*>(input), count);
  state.options->setOutput(output, count);
  state.options->setReduceFunction(
      static_cast<void (*)(void*, const void*, const void*, std::size_t)>(&gloo::sum<float>));
}

void all_reduce(void* context) { gloo::allreduce(*static_cast<State*>(context)->options); }

}  // namespace

int main(int count, char** arguments) try {
  if (count != 6) turns_fail("gloo_peer", "expected SOCKET STORE RANK RANK_COUNT ADDRESS");
  const int rank = std::atoi(arguments[3]);
  const int rank_count = std::atoi(arguments[4]);
  gloo::transport::tcp::attr attributes;
  attributes.hostname = arguments[5];
  gloo::rendezvous::FileStore store(arguments[2]);
  State state;
  state.context = std::make_shared<gloo::rendezvous::Context>(rank, rank_count);
  auto device = gloo::transport::tcp::CreateDevice(attributes);
  state.context->connectFullMesh(store, device);
  const turns_library library = {&state, allocate, release, prepare, all_reduce};
  turns_run(arguments[1], rank, rank_count, &library);
  std::_Exit(0);  // the peers may still read what this rank has sent
} catch (const std::exception& error) {
  turns_fail("gloo_peer", error.what());
}

// One rank of the tests of device memory: dense steps through the C interface, over the fake device on the ranks that
// --device names by bits, on the host on the others. The library is linked statically, so that the fake device, which
// no user's program can have, is found in it.
//
//   device_peer --device BITS --steps N [--values N] [--schedule N] [--progress N] [--nan-at STEP] [--stream 1]
#include <gossamer.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "base/base.h"
#include "tests/support/fake_device.h"

namespace {

using gossamer::testing::DeviceArray;

constexpr std::size_t counts[] = {300'000, 77};

void check(gossamer_status status, const char* where) {
  if (status == GOSSAMER_DONE) return;
  std::printf("error %s at %s: %s\n", gossamer_status_name(status), where, gossamer_last_error());
  std::fflush(stdout);
  std::exit(10);
}

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, long> option = {{"--device", 0},   {"--steps", 5},   {"--values", 0}, {"--schedule", 0},
                                        {"--progress", 0}, {"--nan-at", -1}, {"--stream", 0}};
  for (int i = 1; i + 1 < argc; i += 2) option.at(argv[i]) = std::atol(argv[i + 1]);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);

  gossamer_config config = GOSSAMER_CONFIG_INIT;
  config.progress = static_cast<int32_t>(option["--progress"]);
  gossamer_session* session = nullptr;
  check(gossamer_init(&config, &session), "init");
  const int rank = gossamer_rank(session);
  const bool on_device = (option["--device"] >> rank & 1) != 0;

  gossamer::testing::FakeDevice device({.seed = static_cast<std::uint64_t>(rank), .polls_max = 20});
  const gossamer_tensor tensors[] = {{"weights", counts[0], 0}, {"bias", counts[1], 1}};
  gossamer_compressor_config options = GOSSAMER_COMPRESSOR_CONFIG_INIT;
  options.algorithm = GOSSAMER_DENSE;
  options.tensors = tensors;
  options.tensor_count = 2;
  options.clip = 0.0;
  options.values = static_cast<int32_t>(option["--values"]);
  options.schedule = static_cast<int32_t>(option["--schedule"]);
  options.memory = on_device ? static_cast<int32_t>(gossamer::MemoryKind::fake_device) : 0;
  if (on_device && option["--stream"] != 0) options.stream = device.make_stream();
  gossamer_compressor* compressor = nullptr;
  check(gossamer_compressor_create(session, &options, &compressor), "compressor");

  std::vector<std::vector<float>> gradients, weights;
  std::vector<DeviceArray<float>> device_gradients, device_weights;
  std::vector<const float*> from;
  std::vector<float*> to;
  for (const std::size_t count : counts) {
    gradients.emplace_back(count);
    weights.emplace_back(count);
  }
  for (std::size_t i = 0; i < 2; ++i) {
    device_gradients.emplace_back(device, gradients[i]);
    device_weights.emplace_back(device, weights[i]);
    from.push_back(on_device ? device_gradients[i].data() : gradients[i].data());
    to.push_back(on_device ? device_weights[i].data() : weights[i].data());
  }

  std::minstd_rand random(static_cast<unsigned>(rank + 1));
  long done = 0;
  for (long step = 0; step < option["--steps"]; ++step) {
    for (std::size_t i = 0; i < 2; ++i) {
      for (float& value : gradients[i]) value = static_cast<float>(random()) / 3e9f - 0.3f;
      if (step == option["--nan-at"] && rank == 1 && i == 1) gradients[1][5] = std::nanf("");
      if (on_device && options.stream == nullptr) device_gradients[i].set(gradients[i]);
      if (options.stream != nullptr)  // which does it only for who waits for it
        device.enqueue(options.stream, device_gradients[i].data(), gradients[i].data(), counts[i] * sizeof(float));
    }
    check(gossamer_compress(compressor, from.data()), "compress");
    gossamer_operation* operation = nullptr;
    check(gossamer_reduce(compressor, &operation), "reduce");
    const gossamer_status status = gossamer_operation_wait(operation, 0);
    if (status == GOSSAMER_NOT_FINITE && step == option["--nan-at"]) {
      std::printf("not finite: rank %lld index %lld\n", static_cast<long long>(gossamer_last_error_rank()),
                  static_cast<long long>(gossamer_last_error_index()));
      continue;
    }
    check(status, "wait");
    gossamer_update update = GOSSAMER_UPDATE_INIT;
    check(gossamer_recover(compressor, &update), "recover");
    if (device.owns(update.values) != on_device) std::printf("error: the update is in other memory\n");
    check(gossamer_update_apply(&update, to.data(), -0.1f), "apply");
    if (++done == 2) std::printf("ready\n");
  }
  std::uint64_t hash = 14'695'981'039'346'656'037u;  // FNV-1a
  for (std::size_t i = 0; i < 2; ++i) {
    if (on_device) weights[i] = device_weights[i].values();
    for (const float weight : weights[i]) {
      std::uint32_t bits = 0;
      std::memcpy(&bits, &weight, sizeof bits);
      hash = (hash ^ bits) * 1'099'511'628'211u;
    }
    check(gossamer_check_equal(session, tensors[i].name, weights[i].data(), counts[i] * sizeof(float), 0), "weights");
  }
  if (on_device) {  // a gradient of the wrong memory is a caller's mistake
    const float* const wrong[] = {gradients[0].data(), gradients[1].data()};
    if (gossamer_compress(compressor, wrong) == GOSSAMER_INVALID_ARGUMENT) std::printf("%s\n", gossamer_last_error());
  }
  gossamer_finalize(session);
  std::printf("copies under way %lld\n", static_cast<long long>(device.copies_under_way()));
  std::printf("weights %016llx\n", static_cast<unsigned long long>(hash));
  std::printf("done %ld\n", done);
  return 0;
}

// One rank of the multi-process tests: joins by its environment, exchanges steps of gradients from a seed,
// and prints what it sees, one line each. Through the C interface only, as a user would.
//
//   exchange_peer --algorithm N --schedule N --steps N [--columns N] [--progress N] [--stop-at STEP] [--nan-at STEP]
//                 [--log 1]
#include <gossamer.h>
#include <signal.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace {

constexpr std::size_t weight_count = 200'000;
constexpr std::size_t bias_count = 64;

[[noreturn]] void end(gossamer_status status, const char* where) {
  std::printf("error %s at %s, rank %lld, index %lld: %s\n", gossamer_status_name(status), where,
              static_cast<long long>(gossamer_last_error_rank()), static_cast<long long>(gossamer_last_error_index()),
              gossamer_last_error());
  std::fflush(stdout);
  std::exit(10);  // without finalize, as a user who gives up
}

void check(gossamer_status status, const char* where) {
  if (status != GOSSAMER_DONE) end(status, where);
}

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, long> option = {{"--algorithm", 1}, {"--schedule", 0}, {"--steps", 10},
                                        {"--columns", 0},   {"--progress", 0}, {"--nan-at", -1},
                                        {"--stop-at", -1},  {"--wait-ms", 0},  {"--log", 0}};
  for (int i = 1; i + 1 < argc; i += 2) option.at(argv[i]) = std::atol(argv[i + 1]);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);

  if (option["--log"] != 0) {
    const auto print = [](gossamer_log_level, const char* line, void*) { std::printf("log %s\n", line); };
    gossamer_set_log(GOSSAMER_LOG_INFO, print, nullptr);
  }
  gossamer_config config = GOSSAMER_CONFIG_INIT;
  config.progress = static_cast<int32_t>(option["--progress"]);
  gossamer_session* session = nullptr;
  check(gossamer_init(&config, &session), "init");
  const int rank = gossamer_rank(session);

  std::vector<float> weights(weight_count), bias(bias_count), g(weight_count), bias_g(bias_count);
  if (rank == 0)
    for (std::size_t i = 0; i < weight_count; ++i) weights[i] = static_cast<float>(i % 17);
  check(gossamer_broadcast(session, weights.data(), weight_count * sizeof(float), 0, 0), "broadcast");

  const gossamer_tensor tensors[] = {{"weights", weight_count, 0}, {"bias", bias_count, 1}};
  gossamer_compressor_config options = GOSSAMER_COMPRESSOR_CONFIG_INIT;
  options.algorithm = static_cast<int32_t>(option["--algorithm"]);
  options.schedule = static_cast<int32_t>(option["--schedule"]);
  options.tensors = tensors;
  options.tensor_count = 2;
  // A rank may be told to differ, for the tests of mismatches.
  const char* odd_columns = std::getenv("EXCHANGE_PEER_COLUMNS");
  options.columns = odd_columns != nullptr ? static_cast<uint32_t>(std::atol(odd_columns))
                                           : static_cast<uint32_t>(option["--columns"]);
  gossamer_compressor* compressor = nullptr;
  check(gossamer_compressor_create(session, &options, &compressor), "compressor");
  std::printf("ready\n");

  const float* gradients[] = {g.data(), bias_g.data()};
  float* parameters[] = {weights.data(), bias.data()};
  std::minstd_rand random(static_cast<unsigned>(rank + 1));
  long failed = 0;
  for (long step = 0; step < option["--steps"]; ++step) {
    for (float& value : g) value = static_cast<float>(random() % 2048) / 1024.0f - 1.0f;
    for (float& value : bias_g) value = static_cast<float>(random() % 2048) / 1024.0f - 1.0f;
    if (step == option["--nan-at"] && rank == 1) g[4321] = std::nanf("");
    if (step == option["--stop-at"] && rank == 1) raise(SIGSTOP);
    check(gossamer_compress(compressor, gradients), "compress");
    gossamer_operation* operation = nullptr;
    const auto begin = std::chrono::steady_clock::now();
    gossamer_status status = gossamer_reduce(compressor, &operation);
    if (status == GOSSAMER_DONE) status = gossamer_operation_wait(operation, option["--wait-ms"] * 1'000'000);
    if (status == GOSSAMER_NOT_FINITE && step == option["--nan-at"]) {
      std::printf("not finite: rank %lld index %lld\n", static_cast<long long>(gossamer_last_error_rank()),
                  static_cast<long long>(gossamer_last_error_index()));
      ++failed;
      continue;
    }
    if (status != GOSSAMER_DONE) {
      const auto waited = std::chrono::steady_clock::now() - begin;
      std::printf("waited %lld ms\n",
                  static_cast<long long>(std::chrono::duration_cast<std::chrono::milliseconds>(waited).count()));
      std::printf("error %s at step, rank %lld, index -1: %s\n", gossamer_status_name(status),
                  static_cast<long long>(gossamer_last_error_rank()), gossamer_last_error());
      gossamer_finalize(session);
      std::printf("finalized\n");
      return 10;
    }
    gossamer_update update = GOSSAMER_UPDATE_INIT;
    check(gossamer_recover(compressor, &update), "recover");
    check(gossamer_update_apply(&update, parameters, -0.1f), "apply");
    if (step % 100 == 99) std::printf("step %ld\n", step + 1);
  }
  check(gossamer_check_equal(session, "weights", weights.data(), weight_count * sizeof(float), 0), "weights");
  check(gossamer_check_equal(session, "bias", bias.data(), bias_count * sizeof(float), 0), "bias");
  gossamer_finalize(session);
  std::uint64_t hash = 14'695'981'039'346'656'037u;  // FNV-1a
  for (const float weight : weights) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &weight, sizeof bits);
    hash = (hash ^ bits) * 1'099'511'628'211u;
  }
  std::printf("weights %016llx\n", static_cast<unsigned long long>(hash));
  std::printf("done %ld\n", option["--steps"] - failed);
  return 0;
}

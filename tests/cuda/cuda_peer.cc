// One rank of an exchange with gradients in the memory of a real CUDA device, through the C interface. Prints one line
// of JSON on rank 0: what an exchange took, and that the weights are equal.
//
//   cuda_peer --algorithm dense|gs-sgd --count N --steps N --memory cuda|host
#include <cuda_runtime_api.h>
#include <gossamer.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace {

constexpr int exit_failed = 1, exit_usage = 2;

[[noreturn]] void end(int status, const std::string& message) {
  std::fprintf(stderr, "cuda_peer: %s\n", message.c_str());
  std::exit(status);
}

void check(gossamer_status status, const char* where) {
  if (status != GOSSAMER_DONE)
    end(exit_failed, std::string(where) + ": " + gossamer_status_name(status) + ": " + gossamer_last_error());
}

void check(cudaError_t error, const char* where) {
  if (error != cudaSuccess) end(exit_failed, std::string(where) + ": " + cudaGetErrorString(error));
}

double percentile(std::vector<double> values, double part) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(part * static_cast<double>(values.size() - 1))];
}

// Memory of one kind, filled from the host.
class Array {
 public:
  Array(bool on_device, std::size_t count) : on_device_(on_device), count_(count) {
    if (on_device_)
      check(cudaMalloc(reinterpret_cast<void**>(&data_), count * sizeof(float)), "allocate");
    else
      data_ = static_cast<float*>(std::malloc(count * sizeof(float)));
    if (data_ == nullptr) end(exit_failed, "no memory");
  }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;
  ~Array() {
    if (on_device_)
      static_cast<void>(cudaFree(data_));
    else
      std::free(data_);
  }
  void set(const std::vector<float>& values) {
    check(cudaMemcpy(data_, values.data(), count_ * sizeof(float), cudaMemcpyDefault), "copy to the device");
  }
  [[nodiscard]] std::vector<float> values() const {
    std::vector<float> out(count_);
    check(cudaMemcpy(out.data(), data_, count_ * sizeof(float), cudaMemcpyDefault), "copy from the device");
    return out;
  }
  [[nodiscard]] float* data() const { return data_; }

 private:
  bool on_device_;
  std::size_t count_;
  float* data_ = nullptr;
};

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, std::string> option = {
      {"--algorithm", "dense"}, {"--count", "1000000"}, {"--steps", "20"}, {"--memory", "cuda"}};
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 >= argc || option.count(argv[i]) == 0) end(exit_usage, std::string("unknown or empty option ") + argv[i]);
    option[argv[i]] = argv[i + 1];
  }
  const std::size_t count = std::strtoull(option["--count"].c_str(), nullptr, 10);
  const int steps = std::atoi(option["--steps"].c_str());
  const bool on_device = option["--memory"] == "cuda";
  if (count == 0 || steps < 1) end(exit_usage, "--count and --steps are at least 1");

  gossamer_session* session = nullptr;
  check(gossamer_init(nullptr, &session), "init");
  const int rank = gossamer_rank(session);
  const gossamer_tensor tensors[] = {{"weights", count, 0}};
  gossamer_compressor_config config = GOSSAMER_COMPRESSOR_CONFIG_INIT;
  config.algorithm = option["--algorithm"] == "dense" ? GOSSAMER_DENSE : GOSSAMER_GS_SGD;
  config.tensors = tensors;
  config.tensor_count = 1;
  config.clip = 0.0;
  config.momentum = 0.0;
  config.memory = on_device ? GOSSAMER_MEMORY_CUDA : GOSSAMER_MEMORY_HOST;
  gossamer_compressor* compressor = nullptr;
  check(gossamer_compressor_create(session, &config, &compressor), "compressor");

  Array gradient(on_device, count), weights(on_device, count);
  weights.set(std::vector<float>(count, 0.0f));
  std::minstd_rand random(static_cast<unsigned>(rank + 1));
  std::vector<float> drawn(count);
  std::vector<double> exchange_us, compress_us;
  gossamer_stats stats = GOSSAMER_STATS_INIT;
  for (int step = 0; step < steps; ++step) {
    for (float& value : drawn) value = static_cast<float>(random()) / 3e9f - 0.3f;
    gradient.set(drawn);
    const float* const gradients[] = {gradient.data()};
    check(gossamer_compress(compressor, gradients), "compress");
    gossamer_operation* operation = nullptr;
    check(gossamer_reduce(compressor, &operation), "reduce");
    check(gossamer_operation_wait(operation, 0), "wait");
    gossamer_update update = GOSSAMER_UPDATE_INIT;
    check(gossamer_recover(compressor, &update), "recover");
    float* const to[] = {weights.data()};
    check(gossamer_update_apply(&update, to, -0.1f), "apply");
    check(gossamer_compressor_stats(compressor, &stats), "statistics");
    exchange_us.push_back(static_cast<double>(stats.exchange_ns) * 1e-3);
    compress_us.push_back(static_cast<double>(stats.compress_ns) * 1e-3);
  }
  const std::vector<float> end_weights = weights.values();
  check(gossamer_check_equal(session, "weights", end_weights.data(), count * sizeof(float), 0), "weights");
  if (rank == 0)
    std::printf(
        "{\"kernel\": \"exchange\", \"algorithm\": \"%s\", \"memory\": \"%s\", \"ranks\": %d, \"dimension\": %zu, "
        "\"bytes_per_step\": %" PRIu64 ", \"p50_us\": %.1f, \"p99_us\": %.1f, \"compress_p50_us\": %.1f, "
        "\"weights\": \"equal\"}\n",
        option["--algorithm"].c_str(), option["--memory"].c_str(), gossamer_rank_count(session), count,
        stats.bytes_sent, percentile(exchange_us, 0.5), percentile(exchange_us, 0.99), percentile(compress_us, 0.5));
  gossamer_finalize(session);
  return 0;
}

// The exchange of one training step, as three algorithms do it: what tools/compare/run gs-sgd measures.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <vector>

#include "base/base.h"

namespace gossamer::compare {

// Of one rank, from its environment and the command line.
struct StepSetup {
  Rank rank;
  std::uint32_t rank_count = 1;
  std::string folder;  // that all ranks share, for finding each other
  std::uint64_t dimension = 0;
  double density = 0;  // k / dimension

  [[nodiscard]] std::uint64_t k() const {
    return static_cast<std::uint64_t>(density * static_cast<double>(dimension) + 0.5);
  }
  // As gs-SGD has it by default, for both that sketch.
  static constexpr float momentum = 0.3f;
  static constexpr std::uint32_t rows = 3;
  [[nodiscard]] std::uint64_t candidates() const { return 2 * k(); }
};

// Vectors of the dimension lie in huge pages, as gs-SGD's do.
template <typename T>
struct HugePages {
  using value_type = T;
  T* allocate(std::size_t count) {
    void* const memory = ::operator new (count * sizeof(T), std::align_val_t{huge_page_bytes});
    advise_huge_pages(memory, count * sizeof(T));
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t) { ::operator delete (memory, std::align_val_t{huge_page_bytes}); }
  friend bool operator==(const HugePages&, const HugePages&) = default;
};
using LargeVector = std::vector<float, HugePages<float>>;

// One rank's part. One thread.
class ExchangeStep {
 public:
  virtual ~ExchangeStep() = default;
  // What a rank does by itself before it sends: residual, and what is sent of it.
  virtual Status compress(std::span<const float> gradient) = 0;
  // From then until this rank has the update and has taken it off its residual.
  virtual Status exchange() = 0;
  // Of the last exchange: time in arithmetic, payload bytes sent by this rank, and a hash of the update.
  [[nodiscard]] virtual std::int64_t compute_ns() const = 0;
  [[nodiscard]] virtual std::uint64_t bytes_sent() const = 0;
  [[nodiscard]] virtual std::uint64_t update_hash() const = 0;
};

// gs-SGD through the C interface. `options`, with commas between: i8 (cells of 8 and values of 16 bits), bf16 (cells),
// i16-values, sharded (each rank decodes its share), as-gtop-k (no momentum, and k coordinates are applied instead of
// 2 k); empty: the defaults.
[[nodiscard]] Result<std::unique_ptr<ExchangeStep>> make_gs_sgd_step(const StepSetup& setup, std::string_view options);
// gTop-k (Shi et al. 2019): log2 P rounds in which pairs merge their k largest, then a broadcast of the last k.
[[nodiscard]] Result<std::unique_ptr<ExchangeStep>> make_gtop_k_step(const StepSetup& setup);
// Sketched-SGD (Ivkin et al. 2019): rank 0 sums the sketches, names the heavy coordinates, sums their exact values.
[[nodiscard]] Result<std::unique_ptr<ExchangeStep>> make_sketched_sgd_step(const StepSetup& setup);

// Adds the time that it lives to a sum.
class Stopwatch {
 public:
  explicit Stopwatch(std::int64_t& sum);
  ~Stopwatch();
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  std::int64_t& sum_;
  std::int64_t begin_;
};

// Until another rank has put the file there, complete; its content.
[[nodiscard]] Result<std::string> wait_for_file(const std::string& path);
Status publish_file(const std::string& path, const std::string& content);

}  // namespace gossamer::compare

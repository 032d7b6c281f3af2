// A rank of one of the algorithms that tools/compare/run gs-sgd compares.
//
//     exchange_step ALGORITHM[:OPTIONS] SOCKET FOLDER DIMENSION DENSITY      rank and rank count from the environment
//
// Over the socket (turns.h) come lines "STEPS". For each step go five words back: ns of compress, ns of exchange, of
// which in arithmetic, bytes sent, hash of the update. All ranks meet before compress and before exchange: on hosts of
// their own they would be ready together, where here a few cores compress for one rank after the other.
#include "tools/compare/exchange_step.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "tools/compare/turns.h"

namespace gossamer::compare {

Stopwatch::Stopwatch(std::int64_t& sum) : sum_(sum), begin_(turns_now_ns()) {}
Stopwatch::~Stopwatch() { sum_ += turns_now_ns() - begin_; }

Status publish_file(const std::string& path, const std::string& content) {
  const std::string draft = path + ".draft";
  std::FILE* const file = std::fopen(draft.c_str(), "wb");
  if (file == nullptr) return Error{Code::unavailable, text("cannot write ", draft)};
  const bool written = std::fwrite(content.data(), 1, content.size(), file) == content.size();
  if (std::fclose(file) != 0 || !written || std::rename(draft.c_str(), path.c_str()) != 0)
    return Error{Code::unavailable, text("cannot write ", path)};
  return {};
}

Result<std::string> wait_for_file(const std::string& path) {
  constexpr std::int64_t limit_ns = 60'000'000'000;
  constexpr useconds_t pause_us = 2000;
  const std::int64_t begin = turns_now_ns();
  std::FILE* file = std::fopen(path.c_str(), "rb");
  for (; file == nullptr; file = std::fopen(path.c_str(), "rb")) {
    if (turns_now_ns() - begin > limit_ns) return Error{Code::deadline, text("no rank has written ", path)};
    usleep(pause_us);
  }
  std::string content;
  std::array<char, 4096> part;
  for (std::size_t read = 1; read > 0;) {
    read = std::fread(part.data(), 1, part.size(), file);
    content.append(part.data(), read);
  }
  std::fclose(file);
  return content;
}

namespace {

template <typename T>
T number(std::string_view words, const char* what) {
  T value = {};
  const auto [end, error] = std::from_chars(words.data(), words.data() + words.size(), value);
  if (error != std::errc{} || end != words.data() + words.size()) turns_fail("exchange_step: not a number", what);
  return value;
}

std::uint32_t from_environment(const char* name) {
  const char* const value = std::getenv(name);
  if (value == nullptr) turns_fail("exchange_step: not set", name);
  return number<std::uint32_t>(value, name);
}

// In memory that all ranks have mapped.
pthread_barrier_t* make_barrier(const StepSetup& setup) {
  const std::string path = setup.folder + "/barrier";
  if (setup.rank.value == 0 && !publish_file(path, std::string(sizeof(pthread_barrier_t), 0)).ok())
    turns_fail("exchange_step: cannot write", path.c_str());
  if (!wait_for_file(path).ok()) turns_fail("exchange_step: rank 0 did not write", path.c_str());
  const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
  void* const memory = mmap(nullptr, sizeof(pthread_barrier_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (file < 0 || memory == MAP_FAILED) turns_fail("exchange_step: cannot map", path.c_str());
  close(file);
  auto* const barrier = static_cast<pthread_barrier_t*>(memory);
  if (setup.rank.value == 0) {
    pthread_barrierattr_t shared;
    pthread_barrierattr_init(&shared);
    pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(barrier, &shared, setup.rank_count);
  }
  return barrier;
}

// Heavy-tailed, half of it common to all ranks.
std::vector<float> draw_gradient(const StepSetup& setup) {
  std::vector<float> gradient(setup.dimension);
  const auto heavy = [](std::uint64_t bits) {
    const float x = static_cast<float>(static_cast<std::int32_t>(bits)) * 0x1p-31f;  // in [-1, 1)
    return x * x * x * x * x * 0.01f;
  };
  for (std::uint64_t i = 0; i < setup.dimension; ++i)
    gradient[i] = heavy(mix64(1, i)) + heavy(mix64(2 + setup.rank.value, i));
  return gradient;
}

Result<std::unique_ptr<ExchangeStep>> make_step(std::string_view algorithm, const StepSetup& setup) {
  const std::size_t colon = std::min(algorithm.find(':'), algorithm.size());
  const std::string_view name = algorithm.substr(0, colon);
  if (name == "gs-sgd") return make_gs_sgd_step(setup, algorithm.substr(std::min(colon + 1, algorithm.size())));
  if (name == "gtop-k") return make_gtop_k_step(setup);
  if (name == "sketched-sgd") return make_sketched_sgd_step(setup);
  return Error{Code::invalid_argument, text("no algorithm ", algorithm)};
}

void check(const Status& status, const char* what) {
  if (!status.ok()) turns_fail(what, status.error().message.c_str());
}

int run(int count, char** arguments) {
  if (count != 6) turns_fail("exchange_step", "expected ALGORITHM SOCKET FOLDER DIMENSION DENSITY");
  const StepSetup setup{Rank{from_environment("GOSSAMER_RANK")}, from_environment("GOSSAMER_RANK_COUNT"), arguments[3],
                        number<std::uint64_t>(arguments[4], "DIMENSION"), number<double>(arguments[5], "DENSITY")};
  auto step = make_step(arguments[1], setup);
  if (!step.ok()) turns_fail(arguments[1], step.error().message.c_str());
  const std::vector<float> gradient = draw_gradient(setup);
  // Rank 0 has made the barrier when it connects to the driver, which lets nobody go before all are there.
  pthread_barrier_t* const barrier = make_barrier(setup);
  const int driver = turns_connect(arguments[2], static_cast<int>(setup.rank.value));
  std::array<char, 64> line;
  while (turns_read_line(driver, line.data(), line.size()) != 0) {
    const auto steps = number<std::uint64_t>(line.data(), "STEPS");
    std::vector<std::int64_t> words;
    for (std::uint64_t i = 0; i < steps; ++i) {
      pthread_barrier_wait(barrier);
      const std::int64_t begin = turns_now_ns();
      check((*step)->compress(gradient), "compress");
      const std::int64_t compressed = turns_now_ns();
      pthread_barrier_wait(barrier);
      const std::int64_t together = turns_now_ns();
      check((*step)->exchange(), "exchange");
      words.insert(words.end(), {compressed - begin, turns_now_ns() - together, (*step)->compute_ns(),
                                 static_cast<std::int64_t>((*step)->bytes_sent()),
                                 static_cast<std::int64_t>((*step)->update_hash())});
    }
    turns_write(driver, words.data(), words.size() * sizeof words[0]);
  }
  return 0;
}

}  // namespace
}  // namespace gossamer::compare

int main(int count, char** arguments) { return gossamer::compare::run(count, arguments); }

// One rank that computes in a floating-point environment of its own: exchanges gradients whose sums show it, compares
// the weights with the other ranks, and checks that the library has left the environment as it was.
//
//   float_environment_peer ALGORITHM CELLS VALUES      TEST_ENVIRONMENT: plain, flush, up or trap
#include <gossamer.h>

#include <cfenv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

void check(gossamer_status status, const char* where) {
  if (status == GOSSAMER_DONE) return;
  std::printf("error %s at %s: %s\n", gossamer_status_name(status), where, gossamer_last_error());
  std::exit(10);
}

void enter(const std::string& environment) {
  if (environment == "up") std::fesetround(FE_UPWARD);
#if defined(__x86_64__)
  if (environment == "flush") _mm_setcsr(_mm_getcsr() | 0x8040);
  if (environment == "trap") _mm_setcsr(_mm_getcsr() & ~0x1f80u);  // every exception is a signal
#endif
}

// The program's own arithmetic is the same on all ranks.
void leave() {
#if defined(__x86_64__)
  _mm_setcsr(0x1f80);
#else
  std::fesetround(FE_TONEAREST);
#endif
}

// Control bits and sticky flags: all that a program can see of its environment.
std::uint64_t environment_now() {
#if defined(__x86_64__)
  return _mm_getcsr();
#else
  return static_cast<std::uint64_t>(std::fegetround());
#endif
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const char* const named = std::getenv("TEST_ENVIRONMENT");
  const std::string environment = named != nullptr ? named : "plain";
  enter(std::getenv("TEST_BEFORE_INIT") != nullptr ? environment : "plain");
  gossamer_session* session = nullptr;
  check(gossamer_init(nullptr, &session), "init");
  leave();
  const auto rank = static_cast<std::uint32_t>(gossamer_rank(session));

  constexpr std::uint32_t count = 120'000;
  const gossamer_tensor tensors[] = {{"w", count, 0}, {"b", 100, 1}};
  gossamer_compressor_config options = GOSSAMER_COMPRESSOR_CONFIG_INIT;
  options.algorithm = std::atoi(argv[1]);
  options.cells = std::atoi(argv[2]);
  options.values = std::atoi(argv[3]);
  options.tensors = tensors;
  options.tensor_count = 2;
  options.momentum = 0.9;
  options.clip = 0.0;
  gossamer_compressor* compressor = nullptr;
  check(gossamer_compressor_create(session, &options, &compressor), "compressor");
  // Gradients near the smallest normal number, and others whose sums must be rounded.
  std::vector<float> g(count), b(100), w(count, 1e-3f), v(100, 1e-3f);
  const float* gradients[] = {g.data(), b.data()};
  float* weights[] = {w.data(), v.data()};
  for (std::uint32_t step = 0; step < 4; ++step) {
    const float unit = step % 2 == 0 ? 1e-42f : 1.7e-7f;
    for (std::uint32_t i = 0; i < count; ++i)
      g[i] = static_cast<float>((i * 2654435761u + rank * 40503u + step * 977u) % 10007u) * unit;
    for (std::uint32_t i = 0; i < 100; ++i) b[i] = g[i];
    enter(environment);
    const std::uint64_t before = environment_now();
    gossamer_operation* operation = nullptr;
    gossamer_update update = GOSSAMER_UPDATE_INIT;
    check(gossamer_compress(compressor, gradients), "compress");
    check(gossamer_reduce(compressor, &operation), "reduce");
    check(gossamer_operation_wait(operation, 0), "wait");
    check(gossamer_recover(compressor, &update), "recover");
    check(gossamer_update_apply(&update, weights, -0.1f), "apply");
    if (environment_now() != before) {
      std::printf("the environment was %llx and is %llx\n", static_cast<unsigned long long>(before),
                  static_cast<unsigned long long>(environment_now()));
      return 1;
    }
    leave();
  }
  check(gossamer_check_equal(session, "weights", w.data(), count * sizeof(float), 0), "weights");
  check(gossamer_check_equal(session, "biases", v.data(), 100 * sizeof(float), 0), "biases");
  gossamer_finalize(session);
  std::printf("done\n");
  return 0;
}

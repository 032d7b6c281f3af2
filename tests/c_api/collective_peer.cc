// One rank of the tests of collectives between processes. Through the C interface only, as a user would.
//
//   collective_peer MODE [NUMBER]      prints what it sees, one line each, and "end" when all went as it should
#include <gossamer.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/c_api/peer_program.h"

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

long passed_ms(steady_clock::time_point since) {
  return static_cast<long>(std::chrono::duration_cast<milliseconds>(steady_clock::now() - since).count());
}

gossamer_compressor_config dense_of(const gossamer_tensor& tensor) {
  gossamer_compressor_config config = GOSSAMER_COMPRESSOR_CONFIG_INIT;
  config.algorithm = GOSSAMER_DENSE;
  config.tensors = &tensor;
  config.tensor_count = 1;
  config.momentum = 0.0;
  config.clip = 0.0;
  return config;
}

gossamer_compressor* make(uint64_t count) {
  const gossamer_tensor tensor = {"w", count, 0};
  const gossamer_compressor_config config = dense_of(tensor);
  gossamer_compressor* compressor = nullptr;
  if (gossamer_compressor_create(session, &config, &compressor) != GOSSAMER_DONE) fail("create");
  return compressor;
}

void compress(gossamer_compressor* compressor, uint64_t count, float value) {
  const std::vector<float> gradient(count, value);
  const float* pointer = gradient.data();
  expect(gossamer_compress(compressor, &pointer) == GOSSAMER_DONE, "compress");
}

float mean(gossamer_compressor* compressor) {
  gossamer_update update = GOSSAMER_UPDATE_INIT;
  expect(gossamer_recover(compressor, &update) == GOSSAMER_DONE, "recover");
  return update.values[0];
}

// A step of a new compressor of its own, with the mean that is right.
void expect_a_step_works() {
  gossamer_compressor* const compressor = make(100);
  compress(compressor, 100, static_cast<float>(rank));
  gossamer_operation* operation = nullptr;
  expect(gossamer_reduce(compressor, &operation) == GOSSAMER_DONE, "reduce");
  expect(gossamer_operation_wait(operation, 0) == GOSSAMER_DONE, "wait");
  expect(mean(compressor) == static_cast<float>(rank_count - 1) / 2, "the mean");
  gossamer_compressor_destroy(compressor);
}

// Rank 1 alone makes each mistake in turn; all do the next collective.
void make_mistakes() {
  const bool wrong = rank == 1;
  char data[64] = "x";
  const auto create = [&](auto change) {
    gossamer_tensor tensors[2] = {{"a", 100, 0}, {"b", 10, 1}};
    gossamer_compressor_config config = GOSSAMER_COMPRESSOR_CONFIG_INIT;
    config.tensors = tensors;
    config.tensor_count = 2;
    if (wrong) change(config, tensors);
    gossamer_compressor* compressor = nullptr;
    return gossamer_compressor_create(session, &config, &compressor);
  };
  const auto check = [&](const char* what, const char* words, gossamer_status status) {
    const std::string said = gossamer_last_error();
    if (status != (wrong ? GOSSAMER_INVALID_ARGUMENT : GOSSAMER_MISMATCH)) fail(what);
    if (said.find(words) == std::string::npos) fail(what);
    if (!wrong && (gossamer_last_error_rank() != 1 || said.find("rank 1") == std::string::npos)) fail(what);
    if (gossamer_check_equal(session, "next", data, sizeof data, 0) != GOSSAMER_DONE) fail(what);
  };
  using Config = gossamer_compressor_config;
  check("schedule", "schedule is 60", create([](Config& c, gossamer_tensor*) { c.schedule = 60; }));
  check("exact", "exact of tensor 0 is 2", create([](Config&, gossamer_tensor* t) { t[0].exact = 2; }));
  check("struct size", "struct_size is 0", create([](Config& c, gossamer_tensor*) { c.struct_size = 0; }));
  check("algorithm", "algorithm is 90", create([](Config& c, gossamer_tensor*) { c.algorithm = 90; }));
  check("no tensors", "tensors is NULL", create([](Config& c, gossamer_tensor*) { c.tensors = nullptr; }));
  check("density", "density is 2", create([](Config& c, gossamer_tensor*) { c.density = 2; }));
  gossamer_compressor* unused = nullptr;
  const gossamer_tensor tensor = {"w", 10, 0};
  const Config config = dense_of(tensor);
  check("no config", "config is NULL", gossamer_compressor_create(session, wrong ? nullptr : &config, &unused));
  check("nowhere to put it", "compressor is NULL",
        gossamer_compressor_create(session, &config, wrong ? nullptr : &unused));
  check("no data", "data is NULL", gossamer_broadcast(session, wrong ? nullptr : data, sizeof data, 0, 0));
  check("root", "root is 99", gossamer_broadcast(session, data, sizeof data, wrong ? 99 : 0, 0));
  check("negative root", "root is -1", gossamer_broadcast(session, data, sizeof data, wrong ? -1 : 0, 0));
  check("timeout", "the timeout is -1", gossamer_broadcast(session, data, sizeof data, 0, wrong ? -1 : 0));
  check("no name", "name is NULL", gossamer_check_equal(session, wrong ? nullptr : "w", data, sizeof data, 0));
  check("no data to compare", "data is NULL", gossamer_check_equal(session, "w", wrong ? nullptr : data, 8, 0));
  check("timeout of a check", "the timeout is -1", gossamer_check_equal(session, "w", data, 8, wrong ? -1 : 0));
  expect_a_step_works();
}

// A reduce that is refused gives the operation in flight, so that it can be waited for.
void reduce_while_busy() {
  gossamer_compressor* const compressor = make(100);
  if (rank != 0) expect(gossamer_check_equal(session, "go", nullptr, 0, 0) == GOSSAMER_DONE, "go");
  compress(compressor, 100, static_cast<float>(rank));
  gossamer_operation* first = nullptr;
  expect(gossamer_reduce(compressor, &first) == GOSSAMER_DONE, "the first reduce");
  gossamer_operation* operation = nullptr;
  if (rank == 0) {
    expect(gossamer_reduce(compressor, &operation) == GOSSAMER_BUSY, "a second reduce is refused");
    expect(operation == first, "and gives the operation in flight");
    expect(gossamer_check_equal(session, "go", nullptr, 0, 0) == GOSSAMER_DONE, "go");
  }
  int refused = 0;
  while (gossamer_reduce(compressor, &operation) == GOSSAMER_BUSY) {
    expect(++refused < 1000, "the loop ends");
    expect(gossamer_operation_wait(operation, 0) == GOSSAMER_DONE, "wait");
  }
  expect(operation == nullptr, "another failure has no operation");
  expect(mean(compressor) == static_cast<float>(rank_count - 1) / 2, "the mean");
}

// Rank 1 has no memory for a compressor that the others can make.
void run_out_of_memory() {
  constexpr uint64_t count = 20'000'000;
  long pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  rlimit before{};
  getrlimit(RLIMIT_AS, &before);
  const rlimit tight = {static_cast<rlim_t>(pages) * 4096 + 40'000'000, before.rlim_max};
  if (rank == 1) setrlimit(RLIMIT_AS, &tight);
  const gossamer_tensor tensor = {"w", count, 0};
  const gossamer_compressor_config config = dense_of(tensor);
  gossamer_compressor* compressor = nullptr;
  const gossamer_status status = gossamer_compressor_create(session, &config, &compressor);
  if (rank == 1) setrlimit(RLIMIT_AS, &before);
  expect(status == GOSSAMER_OUT_OF_RESOURCES && compressor == nullptr, "one rank without memory");
  if (rank != 1) expect(std::strstr(gossamer_last_error(), "rank 1 failed: no memory") != nullptr, "says which");
  for (int i = 0; i < 3; ++i) expect_a_step_works();
}

void broadcast_often(long number) {
  std::vector<char> small(64), large(9000);
  for (long i = 0; i < number; ++i) {
    const auto root = static_cast<int32_t>(i % rank_count);
    for (std::vector<char>* data : {&small, &large}) {
      if (data == &large && i % 4 != 0) continue;
      std::fill(data->begin(), data->end(), static_cast<char>(rank == root ? i % 100 : -1));
      if (gossamer_broadcast(session, data->data(), data->size(), root, 0) != GOSSAMER_DONE) fail("broadcast");
      expect(data->back() == static_cast<char>(i % 100) && data->front() == data->back(), "the bytes");
    }
  }
}

// The last rank computes between its tests of the last operation, when the others have long left their loops.
void finish_late(long between_ms) {
  constexpr uint64_t count = 300'000;
  const gossamer_tensor tensor = {"w", count, 0};
  gossamer_compressor_config config = GOSSAMER_COMPRESSOR_CONFIG_INIT;
  config.tensors = &tensor;
  config.tensor_count = 1;
  config.density = 0.1;
  gossamer_compressor* compressor = nullptr;
  if (gossamer_compressor_create(session, &config, &compressor) != GOSSAMER_DONE) fail("create");
  for (int step = 0; step < 3; ++step) {
    compress(compressor, count, static_cast<float>(step));
    gossamer_operation* operation = nullptr;
    expect(gossamer_reduce(compressor, &operation) == GOSSAMER_DONE, "reduce");
    gossamer_status status = GOSSAMER_PENDING;
    if (rank == rank_count - 1 && step == 2) {
      while ((status = gossamer_operation_test(operation)) == GOSSAMER_PENDING)
        std::this_thread::sleep_for(milliseconds(between_ms));  // what a program computes
    } else {
      status = gossamer_operation_wait(operation, 0);
    }
    if (status != GOSSAMER_DONE) fail("the last step");
  }
}

// How long this rank has waited for that one, as the report says.
long waited_ms(int for_rank) {
  std::string report(4096, ' ');
  size_t bytes = 0;
  expect(gossamer_session_report(session, report.data(), report.size(), &bytes) == GOSSAMER_DONE, "report");
  const std::string key = "\"waited_for_ns\":[";
  const std::size_t at = report.find(key);
  expect(at != std::string::npos, "the report has whom it waited for");
  const char* number = report.c_str() + at + key.size();
  for (int i = 0; i < for_rank; ++i) number = std::strchr(number, ',') + 1;
  return static_cast<long>(std::strtoull(number, nullptr, 10) / 1'000'000);
}

// The last rank starts only when the others have waited for it in vain.
void wait_for_the_last_rank() {
  constexpr long limit_ms = 100;
  gossamer_compressor* const compressor = make(1000);
  compress(compressor, 1000, 1.0f);
  gossamer_operation* operation = nullptr;
  const int last = rank_count - 1;
  if (rank != last) {
    expect(gossamer_reduce(compressor, &operation) == GOSSAMER_DONE, "reduce");
    expect(gossamer_operation_wait(operation, limit_ms * 1'000'000) == GOSSAMER_DEADLINE, "the last rank is late");
  }
  expect(gossamer_barrier(session, 0) == GOSSAMER_DONE, "barrier");
  if (rank == last) expect(gossamer_reduce(compressor, &operation) == GOSSAMER_DONE, "reduce");
  expect(gossamer_operation_wait(operation, 0) == GOSSAMER_DONE, "wait");
  if (rank != last && waited_ms(last) < limit_ms * 9 / 10) fail("the late rank is named");
  if (rank != last && waited_ms(rank) != 0) fail("nobody waits for itself");
}

// Rank 0 leaves after its last step; the others evaluate for a while, or start another step that needs it.
void leave_early(long evaluate_ms) {
  expect_a_step_works();
  gossamer_compressor* const compressor = make(100);
  if (rank == 0) return;
  if (evaluate_ms > 0) {
    std::this_thread::sleep_for(milliseconds(evaluate_ms));  // what a program computes
    return;
  }
  compress(compressor, 100, 1.0f);
  gossamer_operation* operation = nullptr;
  expect(gossamer_reduce(compressor, &operation) == GOSSAMER_DONE, "reduce");
  expect(gossamer_operation_wait(operation, 20'000'000'000) == GOSSAMER_PEER_LOST, "the step has no rank 0");
  expect(std::strstr(gossamer_last_error(), "rank 0 is lost: it left the session") != nullptr, "says so");
}

// Rank 0 hangs in an operation, or in a collective, that the others do not start, until another thread of it aborts;
// the others hang in the other of the two, and hear of it.
void abort_while(bool in_operation) {
  gossamer_compressor* const compressor = make(100);
  compress(compressor, 100, 1.0f);
  std::atomic<int32_t> told{GOSSAMER_PENDING};
  const auto hang = [&](bool operates) {
    if (!operates) return gossamer_barrier(session, 60'000'000'000);
    gossamer_operation* operation = nullptr;
    if (const gossamer_status refused = gossamer_reduce(compressor, &operation); refused != GOSSAMER_DONE)
      return refused;
    const auto tell = [](void* context, int32_t code) { *static_cast<std::atomic<int32_t>*>(context) = code; };
    told = GOSSAMER_PENDING;
    expect(gossamer_operation_on_complete(operation, tell, &told) == GOSSAMER_DONE, "on_complete");
    const gossamer_status status = gossamer_operation_wait(operation, 0);
    const auto before = steady_clock::now();
    while (told == GOSSAMER_PENDING && passed_ms(before) < 20'000) std::this_thread::yield();
    expect(told == status, "the completion is told the same");
    return status;
  };
  if (rank != 0) {
    expect(hang(!in_operation) == GOSSAMER_PEER_LOST, "rank 0 aborted");
    expect(gossamer_last_error_rank() == 0, "says who");
    expect(std::strstr(gossamer_last_error(), "it aborted the session") != nullptr, "says why");
    return;
  }
  std::thread other([] {
    std::this_thread::sleep_for(milliseconds(100));  // in which the one below falls asleep; it ends in any case
    const auto before = steady_clock::now();
    expect(gossamer_abort(session) == GOSSAMER_DONE, "abort");
    expect(passed_ms(before) < 1000, "abort returns at once");
    expect(gossamer_abort(session) == GOSSAMER_DONE, "a second abort");
  });
  const auto before = steady_clock::now();
  expect(hang(in_operation) == GOSSAMER_CANCELLED, "what hangs is given up");
  expect(std::strstr(gossamer_last_error(), "it aborted the session") != nullptr, "says so");
  expect(passed_ms(before) < 5000, "soon");
  other.join();
  if (in_operation) compress(compressor, 100, 1.0f);
  expect(hang(true) == GOSSAMER_CANCELLED, "operations that follow are given up");
  expect(hang(false) == GOSSAMER_CANCELLED, "collectives that follow are given up");
}

// Each rank's operations tell their ends to one descriptor, which a loop waits for.
void wait_for_a_descriptor() {
  std::vector<gossamer_compressor*> compressors;
  for (int i = 0; i < 4; ++i) compressors.push_back(make(100));
  const int descriptor = eventfd(0, EFD_CLOEXEC);
  for (int step = 0; step < 20; ++step) {
    std::vector<gossamer_operation*> operations(compressors.size());
    for (std::size_t i = 0; i < compressors.size(); ++i) {
      compress(compressors[i], 100, static_cast<float>(rank + static_cast<int>(i)));
      expect(gossamer_reduce(compressors[i], &operations[i]) == GOSSAMER_DONE, "reduce");
      expect(gossamer_operation_notify(operations[i], descriptor) == GOSSAMER_DONE, "notify");
      expect(gossamer_operation_notify(operations[i], -1) == GOSSAMER_INVALID_ARGUMENT, "no descriptor");
    }
    for (uint64_t ended = 0; ended < compressors.size();) {
      pollfd entry = {descriptor, POLLIN, 0};
      expect(poll(&entry, 1, 20'000) == 1, "the descriptor becomes readable");
      uint64_t more = 0;
      expect(read(descriptor, &more, sizeof more) == sizeof more, "read");
      ended += more;
      expect(ended <= compressors.size(), "each operation tells once");
    }
    for (std::size_t i = 0; i < compressors.size(); ++i) {
      expect(gossamer_operation_test(operations[i]) == GOSSAMER_DONE, "it has ended");
      expect(mean(compressors[i]) == static_cast<float>(rank_count - 1) / 2 + static_cast<float>(i), "the mean");
    }
  }
  close(descriptor);
}

// Each rank's state to a file, and training that goes on from it in another compressor.
void save_and_load(const std::string& folder) {
  const gossamer_tensor tensor = {"w", 5000, 0};
  gossamer_compressor_config config = GOSSAMER_COMPRESSOR_CONFIG_INIT;
  config.tensors = &tensor;
  config.tensor_count = 1;
  gossamer_compressor* whole = nullptr;
  gossamer_compressor* resumed = nullptr;
  expect(gossamer_compressor_create(session, &config, &whole) == GOSSAMER_DONE, "create");
  expect(gossamer_compressor_create(session, &config, &resumed) == GOSSAMER_DONE, "create another");
  const auto step = [](gossamer_compressor* compressor, int number) {
    std::vector<float> gradient(5000);
    for (std::size_t i = 0; i < gradient.size(); ++i)
      gradient[i] = static_cast<float>((i * 37 + static_cast<std::size_t>(number * 11 + rank)) % 101) - 50.0f;
    const float* pointer = gradient.data();
    gossamer_operation* operation = nullptr;
    gossamer_update update = GOSSAMER_UPDATE_INIT;
    expect(gossamer_compress(compressor, &pointer) == GOSSAMER_DONE, "compress");
    expect(gossamer_reduce(compressor, &operation) == GOSSAMER_DONE, "reduce");
    expect(gossamer_operation_wait(operation, 0) == GOSSAMER_DONE, "wait");
    expect(gossamer_recover(compressor, &update) == GOSSAMER_DONE, "recover");
    std::vector<float> weights(5000);
    float* to = weights.data();
    expect(gossamer_update_apply(&update, &to, 1.0f) == GOSSAMER_DONE, "apply");
    return weights;
  };
  step(whole, 0);
  step(whole, 1);
  const std::string path = folder + "/state-" + std::to_string(rank);
  expect(gossamer_compressor_save_file(whole, path.c_str()) == GOSSAMER_DONE, "save");
  const auto expected = step(whole, 2);
  // Rank 1 alone has no file: nobody loads.
  const std::string none = folder + "/none";
  const char* given = rank == 1 ? none.c_str() : path.c_str();
  expect(gossamer_compressor_load_files(resumed, &given, 1, 0, 0) == GOSSAMER_UNAVAILABLE, "one without a file");
  expect(std::strstr(gossamer_last_error(), "/none") != nullptr, "names it");
  given = path.c_str();
  expect(gossamer_compressor_load_files(resumed, &given, 1, 0, 0) == GOSSAMER_DONE, "load");
  expect(step(resumed, 2) == expected, "the same bits");
}

// A large broadcast whose time is over in the middle, or before it begins.
void broadcast_in_no_time(long limit_us) {
  std::vector<char> data(100'000'000, static_cast<char>(rank));
  expect(gossamer_broadcast(session, data.data(), 10'000, 0, 0) == GOSSAMER_DONE, "a first one");
  const auto before = steady_clock::now();
  const gossamer_status status = gossamer_broadcast(session, data.data(), data.size(), 0, limit_us * 1000);
  const long took = passed_ms(before);
  expect(status == GOSSAMER_DEADLINE, "no time is not enough");
  expect(took < limit_us / 1000 + 1000, "it ends in its time");
  std::fill(data.begin(), data.end(), static_cast<char>(rank + 5));
  if (gossamer_broadcast(session, data.data(), 1'000'000, 0, 0) != GOSSAMER_DONE) fail("the next broadcast");
  expect(data[0] == 5 && data[999'999] == 5, "the bytes");
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const std::string mode = argc > 1 ? argv[1] : "";
  const long number = argc > 2 ? std::atol(argv[2]) : 0;
  if (gossamer_init(nullptr, &session) != GOSSAMER_DONE) fail("init");
  rank = gossamer_rank(session);
  rank_count = gossamer_rank_count(session);
  if (mode == "mistakes") make_mistakes();
  if (mode == "busy") reduce_while_busy();
  if (mode == "memory") run_out_of_memory();
  if (mode == "broadcasts") broadcast_often(number);
  if (mode == "late") finish_late(number);
  if (mode == "early") leave_early(number);
  if (mode == "deadline") broadcast_in_no_time(number);
  if (mode == "abort") abort_while(number == 1);
  if (mode == "descriptor") wait_for_a_descriptor();
  if (mode == "state") save_and_load(argv[2]);
  if (mode == "straggler") wait_for_the_last_rank();
  const auto before = steady_clock::now();
  gossamer_finalize(session);
  std::printf("finalized in %ld ms\n", passed_ms(before));
  std::printf("end\n");
  return 0;
}

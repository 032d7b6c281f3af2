#include "runtime/bootstrap/pmix.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>

#include "runtime/bootstrap/exit_duty.h"
#include "runtime/bootstrap/pmix_abi.h"
#include "transport/shared_library.h"

namespace gossamer::runtime {
namespace {

pmix::Functions functions;

Status open_and_find() {
  GOSSAMER_ASSIGN(
      const auto library,
      transport::SharedLibrary::open("libpmix.so.2",
                                     "install PMIx (Debian: libpmix2) or name its folder in LD_LIBRARY_PATH; or begin "
                                     "with gossamer_mpi.h, which needs none, or set GOSSAMER_RANK, "
                                     "GOSSAMER_RANK_COUNT and GOSSAMER_RENDEZVOUS"));
#define GOSSAMER_PMIX_FIND(member, function, ...) GOSSAMER_TRY(library.find(functions.member, #function));
  GOSSAMER_PMIX_FUNCTIONS(GOSSAMER_PMIX_FIND)
#undef GOSSAMER_PMIX_FIND
  return {};
}

// A call that never came back keeps the lock of PMIx: the next one would wait as well.
std::atomic<bool> is_stuck{false};

// Runs `body` in a thread of its own, at most `timeout_ns`.
template <typename T>
Result<T> in_time(std::uint64_t timeout_ns, const char* what, std::function<Result<T>()> body) {
  if (is_stuck)
    return Error{Code::unavailable,
                 "the PMIx server did not answer an earlier call of this process: the launcher is "
                 "gone, or stopped"};
  struct State {
    std::mutex mutex;
    std::condition_variable ended;
    std::optional<Result<T>> result;
  };
  const auto state = std::make_shared<State>();
  GOSSAMER_ASSIGN(auto thread, make_thread("PMIx", [state, body = std::move(body)] {
                    Result<T> result = body();
                    const std::lock_guard lock(state->mutex);
                    state->result.emplace(std::move(result));
                    state->ended.notify_all();
                  }));
  std::unique_lock lock(state->mutex);
  if (state->ended.wait_for(lock, std::chrono::nanoseconds(timeout_ns), [&] { return state->result.has_value(); })) {
    lock.unlock();
    thread.join();
    return std::move(*state->result);
  }
  thread.detach();
  is_stuck = true;
  return Error{Code::deadline,
               text("PMIx: ", what, " took more than ", format_duration(timeout_ns),
                    "; has each rank of the job called gossamer_init, and is the launcher still there? What is stuck "
                    "in PMIx stays so: end this process")};
}

Error pmix_error(const char* call, pmix::Status status) {
  return Error{Code::unavailable,
               text("PMIx: ", call, " says ", functions.error_string(status), " (", status,
                    "); is the launcher that PMIX_NAMESPACE is of still there? GOSSAMER_RANK, GOSSAMER_RANK_COUNT and "
                    "GOSSAMER_RENDEZVOUS do without it")};
}

void finalize_pmix() {
  if (!is_stuck) functions.finalize(nullptr, 0);  // OpenPMIx waits 2 s at most
}

// Once for the process: see pmix.h.
Result<pmix::Process> initialise() {
  static std::mutex mutex;
  static std::optional<pmix::Process> self;
  const std::lock_guard lock(mutex);
  if (self) return *self;
  pmix::Process process{};
  if (const auto status = functions.init(&process, nullptr, 0); status != pmix::success)
    return pmix_error("PMIx_Init", status);
  if (!owe_at_exit<finalize_pmix>()) {
    functions.finalize(nullptr, 0);
    return Error{Code::out_of_resources, "no room for a handler at exit, and PMIx needs one"};
  }
  self = process;
  return process;
}

// A copy of the value; what PMIx allocated is freed.
Result<std::uint32_t> number_of_job(const pmix::Process& self, const char* key) {
  pmix::Process all = self;
  all.rank = pmix::rank_wildcard;
  pmix::Value* value = nullptr;
  if (const auto status = functions.get(&all, key, nullptr, 0, &value); status != pmix::success || value == nullptr)
    return pmix_error(key, status);
  const std::uint32_t number = value->type == pmix::type_uint32 ? value->data.uint32 : 0;
  std::free(value);
  return number;
}

Result<std::string> words_of_rank_0(const pmix::Process& self, const std::string& key) {
  pmix::Process rank_0 = self;
  rank_0.rank = 0;
  pmix::Value* value = nullptr;
  if (const auto status = functions.get(&rank_0, key.c_str(), nullptr, 0, &value);
      status != pmix::success || value == nullptr)
    return pmix_error("PMIx_Get", status);
  std::string words;
  if (value->type == pmix::type_string && value->data.string != nullptr) {
    words = value->data.string;
    std::free(value->data.string);
  }
  std::free(value);
  return words;
}

Result<std::string> exchange(const pmix::Process& self, const std::string& key, const std::string& words) {
  if (self.rank == 0) {
    pmix::Value value{};
    value.type = pmix::type_string;
    std::string copy = words;
    value.data.string = copy.data();
    if (const auto status = functions.put(pmix::scope_global, key.c_str(), &value); status != pmix::success)
      return pmix_error("PMIx_Put", status);
    if (const auto status = functions.commit(); status != pmix::success) return pmix_error("PMIx_Commit", status);
  }
  pmix::Process all = self;
  all.rank = pmix::rank_wildcard;
  pmix::Info collect{};
  std::strcpy(collect.key, "pmix.collect");
  collect.value.type = pmix::type_bool;
  collect.value.data.flag = true;
  if (const auto status = functions.fence(&all, 1, &collect, 1); status != pmix::success)
    return pmix_error("PMIx_Fence", status);
  if (self.rank == 0) return words;
  return words_of_rank_0(self, key);
}

struct Job {
  pmix::Process self;
  std::uint32_t rank_count = 0;
  std::uint32_t local_count = 0;
};

class PmixBootstrap final : public Bootstrap {
 public:
  explicit PmixBootstrap(const Job& job) : job_(job) {}
  std::string name() const override {
    // "OpenPMIx 4.2.2rc2 (PMIx Standard: 4.2, Stable ABI: 0.0, Provisional ABI: 0.0)"
    const std::string_view version = functions.version();
    return std::string(version.substr(0, std::min(version.find(" ("), version.find(','))));
  }
  Rank rank() const override { return Rank{job_.self.rank}; }
  std::uint32_t rank_count() const override { return job_.rank_count; }
  std::string job() const override { return job_.self.nspace; }
  bool is_one_host() const override { return job_.local_count == job_.rank_count; }

  Result<std::string> broadcast(std::string_view words, std::uint64_t timeout_ns) override {
    static std::atomic<std::uint64_t> sessions{0};  // the same on all ranks, which join in one order
    const std::string key = text("gossamer.", sessions++);
    return in_time<std::string>(
        timeout_ns, "the exchange with the other ranks",
        [self = job_.self, key, words = std::string(words)] { return exchange(self, key, words); });
  }

 private:
  const Job job_;
};

}  // namespace

std::optional<std::string> pmix_signs() {
  if (launch_variable("PMIX_NAMESPACE").empty() || !launch_number("PMIX_RANK")) return std::nullopt;
  return "PMIX_NAMESPACE and PMIX_RANK are set";
}

std::optional<LaunchedPlace> pmix_place() {
  const auto place = place_of("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE");
  return place && launch_number("PMIX_RANK") == place->rank ? place : std::nullopt;
}

Result<std::unique_ptr<Bootstrap>> make_pmix_bootstrap(const BootstrapRequest& request) {
  static transport::OnceLoaded library(open_and_find);
  GOSSAMER_TRY(library.load());
  GOSSAMER_ASSIGN(const auto job, in_time<Job>(request.timeout_ns, "PMIx_Init", []() -> Result<Job> {
                    Job job;
                    GOSSAMER_ASSIGN(job.self, initialise());
                    GOSSAMER_ASSIGN(job.rank_count, number_of_job(job.self, "pmix.job.size"));
                    const auto local = number_of_job(job.self, "pmix.local.size");
                    job.local_count = local.ok() ? *local : 0;
                    return job;
                  }));
  return std::unique_ptr<Bootstrap>(std::make_unique<PmixBootstrap>(job));
}

}  // namespace gossamer::runtime

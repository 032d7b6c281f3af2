// What GOSSAMER_TRACE writes: that it is a trace, and that it says what happened.
#include "runtime/engine/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <fstream>
#include <map>
#include <thread>

#include "runtime/control/mesh.h"
#include "runtime/runtime.h"
#include "runtime/session/clock_offset.h"
#include "temporary_folder.h"
#include "tools/trace/merge_traces.h"

namespace gossamer::tools {
namespace {

using runtime::Trace;
using ::testing::HasSubstr;

// An address of this process's own, so that tests that run side by side do not meet.
std::string own_rendezvous(std::uint32_t number) {
  const auto pid = static_cast<std::uint32_t>(::getpid());
  return text("127.", 1 + pid / 62'500 % 250, ".", pid / 250 % 250, ".", 1 + pid % 250, ":", 20'300 + number);
}

struct Slice {
  std::string kind, plan;
  std::uint64_t rank = 0, step = 0;
  std::int64_t begin_ns = 0, end_ns = 0;
  [[nodiscard]] bool is_in(const Slice& outer) const { return begin_ns >= outer.begin_ns && end_ns <= outer.end_ns; }
  [[nodiscard]] bool overlaps(const Slice& other) const { return begin_ns < other.end_ns && other.begin_ns < end_ns; }
};

std::int64_t nanoseconds(const nlohmann::json& microseconds) {
  return std::llround(microseconds.get<double>() * 1000.0);
}

std::vector<Slice> slices_of(const nlohmann::json& trace) {
  std::vector<Slice> slices;
  for (const nlohmann::json& event : trace.at("traceEvents")) {
    if (event.at("ph") != "X") continue;
    const std::int64_t begin_ns = nanoseconds(event.at("ts"));
    slices.push_back({event.at("cat"), event.at("args").at("plan"), event.at("pid"), event.at("args").at("step"),
                      begin_ns, begin_ns + nanoseconds(event.at("dur"))});
  }
  return slices;
}

constexpr std::array<const char*, 2> plan_names = {"first", "second"};
constexpr std::uint64_t steps = 5;

struct Totals {
  std::uint64_t exchange_ns = 0;
  std::uint64_t compute_ns = 0;
};
using PlanTotals = std::array<Totals, plan_names.size()>;

// How many steps rank 0 has started; all, where it gives up.
struct Started {
  std::atomic<std::uint64_t> steps{0};
  void until(std::uint64_t step) {
    for (std::uint64_t seen = steps; seen <= step; seen = steps) steps.wait(seen);
  }
  void say(std::uint64_t count) {
    steps = count;
    steps.notify_all();
  }
};

// One of two ranks: two plans, started together in each step. Rank 1 starts after rank 0, whose operations cannot end
// before.
Status run_rank(std::uint32_t rank, const std::string& trace, const std::string& rendezvous, PlanTotals& totals,
                Started& started) {
  struct GiveUp {
    Started* started;
    ~GiveUp() {
      if (started != nullptr) started->say(steps);
    }
  } give_up{rank == 0 ? &started : nullptr};
  auto session = runtime::Session::join({{"rank", text(rank)},
                                         {"rank_count", "2"},
                                         {"rendezvous", rendezvous},
                                         {"job", text("trace-", ::getpid())},
                                         {"progress", "inline"},
                                         {"transport", "ucx"},
                                         {"trace", trace}});
  GOSSAMER_TRY(session);
  std::array<runtime::Compressor*, plan_names.size()> plans{};
  for (std::size_t i = 0; i < plans.size(); ++i) {
    runtime::CompressorConfig config;
    config.name = plan_names[i];
    config.algorithm = runtime::AlgorithmKind::dense;
    config.tensors = {{"weights", 20'000, false}};
    config.schedule = topology::ScheduleKind::butterfly;  // by messages, in rounds: not through shared memory
    GOSSAMER_ASSIGN(plans[i], (*session)->make_compressor(config));
  }
  const std::vector<float> gradient(20'000, 1.0f);
  const float* const pointers[] = {gradient.data()};
  for (std::uint64_t step = 0; step < steps; ++step) {
    if (rank == 1) started.until(step);
    for (runtime::Compressor* const plan : plans) {
      GOSSAMER_TRY(plan->compress(pointers));
      GOSSAMER_TRY(plan->reduce());
    }
    if (rank == 0) started.say(step + 1);
    for (std::size_t i = 0; i < plans.size(); ++i) {
      GOSSAMER_TRY(plans[i]->wait(20'000'000'000));
      totals[i].exchange_ns += plans[i]->stats().exchange_ns;
      totals[i].compute_ns += plans[i]->stats().compute_ns;
    }
  }
  return {};
}

// Goal: a trace shows operations of different plans beside each other, and both ranks' at the same time; what happens
// in an operation is inside of it; and it says what the statistics say, to the nanosecond. Method: two ranks as threads
// over UCX, each with two plans that it starts together; their files are merged.
TEST(TraceFile, ShowsWhatOverlapsAndAgreesWithTheStatistics) {
  const TemporaryFolder folder;
  std::array<PlanTotals, 2> totals{};
  Started started;
  std::array<std::string, 2> troubles;
  {
    std::vector<std::jthread> ranks;
    for (std::uint32_t r = 0; r < 2; ++r)
      ranks.emplace_back([&, r] {
        const Status status = run_rank(r, folder / "trace.%r.json", own_rendezvous(0), totals[r], started);
        if (!status.ok()) troubles[r] = status.error().message;
      });
  }
  ASSERT_EQ(troubles[0] + troubles[1], "");
  const auto merged = merge_traces({folder / "trace.0.json", folder / "trace.1.json"});
  ASSERT_TRUE(merged.ok()) << merged.error().message;
  for (const nlohmann::json& about : merged->at("otherData").at("ranks")) {
    EXPECT_EQ(about.at("rank_count"), 2);
    EXPECT_EQ(about.at("dropped"), 0);
    EXPECT_EQ(about.at("clock_offset_ns"), 0);  // one host
  }
  const std::vector<Slice> slices = slices_of(*merged);
  std::map<std::tuple<std::uint64_t, std::string, std::uint64_t>, Slice> operations;
  for (const Slice& slice : slices)
    if (slice.kind == "operation") operations[{slice.rank, slice.plan, slice.step}] = slice;
  ASSERT_EQ(operations.size(), 2 * plan_names.size() * steps);
  std::array<PlanTotals, 2> traced{};
  std::map<std::string, int> counts;
  for (const Slice& slice : slices) {
    ++counts[slice.kind];
    const Slice& operation = operations.at({slice.rank, slice.plan, slice.step});
    EXPECT_TRUE(slice.is_in(operation)) << slice.kind << " of " << slice.plan << " step " << slice.step;
    const auto length_ns = static_cast<std::uint64_t>(slice.end_ns - slice.begin_ns);
    Totals& sums = traced[slice.rank][slice.plan == plan_names[0] ? 0 : 1];
    if (slice.kind == "operation") sums.exchange_ns += length_ns;
    if (slice.kind == "merge" || slice.kind == "prepare") sums.compute_ns += length_ns;
    // In a track, a slice is inside of another or apart from it.
    for (const Slice& other : slices)
      if (other.rank == slice.rank && other.plan == slice.plan && other.overlaps(slice)) {
        EXPECT_TRUE(other.is_in(slice) || slice.is_in(other)) << slice.kind << " and " << other.kind;
      }
  }
  for (const char* const kind : {"round", "wait", "merge", "prepare"}) EXPECT_GT(counts[kind], 0) << kind;
  for (std::uint32_t r = 0; r < 2; ++r)
    for (std::size_t i = 0; i < plan_names.size(); ++i) {
      EXPECT_EQ(traced[r][i].exchange_ns, totals[r][i].exchange_ns) << "rank " << r << ", " << plan_names[i];
      EXPECT_EQ(traced[r][i].compute_ns, totals[r][i].compute_ns) << "rank " << r << ", " << plan_names[i];
    }
  for (std::uint64_t step = 1; step <= steps; ++step) {
    EXPECT_TRUE(operations.at({0, "first", step}).overlaps(operations.at({0, "second", step}))) << "step " << step;
    EXPECT_TRUE(operations.at({0, "first", step}).overlaps(operations.at({1, "first", step}))) << "step " << step;
  }
}

// Goal: ranks that disagree on whether there is a trace are told so when they join. Method: one of two has the setting.
TEST(TraceFile, IsWrittenByAllRanksOrByNone) {
  const TemporaryFolder folder;
  std::array<Status, 2> statuses;
  Started started;
  {
    std::vector<std::jthread> ranks;
    for (std::uint32_t r = 0; r < 2; ++r)
      ranks.emplace_back([&, r] {
        PlanTotals totals;
        statuses[r] = run_rank(r, r == 0 ? folder / "trace" : "", own_rendezvous(1), totals, started);
      });
  }
  for (const Status& status : statuses) {
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::mismatch);
    EXPECT_THAT(status.error().message, HasSubstr("trace: rank 0 has on, rank 1 has off"));
  }
}

// Goal: of too many events the oldest are dropped and counted; an operation without an end is there, marked; and names
// are quoted. Method: more operations than there is room for, then one that is only begun.
TEST(TraceFile, CountsWhatItDropsAndMarksWhatHasNoEnd) {
  const TemporaryFolder folder;
  Trace trace({.path = folder / "trace", .rank = Rank{3}, .rank_count = 4, .host = "here", .offset_ns = 2'000});
  const std::uint32_t track = trace.add_track("a \"plan\"", {"sum"});
  constexpr std::uint32_t extra = 10;
  for (std::uint32_t i = 1; i <= Trace::events_max + extra; ++i) {
    trace.started(track, i, 1'000 * i);
    trace.ended(track, 1'000 * i + 1);
  }
  constexpr std::uint64_t last_ns = 1'000 * (Trace::events_max + extra + 1);
  trace.started(track, Trace::events_max + extra + 1, last_ns);
  ASSERT_TRUE(trace.write(last_ns + 500).ok());
  const auto document = nlohmann::json::parse(std::ifstream(folder / "trace"));
  EXPECT_EQ(document.at("otherData").at("dropped"), extra);
  EXPECT_EQ(document.at("otherData").at("events"), Trace::events_max);
  const nlohmann::json& last = document.at("traceEvents").back();
  EXPECT_EQ(last.at("args").at("unfinished"), true);
  EXPECT_EQ(last.at("args").at("plan"), "a \"plan\"");
  EXPECT_EQ(nanoseconds(last.at("ts")), static_cast<std::int64_t>(last_ns) + 2'000);
  EXPECT_EQ(nanoseconds(last.at("dur")), 500);
  EXPECT_EQ(slices_of(document).front().step, extra + 1);
}

// Goal: a file is named after its rank, and what cannot be written says what to mend. Method: patterns, and a folder
// that is not there.
TEST(TraceFile, IsNamedAfterItsRank) {
  EXPECT_EQ(path_of_rank("/tmp/t.%r.json", Rank{2}, 4), "/tmp/t.2.json");
  EXPECT_EQ(path_of_rank("t.json", Rank{2}, 4), "t.json.2");
  EXPECT_EQ(path_of_rank("t.json", Rank{0}, 1), "t.json");
  const Status written = Trace({.path = "/nowhere/t", .host = ""}).write(0);
  ASSERT_FALSE(written.ok());
  EXPECT_THAT(written.error().message, HasSubstr("/nowhere/t (cannot write /nowhere/t: No such file or directory)"));
}

// Goal: what is no trace, or does not belong together, is refused. Method: files that are made so.
TEST(TraceFile, MergesOnlyWhatBelongsTogether) {
  const TemporaryFolder folder;
  const auto write = [&](const std::string& name, std::uint32_t rank, std::uint32_t rank_count) {
    EXPECT_TRUE(Trace({.path = folder / name, .rank = Rank{rank}, .rank_count = rank_count, .host = ""}).write(0).ok());
  };
  write("0", 0, 2);
  write("again", 0, 2);
  write("other", 1, 3);
  std::ofstream(folder / "text") << "{\"traceEvents\": []}";
  const auto why = [&](const std::string& name) {
    const auto merged = merge_traces({folder / "0", folder / name});
    return merged.ok() ? "" : merged.error().message;
  };
  EXPECT_THAT(why("again"), HasSubstr("are both of rank 0"));
  EXPECT_THAT(why("other"), HasSubstr("is of a session of 3 ranks"));
  EXPECT_THAT(why("text"), HasSubstr("is no trace of one rank"));
  EXPECT_THAT(why("missing"), HasSubstr("cannot read"));
}

// Ahead of the machine's clock.
class ShiftedClock final : public Clock {
 public:
  explicit ShiftedClock(std::uint64_t ahead_ns) : ahead_ns_(ahead_ns) {}
  [[nodiscard]] std::uint64_t now_ns() const override { return clock_.now_ns() + ahead_ns_; }

 private:
  const std::uint64_t ahead_ns_;
  SteadyClock clock_;
};

// Goal: the offset of rank 0's clock is found within what is said of its uncertainty. Method: two ranks over a real
// control plane, one with a clock that is five seconds ahead.
TEST(ClockOffsets, AreFoundWithinTheirUncertainty) {
  constexpr std::uint64_t ahead_ns = 5'000'000'000;
  std::array<Result<runtime::ClockOffset>, 2> found = {Error{}, Error{}};
  {
    std::vector<std::jthread> ranks;
    for (std::uint32_t r = 0; r < 2; ++r)
      ranks.emplace_back([&, r]() {
        runtime::MeshOptions options;
        options.rank = Rank{r};
        options.rank_count = 2;
        options.rendezvous = own_rendezvous(2);
        options.job = text("clocks-", ::getpid());
        auto control = runtime::make_control_mesh(options, {});
        if (!control.ok()) return;
        const ShiftedClock clock(r == 1 ? ahead_ns : 0);
        found[r] = runtime::measure_clock_offset(**control, clock, Rank{r}, 20'000'000'000);
        (*control)->leave();
      });
  }
  ASSERT_TRUE(found[0].ok() && found[1].ok()) << found[0].ok() << found[1].ok();
  EXPECT_EQ(found[0]->offset_ns, 0);
  EXPECT_LE(std::abs(found[1]->offset_ns + static_cast<std::int64_t>(ahead_ns)),
            static_cast<std::int64_t>(found[1]->uncertainty_ns));
  EXPECT_LT(found[1]->uncertainty_ns, 1'000'000'000u);
}

// Goal: bounds of both directions leave what fits to all of them. Method: ways of different lengths, an offset of 100.
TEST(ClockOffsets, LieBetweenTheClosestBounds) {
  runtime::OffsetBounds bounds;
  bounds.rank_0_said(1'100, 1'030);   // 30 on the way
  bounds.rank_0_heard(2'000, 2'150);  // 50
  bounds.rank_0_said(3'100, 3'010);   // 10
  bounds.rank_0_heard(4'000, 4'120);  // 20
  const runtime::ClockOffset offset = bounds.offset();
  EXPECT_EQ(offset.offset_ns, 105);  // between 90 and 120
  EXPECT_EQ(offset.uncertainty_ns, 15u);
}

}  // namespace
}  // namespace gossamer::tools

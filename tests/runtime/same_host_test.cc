// Ranks of one host: what the copies and merges through their areas give, whoever is faster, and when one dies.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "runtime/engine/buffer.h"
#include "runtime/same_host/host_run.h"

namespace gossamer::runtime {
namespace {

using topology::Collective;

constexpr Collective collectives[] = {Collective::all_reduce, Collective::all_gather, Collective::broadcast,
                                      Collective::reduce_scatter, Collective::reduce};

// Tells another order of merging, and a contribution that is missing or doubled.
constexpr std::uint32_t merged(std::uint32_t a, std::uint32_t b) { return a * 31 + b; }

void merge_words(const void* /*context*/, std::byte* into, const std::byte* a, const std::byte* b,
                 std::uint64_t /*offset*/, std::uint64_t bytes) {
  for (std::uint64_t at = 0; at < bytes; at += sizeof(std::uint32_t)) {
    std::uint32_t of_a = 0;
    std::uint32_t of_b = 0;
    std::memcpy(&of_a, a + at, sizeof of_a);
    std::memcpy(&of_b, b + at, sizeof of_b);
    of_a = merged(of_a, of_b);
    std::memcpy(into + at, &of_a, sizeof of_a);
  }
}

// What rank `rank` has in word `word` of operation `operation`.
std::uint32_t word_of(std::uint32_t rank, std::uint64_t operation, std::uint64_t word) {
  return static_cast<std::uint32_t>(mix64(operation << 40 ^ word << 8 ^ rank));
}

struct Case {
  Collective collective = Collective::all_reduce;
  std::uint32_t ranks = 1;
  Rank root;
  std::uint64_t bytes_max = 0;
  [[nodiscard]] std::string in_words() const {
    return text(topology::collective_name(collective), " over ", ranks, " ranks, root ", root.value, ", at most ",
                bytes_max, " B");
  }
};

// One rank with its buffers; the run itself is given the areas of all.
class Member {
 public:
  Member(const Case& about, std::uint32_t rank, const HostLayout& layout, std::byte* own,
         const std::vector<const std::byte*>& areas)
      : about_(about), rank_(rank), input_(about.bytes_max / 4 + 32), output_(about.bytes_max / 4 + 32) {
    auto run = HostRun::make({Rank{rank}, layout, own, areas});
    EXPECT_TRUE(run.ok());
    run_ = std::make_unique<HostRun>(*std::move(run));
  }

  [[nodiscard]] HostRun& run() { return *run_; }

  void begin(std::uint64_t operation, std::uint64_t bytes, bool is_in_place) {
    operation_ = operation;
    words_ = bytes / 4;
    for (std::uint64_t word = 0; word < words_; ++word) input_[word] = word_of(rank_, operation, word);
    std::fill(output_.begin(), output_.end(), guard);
    std::fill(input_.begin() + static_cast<std::ptrdiff_t>(words_), input_.end(), guard);
    const bool has_own = about_.collective == Collective::all_gather || about_.collective == Collective::broadcast;
    if (has_own) std::copy_n(input_.begin(), words_, output_.begin());
    result_ = is_in_place ? &input_ : &output_;
    run_->begin({reinterpret_cast<const std::byte*>(input_.data()),
                 reinterpret_cast<std::byte*>(result_->data()),
                 bytes,
                 operation + 1,
                 {merge_words, nullptr}});
  }

  // The first word that is not as it should be, or success.
  [[nodiscard]] Status check() const {
    const std::uint32_t slices =
        topology::host_slice_count({about_.collective, topology::HostForm::sliced, about_.ranks, about_.root});
    std::uint32_t slice = 0;
    for (std::uint64_t word = 0; word < words_; ++word) {
      while (word * 4 >= topology::slice_begin(words_ * 4, slice + 1, slices)) ++slice;
      if (about_.collective == Collective::reduce_scatter && slice != rank_) continue;
      if (about_.collective == Collective::reduce && about_.root.value != rank_) continue;
      if (const std::uint32_t wanted = expected(word, slice); (*result_)[word] != wanted)
        return Error{Code::malformed, text("rank ", rank_, ", operation ", operation_, " of ", words_, " words, word ",
                                           word, " is ", (*result_)[word], ", not ", wanted)};
    }
    for (std::uint64_t word = words_; word < result_->size(); ++word)
      if ((*result_)[word] != guard) return Error{Code::malformed, text("word ", word, " beyond the end is written")};
    return {};
  }

 private:
  static constexpr std::uint32_t guard = 0xdeadbeef;

  [[nodiscard]] std::uint32_t expected(std::uint64_t word, std::uint32_t slice) const {
    if (about_.collective == Collective::broadcast) return word_of(about_.root.value, operation_, word);
    if (about_.collective == Collective::all_gather) return word_of(slice, operation_, word);
    std::uint32_t sum = word_of(0, operation_, word);
    for (std::uint32_t rank = 1; rank < about_.ranks; ++rank) sum = merged(sum, word_of(rank, operation_, word));
    return sum;
  }

  const Case about_;
  const std::uint32_t rank_;
  std::vector<std::uint32_t> input_;
  std::vector<std::uint32_t> output_;
  std::vector<std::uint32_t>* result_ = nullptr;
  std::unique_ptr<HostRun> run_;
  std::uint64_t operation_ = 0;
  std::uint64_t words_ = 0;
};

// All ranks of a host, in one process.
struct Host {
  explicit Host(const Case& about)
      : layout(HostLayout::make(about.collective, about.ranks, about.root, about.bytes_max)) {
    std::vector<const std::byte*> seen;
    for (std::uint32_t rank = 0; rank < about.ranks; ++rank) {
      areas.push_back(*Buffer::make(layout.area_bytes()));
      seen.push_back(areas.back().data());
    }
    for (std::uint32_t rank = 0; rank < about.ranks; ++rank)
      members.push_back(std::make_unique<Member>(about, rank, layout, areas[rank].data(), seen));
  }
  HostLayout layout;
  std::vector<Buffer> areas;
  std::vector<std::unique_ptr<Member>> members;
};

// Sizes on both sides of what changes: nothing, a word, lines, slices, pieces and passes.
std::uint64_t draw_bytes(Random& random, std::uint64_t bytes_max) {
  switch (random.below(6)) {
    case 0:
      return 0;
    case 1:
      return std::min<std::uint64_t>(bytes_max, 4 * (1 + random.below(40)));
    case 2:
      return bytes_max;
    default:
      return random.below(bytes_max / 4 + 1) * 4;
  }
}

std::vector<Case> every_case(std::uint32_t ranks, std::initializer_list<std::uint64_t> sizes) {
  std::vector<Case> cases;
  for (const Collective collective : collectives)
    for (const std::uint64_t bytes_max : sizes) {
      cases.push_back({collective, ranks, Rank{0}, bytes_max});
      if (topology::has_root(collective) && ranks > 1) cases.push_back({collective, ranks, Rank{ranks - 1}, bytes_max});
    }
  return cases;
}

// Goal: right results however the ranks' speeds mix, in place and not, also where one rank is operations ahead of
// another. Method: one thread that moves on a rank drawn at random, with one rank favoured for a while; merges that
// tell their order.
TEST(SameHost, GivesTheResultWhoeverIsFaster) {
  for (const std::uint32_t ranks : {1u, 2u, 3u, 4u, 6u, 8u})
    for (const Case& about : every_case(ranks, {8, 48, 500, 40'000, 300'000})) {
      SCOPED_TRACE(about.in_words());
      Host host(about);
      Random random(ranks * 1'000'003 + about.bytes_max);
      const std::uint64_t operations = about.bytes_max > 2048 ? 6 : 40;
      std::vector<std::uint64_t> bytes;
      for (std::uint64_t i = 0; i < operations; ++i) bytes.push_back(draw_bytes(random, about.bytes_max));
      std::vector<std::uint64_t> begun(ranks, 0);
      std::uint32_t favoured = 0;
      std::uint32_t finished = 0;
      for (std::uint64_t turn = 0; finished < ranks; ++turn) {
        ASSERT_LT(turn, 1'000'000u) << "nothing moves";
        if (random.below(50) == 0) favoured = static_cast<std::uint32_t>(random.below(ranks));
        const auto rank = random.below(3) == 0 ? static_cast<std::uint32_t>(random.below(ranks)) : favoured;
        Member& member = *host.members[rank];
        if (begun[rank] > operations || !member.run().progress()) continue;
        if (begun[rank] > 0) {
          const Status status = member.check();
          ASSERT_TRUE(status.ok()) << status.error().message;
        }
        if (begun[rank] < operations) member.begin(begun[rank], bytes[begun[rank]], (begun[rank] + rank) % 2 == 0);
        finished += ++begun[rank] > operations ? 1u : 0u;
      }
    }
}

// Goal: the same with ranks that run at once, wait in each way there is, and share memory as processes do; a race is
// found by the thread sanitizer. Method: a thread for each rank, delays drawn at random.
TEST(SameHost, GivesTheResultWithRanksAtOnce) {
  for (const std::uint32_t ranks : {2u, 3u, 4u, 8u})
    for (const Case& about : every_case(ranks, {40, 500, 200'000})) {
      SCOPED_TRACE(about.in_words());
      Host host(about);
      const auto act = [&](std::uint32_t rank) {
        Random sizes(about.bytes_max);
        Random random(rank);
        Member& member = *host.members[rank];
        for (std::uint64_t operation = 0; operation < (about.bytes_max > 2048 ? 8u : 60u); ++operation) {
          member.begin(operation, draw_bytes(sizes, about.bytes_max), operation % 2 == 0);
          const std::uint64_t way = random.below(4);
          for (std::uint64_t idle = 0; !member.run().progress(); ++idle) {
            if (way == 0 || (way == 1 && idle > 20)) member.run().sleep(1'000'000'000);
            if (way == 2 || idle > 100) std::this_thread::yield();
          }
          const Status status = member.check();
          ASSERT_TRUE(status.ok()) << status.error().message;
        }
      };
      std::vector<std::thread> threads;
      for (std::uint32_t rank = 0; rank < ranks; ++rank) threads.emplace_back(act, rank);
      for (std::thread& thread : threads) thread.join();
    }
}

// Goal: one who sleeps is woken, at once and by the one it waits for. Method: a rank that only sleeps, with a limit far
// beyond the test's; the other publishes after it has been seen to sleep.
TEST(SameHost, WakesWhoSleeps) {
  const Case about{Collective::all_reduce, 2, Rank{0}, 8};
  Host host(about);
  for (std::uint64_t operation = 0; operation < 50; ++operation) {
    std::thread sleeper([&] {
      host.members[0]->begin(operation, 8, true);
      while (!host.members[0]->run().progress()) host.members[0]->run().sleep(60'000'000'000);
    });
    auto& asleep = *reinterpret_cast<HostFlag*>(host.areas[0].data() + HostLayout::asleep_at);
    while (asleep.load() == 0) std::this_thread::yield();
    EXPECT_EQ(asleep.load(), 2u);  // for rank 1, counted from 1
    host.members[1]->begin(operation, 8, true);
    while (!host.members[1]->run().progress()) std::this_thread::yield();
    sleeper.join();
    EXPECT_TRUE(host.members[0]->check().ok());
  }
}

// Goal: a rank says whom it waits for, and not once it is done or torn. Method: one step of each of two ranks.
TEST(SameHost, NamesWhomItWaitsFor) {
  Host host({Collective::all_reduce, 2, Rank{0}, 8});
  EXPECT_FALSE(host.members[0]->run().waits_for());
  host.members[0]->begin(0, 8, true);
  EXPECT_FALSE(host.members[0]->run().progress());
  EXPECT_EQ(host.members[0]->run().waits_for(), std::optional(Rank{1}));
  host.members[1]->begin(0, 8, true);
  EXPECT_TRUE(host.members[1]->run().progress());
  EXPECT_TRUE(host.members[0]->run().progress());
  EXPECT_FALSE(host.members[0]->run().waits_for());
  host.members[0]->begin(1, 8, true);
  EXPECT_FALSE(host.members[0]->run().progress());
  host.members[0]->run().give_up();
  EXPECT_TRUE(host.members[0]->run().is_torn());
  EXPECT_FALSE(host.members[0]->run().waits_for());
}

// Goal: a rank that has left out an operation, by an error of its own, gives nobody wrong numbers. Method: one of two
// begins the second operation, the other the third, in every collective and size.
TEST(SameHost, FindsARankThatIsInAnotherOperation) {
  for (const std::uint64_t bytes : {8u, 100'000u})
    for (const Collective collective : collectives) {
      const Case about{collective, 2, Rank{0}, bytes};
      SCOPED_TRACE(about.in_words());
      Host host(about);
      const auto go_on = [&](std::size_t rank) { return host.members[rank]->run().progress(); };
      for (std::uint32_t rank : {0u, 1u}) host.members[rank]->begin(0, bytes, true);
      for (std::size_t turn = 0; turn < 10; ++turn) go_on(turn % 2);
      ASSERT_TRUE(go_on(0) && go_on(1));
      host.members[0]->begin(1, bytes, true);
      host.members[1]->begin(2, bytes, true);
      for (std::size_t turn = 0; turn < 10; ++turn) go_on(turn % 2);
      // Who only gives does not look.
      const bool is_one_way = topology::has_root(collective) && bytes == 8;
      const bool is_broadcast = collective == Collective::broadcast;
      if (!is_broadcast) {
        EXPECT_EQ(host.members[0]->run().strayed(), std::optional(Rank{1}));
      }
      if (is_broadcast || !is_one_way) {
        EXPECT_EQ(host.members[1]->run().strayed(), std::optional(Rank{0}));
      }
    }
}

// Memory that forked processes share.
class SharedMemory {
 public:
  explicit SharedMemory(std::size_t bytes)
      : bytes_(bytes),
        data_(static_cast<std::byte*>(
            ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  ~SharedMemory() { ::munmap(data_, bytes_); }
  [[nodiscard]] std::byte* at(std::size_t offset) const { return data_ + offset; }

 private:
  std::size_t bytes_;
  std::byte* data_;
};

// Goal: a rank that is killed anywhere leaves the others free to go on with whatever they do next, with no wait in here
// that does not end and no fault. Method: processes that run operations one after the other; one is killed after a
// while drawn at random; the others are told, as the control plane would, give up and end by themselves.
TEST(SameHost, LetsGoWhenARankIsKilled) {
  for (std::uint32_t trial = 0; trial < 40; ++trial) {
    Random random(trial);
    const std::uint32_t ranks = 2 + trial % 3;
    const Case about{trial % 2 == 0 ? Collective::all_reduce : collectives[random.below(5)], ranks, Rank{0},
                     trial % 4 < 2 ? 64u : 400'000u};
    SCOPED_TRACE(text("trial ", trial, ": ", about.in_words()));
    const HostLayout layout = HostLayout::make(about.collective, ranks, about.root, about.bytes_max);
    const std::size_t area_bytes = (layout.area_bytes() + 4095) / 4096 * 4096;
    const SharedMemory memory(ranks * area_bytes + 4096);
    auto& is_lost = *reinterpret_cast<HostFlag*>(memory.at(ranks * area_bytes));
    std::vector<const std::byte*> areas;
    for (std::uint32_t rank = 0; rank < ranks; ++rank) areas.push_back(memory.at(rank * area_bytes));
    std::vector<pid_t> processes;
    for (std::uint32_t rank = 0; rank < ranks; ++rank) {
      const pid_t process = ::fork();
      ASSERT_GE(process, 0);
      if (process == 0) {
        ::alarm(60);  // a hang ends as a failure
        Member member(about, rank, layout, memory.at(rank * area_bytes), areas);
        for (std::uint64_t operation = 0;; ++operation) {
          member.begin(operation, about.bytes_max, true);
          for (std::uint32_t idle = 0; !member.run().progress(); ++idle) {
            if (is_lost.load() != 0) {
              member.run().give_up();
              ::_exit(0);
            }
            if (idle > 100) member.run().sleep(1'000'000'000);
          }
          if (!member.check().ok()) ::_exit(3);
          if (is_lost.load() != 0) ::_exit(0);
        }
      }
      processes.push_back(process);
    }
    ::usleep(static_cast<useconds_t>(random.below(20'000)));
    const std::size_t victim = random.below(ranks);
    ::kill(processes[victim], SIGKILL);
    int of_victim = 0;
    ASSERT_EQ(::waitpid(processes[victim], &of_victim, 0), processes[victim]);
    is_lost.store(1);
    for (std::size_t i = 0; i < processes.size(); ++i) {
      if (i == victim) continue;
      int status = 0;
      ASSERT_EQ(::waitpid(processes[i], &status, 0), processes[i]);
      EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "rank " << i << ": status " << status;
    }
  }
}

}  // namespace
}  // namespace gossamer::runtime

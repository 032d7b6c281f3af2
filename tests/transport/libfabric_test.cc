// What only the libfabric transport does: providers, delayed starts, its names in shared memory.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <mutex>

#include "cluster.h"
#include "skips.h"
#include "transport/libfabric/domain.h"
#include "transport/libfabric/provider.h"
#include "transport/libfabric/regions.h"
#include "transport/shared_memory.h"

namespace gossamer::transport {
namespace {

class LibfabricTransport : public ::testing::TestWithParam<Backend> {};

std::vector<Backend> libfabric_backends() {
  std::vector<Backend> backends = all_backends();
  std::erase_if(backends, [](const Backend& each) { return each.transport != "libfabric"; });
  return backends;
}

INSTANTIATE_TEST_SUITE_P(, LibfabricTransport, ::testing::ValuesIn(libfabric_backends()), backend_name);

// What is logged while it lives.
class LogCapture {
 public:
  LogCapture() {
    set_log_sink(LogLevel::info, [this](LogLevel, std::string_view line) {
      const std::lock_guard lock(mutex_);
      lines_ += std::string(line) + "\n";
    });
  }
  ~LogCapture() { set_log_sink(LogLevel::error, {}); }
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;
  [[nodiscard]] std::string lines() {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

 private:
  std::mutex mutex_;
  std::string lines_;
};

// Goal: a provider that cannot serve is refused in words that name it and what would. Method: the deprecated one, one
// that does not exist, and one whose tags are a bit short.
TEST(LibfabricProviders, ThoseThatCannotServeAreRefusedByName) {
  const auto message = [](const char* name) {
    const auto made = make_libfabric_transport({.job = "providers", .provider = name});
    return made.ok() ? "made" : text(code_name(made.error().code), ": ", made.error().message);
  };
  EXPECT_NE(message("sockets").find("deprecated"), std::string::npos) << message("sockets");
  const std::string unknown = message("no-such-provider");
  EXPECT_TRUE(unknown.starts_with("unavailable: ")) << unknown;
  EXPECT_NE(unknown.find("\"no-such-provider\""), std::string::npos) << unknown;
  for (const std::string& usable : libfabric_providers()) EXPECT_NE(unknown.find(usable), std::string::npos) << unknown;
  const std::string narrow = message("net");
  if (narrow.find("no usable provider") != std::string::npos) GTEST_SKIP() << "this libfabric has no provider net";
  EXPECT_NE(narrow.find("matches 63 bits of a tag, 64 are needed"), std::string::npos) << narrow;
}

// Goal: without a name the best provider that reaches other hosts is taken, and why is logged. Method: the log of one
// such choice, compared with the list of what is usable.
TEST(LibfabricProviders, TheBestIsChosenAndItsReasonLogged) {
  LogCapture log;
  const auto made = make_libfabric_transport({.job = "providers"});
  ASSERT_TRUE(made.ok()) << made.error().message;
  const std::vector<std::string> usable = libfabric_providers();
  ASSERT_FALSE(usable.empty());
  EXPECT_NE(usable.front(), "shm");
  EXPECT_EQ((*made)->capabilities().ways, std::vector<std::string>{usable.front()});
  EXPECT_NE(log.lines().find(text("provider ", usable.front(), " is the best")), std::string::npos) << log.lines();
}

// Goal: every provider that is offered may be named, and is then what it is here: made as it is, with the choice in the
// log, or refused with the list of those that are usable. Method: each of them, against that list.
TEST(LibfabricProviders, EachMayBeNamed) {
  const std::vector<std::string> usable = libfabric_providers();
  for (const std::string name : {"cxi", "efa", "opx", "verbs;ofi_rxm", "tcp", "tcp;ofi_rxm", "shm"}) {
    LogCapture log;
    const auto made = make_libfabric_transport({.job = "providers", .provider = name});
    const bool listed = std::find(usable.begin(), usable.end(), name) != usable.end();
    ASSERT_EQ(made.ok(), listed) << name << (made.ok() ? "" : ": " + made.error().message);
    if (listed) {
      EXPECT_EQ((*made)->capabilities().ways, std::vector<std::string>{name});
      EXPECT_NE(log.lines().find(text("provider ", name, " was asked for")), std::string::npos) << log.lines();
      continue;
    }
    EXPECT_EQ(made.error().code, Code::unavailable) << name;
    EXPECT_NE(made.error().message.find(name), std::string::npos) << made.error().message;
    for (const std::string& other : usable) EXPECT_NE(made.error().message.find(other), std::string::npos) << name;
  }
}

// Goal: buffers are registered where the provider asks for it, whoever chooses their keys, and only there. Method: a
// domain of sockets opened with each combination of three modes of registration; several regions at once.
TEST(LibfabricRegions, EveryModeOfRegistrationIsHonoured) {
  constexpr std::array<std::uint64_t, 3> modes = {FI_MR_LOCAL, FI_MR_VIRT_ADDR, FI_MR_PROV_KEY};
  for (unsigned chosen = 0; chosen < 1u << modes.size(); ++chosen) {
    auto provider = libfabric::choose_provider("tcp;ofi_rxm");
    ASSERT_TRUE(provider.ok()) << provider.error().message;
    std::uint64_t granted = 0;
    for (std::size_t i = 0; i < modes.size(); ++i)
      if ((chosen >> i & 1) != 0) granted |= modes[i];
    provider->info->domain_attr->mr_mode = static_cast<int>(granted);
    auto domain = libfabric::Domain::open(std::move(*provider));
    ASSERT_TRUE(domain.ok()) << granted << ": " << domain.error().message;
    libfabric::Regions regions(**domain);
    std::vector<std::byte> memory(10'000);
    for (int i = 0; i < 3; ++i) {
      const auto region = regions.add(memory.data(), memory.size(), MemoryKind::host);
      ASSERT_TRUE(region.ok()) << region.error().message;
      EXPECT_EQ(regions.descriptor({*region, 0, 8}) != nullptr, (granted & FI_MR_LOCAL) != 0) << granted;
    }
  }
}

// Goal: ranks with different providers are told so, not left to wait. Method: a view with the addresses of both.
TEST(LibfabricProviders, AnAddressOfAnotherProviderIsNamed) {
  const auto tcp = make_libfabric_transport({.job = "providers", .provider = "tcp;ofi_rxm"});
  const auto shm = make_libfabric_transport({.job = "providers", .provider = "shm"});
  ASSERT_TRUE(tcp.ok() && shm.ok());
  const Status opened = (*tcp)->open_view({Epoch{1}, Rank{0}, {(*tcp)->address(), (*shm)->address()}});
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, Code::invalid_argument);
  EXPECT_EQ(opened.error().rank, std::optional(Rank{1}));
  EXPECT_NE(opened.error().message.find("rank 1 uses libfabric's provider \"shm\""), std::string::npos)
      << opened.error().message;
  ASSERT_TRUE((*tcp)->open_view({Epoch{1}, Rank{0}, {(*tcp)->address()}}).ok());
}

// Goal: starts that the provider does not take wait no longer than they may. Method: a peer that is there and never
// polls; more sends than any queue holds, a limit of 50 ms; every one ends, those that waited as unavailable, and
// what is cancelled before ends as cancelled.
TEST_P(LibfabricTransport, StartsThatNobodyTakesEndAsUnavailable) {
  const auto make = [&](std::uint64_t limit_ns) {
    auto made = make_libfabric_transport({.job = "stall", .provider = GetParam().ways, .stall_limit_ns = limit_ns});
    GOSSAMER_CHECK(made.ok(), made.error().message);
    return std::move(*made);
  };
  const auto sender = make(50'000'000);
  const auto silent = make(1);
  View view{Epoch{1}, Rank{1}, {sender->address(), silent->address()}};
  ASSERT_TRUE(silent->open_view(view).ok());
  view.rank = Rank{0};
  ASSERT_TRUE(sender->open_view(view).ok());
  Block out(*sender, 20'000);
  constexpr std::size_t count = 5'000;
  Token last;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto token = sender->start_send(Rank{1}, Tag{i}, out.slice(), i);
    ASSERT_TRUE(token.ok()) << token.error().message;
    last = *token;
  }
  sender->cancel(last);
  EXPECT_FALSE(sender->arm());  // what waits is posted by poll alone
  std::vector<Completion> batch(64);
  std::size_t unavailable = 0;
  std::size_t cancelled = 0;
  const SteadyClock clock;
  const std::uint64_t end_ns = clock.now_ns() + 5'000'000'000;
  while (unavailable == 0 && clock.now_ns() < end_ns) {
    const std::size_t ended = sender->poll(batch);
    for (std::size_t i = 0; i < ended; ++i) {
      if (batch[i].code == Code::unavailable) ++unavailable;
      if (batch[i].code == Code::cancelled) ++cancelled;
    }
  }
  EXPECT_GT(unavailable, 0u);
  EXPECT_EQ(cancelled, 1u);
}

// Goal: endpoints in shared memory have names that the sweep knows, and leave none behind. Method: look at the folder
// while a view is open and after it.
TEST(LibfabricSharedMemory, NamesTellTheirOwnerAndGoWithTheView) {
  const auto names = [] {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator("/dev/shm")) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with(text("gossamer-names-", ::getpid(), "-")) && name.find(".fi") != std::string::npos)
        found.push_back(name);
    }
    return found;
  };
  const auto made = make_libfabric_transport({.job = "names", .provider = "shm"});
  ASSERT_TRUE(made.ok()) << made.error().message;
  ASSERT_TRUE((*made)->open_view({Epoch{7}, Rank{0}, {(*made)->address()}}).ok());
  ASSERT_EQ(names().size(), 1u);
  EXPECT_TRUE(names().front().ends_with("-7")) << names().front();
  static_cast<void>(sweep_shared_memory());
  EXPECT_EQ(names().size(), 1u);
  ASSERT_TRUE((*made)->close_view(1'000'000'000).ok());
  EXPECT_TRUE(names().empty());
}

}  // namespace
}  // namespace gossamer::transport

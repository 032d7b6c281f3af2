// Ranks that are processes of this one: started, watched, read, and gone when it is gone.
#pragma once

#include <memory>
#include <utility>

#include "base/base.h"
#include "tools/launch/line_relay.h"
#include "tools/launch/ranks.h"

namespace gossamer::tools {

// A socket that listens for rank 0.
struct Listener {
  UniqueDescriptor socket;
  std::string address;  // "127.0.0.1:4711", "[fd00::1]:4711"
};

// At a port of the system's choice. `host` is a numeric address of this host. Errors: unavailable.
[[nodiscard]] Result<Listener> make_listener(const std::string& host);

struct LocalRanksConfig {
  std::string path;                  // of the program, as execve takes it
  std::vector<std::string> command;  // its name, and its arguments
  std::uint32_t first_rank = 0;
  std::uint32_t rank_count = 1;     // of this host
  std::uint32_t session_ranks = 1;  // of all hosts
  std::string rendezvous;
  std::string job;
  std::vector<std::pair<std::string, std::string>> environment;  // set in every rank, after all others
  Listener listener;                                             // rank 0's; not open: on another host
  UniqueDescriptor secret;              // every rank's; not open where they have one from elsewhere
  int rank_0_input = -1;                // becomes its stdin; -1: nothing to read. Borrowed
  std::vector<int> rank_0_descriptors;  // stay open in rank 0; borrowed
  int rank_0_errors = -1;               // becomes its stderr, instead of lines; -1: lines. Borrowed
};

class LocalRanks final : public Ranks {
 public:
  explicit LocalRanks(RanksOwner& owner) : owner_(owner) {}
  // Starts them all, or up to one that fails; those before it run. This process's copies of listener and secret are
  // closed. Errors: out_of_resources.
  [[nodiscard]] Result<StartFailure> start(LocalRanksConfig config);

  [[nodiscard]] std::size_t alive() const override;
  void send(int signal) override;
  void add_polled(std::vector<pollfd>& polled) override;
  void take_polled(std::span<const pollfd> polled) override;
  void give_up() override;

 private:
  struct Stream {
    UniqueDescriptor pipe;  // reading end, never blocks
    RankStream target = RankStream::output;
    LineRelay relay{""};
  };
  struct Process {
    PeerEnd end;
    UniqueDescriptor process;  // pidfd; open while it lives
    Stream streams[2];
    std::uint64_t start_ns = 0;
  };

  Result<StartFailure> start_rank(std::uint32_t rank, LocalRanksConfig& config);
  void read_stream(Stream& stream);
  void take_end(Process& process);

  RanksOwner& owner_;
  SteadyClock clock_;
  std::vector<std::unique_ptr<Process>> processes_;
  std::vector<Process*> polled_ends_;  // of the last add_polled, in its order
  std::vector<Stream*> polled_streams_;
};

}  // namespace gossamer::tools

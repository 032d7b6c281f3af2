// The ranks of another host, behind an agent that a program like ssh started there.
#pragma once

#include <sys/types.h>

#include <memory>
#include <utility>

#include "base/base.h"
#include "tools/launch/frames.h"
#include "tools/launch/hosts.h"
#include "tools/launch/line_relay.h"
#include "tools/launch/ranks.h"

namespace gossamer::tools {

// How often each side says that it is there, where `silence_ns` of nothing means that it is gone.
[[nodiscard]] constexpr std::uint64_t beat_every_ns(std::uint64_t silence_ns) { return silence_ns / 4; }

struct RemoteRanksConfig {
  HostSlots host;
  std::vector<std::string> agent;  // the program, its arguments, the host and the command; find_program's path first
  std::string path;                // of the program
  std::uint32_t first_rank = 0;
  std::uint64_t connect_ns = 60'000'000'000;  // until the agent is ready
  std::uint64_t silence_ns = 30'000'000'000;  // then the host is given up
};

//   connecting ──greeting──► preparing ──ready──► ready ──start()──► running ──► ended
//        └──────────────────────┴────── trouble, silence, end of the connection ─────┘
class RemoteRanks final : public Ranks {
 public:
  RemoteRanks(RanksOwner& owner, RemoteRanksConfig config);
  // Ends the connection, which kills what runs there, and waits a moment for the agent to say good-bye.
  ~RemoteRanks() override;

  // Starts the agent and gives it the job, the body of a "job" frame, which is wiped. Errors: out_of_resources.
  [[nodiscard]] Result<StartFailure> connect(std::string& job);
  [[nodiscard]] bool is_ready() const { return phase_ == Phase::ready; }
  // Where ranks meet, if this host has rank 0; once it is ready.
  [[nodiscard]] const std::string& rendezvous() const { return rendezvous_; }
  void start(const std::string& rendezvous);
  // Rank 0 reads what this process is given, from descriptor 0.
  void pass_input() { passes_input_ = true; }
  // Nothing more is said to the agent, which ends when its ranks have.
  void hang_up() { input_.close(); }

  [[nodiscard]] std::size_t alive() const override;
  void send(int signal) override;
  void add_polled(std::vector<pollfd>& polled) override;
  void take_polled(std::span<const pollfd> polled) override;
  [[nodiscard]] std::uint64_t deadline_ns() const override;
  void take_time(std::uint64_t now_ns) override;
  void give_up() override;

 private:
  enum class Phase { connecting, preparing, ready, running, ended };
  enum class Polled { process, output, errors, input, stdin_of_launcher };

  [[nodiscard]] std::string name() const;
  void say(std::string frame);
  void write_some();
  void read_output();
  void read_errors();
  void read_input();
  void take_frames();
  void take_frame(const Frame& frame);
  void take_greeting(const std::string& line);
  void take_process_end();
  void lose(int exit_code, std::string why);
  [[nodiscard]] std::string why_not_begun(int status) const;

  RanksOwner& owner_;
  const RemoteRanksConfig config_;
  SteadyClock clock_;
  Phase phase_ = Phase::connecting;
  pid_t pid_ = -1;
  UniqueDescriptor process_;  // pidfd of ssh; open until it is reaped
  UniqueDescriptor input_;    // its stdin, our writing end; never blocks
  UniqueDescriptor output_;
  UniqueDescriptor errors_;
  std::string unsent_;
  FrameReader reader_;
  LineRelay words_;         // what ssh says itself
  std::string last_words_;  // the last line of that
  std::string rendezvous_;
  std::vector<PeerEnd> ranks_;
  std::vector<bool> has_ended_;
  std::vector<Polled> polled_;  // of the last add_polled, in its order
  bool passes_input_ = false;
  bool is_dismissed_ = false;  // before it began, since another host failed
  std::size_t input_on_its_way_ = 0;
  std::uint64_t begun_ns_ = 0;
  std::uint64_t heard_ns_ = 0;
  std::uint64_t next_beat_ns_ = never_ns;
};

}  // namespace gossamer::tools

// Starts the peers of a job, on this host or on several, passes their text on, and leaves nothing behind.
//
//   gossamer run ──fork──► rank 0   GOSSAMER_RANK=0, GOSSAMER_RENDEZVOUS_FD=n (a socket that listens already)
//        │       ──fork──► rank 1   GOSSAMER_RANK=1, GOSSAMER_RENDEZVOUS=127.0.0.1:port
//        │       ──fork──► ...      each: GOSSAMER_SECRET=fd:m (a random secret, in memory alone)
//        └ one poll loop: signals, ends of peers, lines of peers, the own output
//
// The socket is bound before the first fork, so there is no port to guess and none to race for. The secret is
// in no environment, no command line and no file; it dies with the last descriptor. Who has set GOSSAMER_SECRET
// to a file or to none keeps that.
//
//   gossamer run ── ssh a ──► gossamer run --agent ──► rank 0, 1     GOSSAMER_RENDEZVOUS=<a's address>:port
//        │       ── ssh b ──► gossamer run --agent ──► rank 2, 3
//        └ the same loop, in which an agent tells of its ranks (ranks.h) what is seen of own processes
//
// The secret then travels through the pipes, which ssh encrypts. frames.h has what is said there.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/base.h"
#include "tools/launch/hosts.h"
#include "tools/launch/ranks.h"

namespace gossamer::tools {

struct LaunchOptions {
  std::string title = "gossamer run";  // in front of the launcher's own messages
  std::vector<std::string> command;    // the program, searched in PATH, and its arguments
  std::uint32_t rank_count = 1;        // of all hosts
  std::vector<HostSlots> hosts;        // empty: this host alone, without an agent
  std::string launch_agent;  // a program and its arguments, instead of ssh, that takes HOST COMMAND as ssh does
  std::vector<std::string>
      exported;         // variables that ranks on other hosts get: NAME, NAME=VALUE, PREFIX*; beside GOSSAMER_*
  std::string program;  // of this command, where the hosts have it; else they look for it in PATH
  std::uint64_t silence_ns = 30'000'000'000;                     // a host that nothing is heard of is given up
  std::string job;                                               // GOSSAMER_JOB; empty: a new unique one
  std::vector<std::pair<std::string, std::string>> environment;  // set in every peer, after all others
  std::vector<int> rank_0_descriptors;                           // stay open in rank 0; borrowed
  std::uint64_t timeout_ns = 0;                                  // for the whole job; 0: none
  // After the first failure the others get `settle_ns` to end by themselves (they report what they lost),
  // then SIGTERM, and `grace_ns` later SIGKILL. After an interrupt they get `interrupt_ns`, then SIGKILL.
  std::uint64_t settle_ns = 3'000'000'000;
  std::uint64_t grace_ns = 2'000'000'000;
  std::uint64_t interrupt_ns = 5'000'000'000;
  bool rank_0_keeps_stderr = false;  // rank 0 writes to the launcher's stderr itself, for a progress line
  int output = 1;                    // where the peers' stdout and stderr go; borrowed
  int errors = 2;
  std::function<void(std::string_view job)> sweep;  // called last: removes what dead peers left behind
};

struct LaunchReport {
  // The first failing peer's status, 128 + signal of an interrupt, 124 for a timeout, 126 or 127 where the
  // program could not be started, else 0.
  int exit_code = 0;
  std::string message;       // why exit_code is not 0; "" otherwise. Already told on `errors`
  int interrupt_signal = 0;  // that ended the job, if one did
  std::string job;
  std::vector<PeerEnd> peers;  // by rank; those that were started
};

// Runs the job to its end. Blocks; while it runs, SIGINT, SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2 of this process
// go to the peers, a second SIGINT, SIGTERM or SIGHUP kills them at once, and SIGTSTP stops them and this process until
// SIGCONT, without that time counting against a limit. Call from the only thread: peers
// die with the thread that started them. On return no peer and no process of a peer's group is left. Errors:
// invalid_argument, out_of_resources (no process, no descriptor), unavailable (no loopback socket).
[[nodiscard]] Result<LaunchReport> launch(const LaunchOptions& options);

// A job name that no other job on this host has: [a-z0-9-] only.
[[nodiscard]] std::string make_job_name();

// Where `name` is, as execvp would find it. Errors: unavailable, with the folders that were searched.
[[nodiscard]] Result<std::string> find_program(const std::string& name);

}  // namespace gossamer::tools

// A group of real peer processes, started, watched, killed and collected by a test.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "tests/support/shared_memory_left.h"

namespace gossamer::testing {

struct PeerGroupOptions {
  unsigned rank_count = 4;
  std::vector<std::string> arguments;
  std::map<std::string, std::string> environment;                         // for all
  std::map<unsigned, std::map<std::string, std::string>> environment_of;  // for one rank, on top
  std::string program;                                                    // path; empty: exchange_peer
};

class PeerGroup {
 public:
  explicit PeerGroup(const PeerGroupOptions& options);
  ~PeerGroup();  // kills what is left
  PeerGroup(const PeerGroup&) = delete;
  PeerGroup& operator=(const PeerGroup&) = delete;

  // Reads output until `rank` has printed a line that begins with `words`, or the deadline.
  bool wait_for_line(unsigned rank, const std::string& words, std::chrono::seconds limit);
  void signal(unsigned rank, int number);
  // Until the rank has ended and all its output is read. False at the deadline.
  bool wait_for_end(unsigned rank, std::chrono::seconds limit);

  [[nodiscard]] int status(unsigned rank) const { return peers_[rank].status; }  // as waitpid gave it
  [[nodiscard]] const std::string& output(unsigned rank) const { return peers_[rank].output; }
  // When the rank's process had ended, as seen by wait_for_end.
  [[nodiscard]] std::chrono::steady_clock::time_point ended_at(unsigned rank) const { return peers_[rank].ended_at; }
  [[nodiscard]] const std::string& job() const { return job_; }
  [[nodiscard]] pid_t pid(unsigned rank) const { return peers_[rank].pid; }

 private:
  struct Peer {
    pid_t pid = -1;
    int descriptor = -1;  // its output
    std::string output;
    bool ended = false;
    int status = 0;
    std::chrono::steady_clock::time_point ended_at;
  };
  // Reads what there is, at most `wait` long; reaps.
  void pump(std::chrono::milliseconds wait);

  std::string job_;
  std::vector<Peer> peers_;
};

// All ranks of the group end with status 0 and "end" as their last line, each within `limit`, and leave nothing in shared
// memory.
void expect_all_end(PeerGroup& group, unsigned rank_count, std::chrono::seconds limit);

}  // namespace gossamer::testing

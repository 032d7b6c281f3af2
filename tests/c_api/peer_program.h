// What the programs of a peer group's ranks begin with: who they are, and how they end where something is not as it
// should be.
#pragma once

#include <gossamer.h>

#include <cstdio>
#include <cstdlib>

inline int rank;
inline int rank_count;
inline gossamer_session* session;

inline void fail(const char* what) {
  std::printf("failed: %s: %s\n", what, gossamer_last_error());
  std::exit(1);
}

inline void expect(bool condition, const char* what) {
  if (!condition) fail(what);
}

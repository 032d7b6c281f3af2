// A folder that all ranks see, as the way of rank 0's words: on a shared file system, or on one host.
//
//   rank r                                     rank 0
//   writes JOB.hello.r: a fresh nonce   ─────► reads it
//   waits for its nonce in JOB.words    ◄───── writes JOB.words: the words, and all nonces that it has seen
//   removes JOB.hello.r                 ─────► has seen it come and go: done with r
//                                              done with all: removes JOB.words
//
// So what an earlier job of that name left behind misleads nobody: its words lack the nonce, and its hello is written
// over by the rank that comes. Files are written beside and renamed, have mode 0600, and one that is another user's, or
// open to others, is not read. A session that ends well leaves none.
#pragma once

#include "runtime/bootstrap/catalogue.h"

namespace gossamer::runtime {

struct FolderJob {
  std::string title;  // for people: "a shared folder"
  std::string folder;
  std::string job;  // apart from every other that uses the folder at the same time
  LaunchedPlace place;
  bool is_one_host = false;
};

// Makes nothing yet, but for the folder where it does not exist.
[[nodiscard]] Result<std::unique_ptr<Bootstrap>> make_folder_bootstrap(FolderJob job);

// A folder of this user alone, for ranks of one host: /tmp/gossamer-UID, of mode 0700. `unavailable` where that name is
// another's.
[[nodiscard]] Result<std::string> private_folder();

}  // namespace gossamer::runtime

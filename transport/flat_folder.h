// Removing a folder where nothing may be allocated and no lock taken: in handlers of exit().
#pragma once

namespace gossamer::transport {

// Removes the files of a folder, the one named `last` after all others, and then the folder. `parent` is a descriptor
// of the folder that it is in, or AT_FDCWD. What is no file stays, and so does the folder then: false. Neither
// allocates nor locks.
bool remove_flat_folder(int parent, const char* name, const char* last) noexcept;

// From now on the folder `path` is removed so when the process ends by exit(), which may be called inside a signal
// handler that has interrupted malloc. `last` as above, a literal. A forked child that exits does not touch it. Returns
// what `cancel_exit_removal` wants; -1 where 64 wait already, and then nobody removes it. Any thread.
[[nodiscard]] int remove_at_exit(const char* path, const char* last) noexcept;
void cancel_exit_removal(int slot) noexcept;

// What exit() runs.
void remove_folders_of_exit() noexcept;

}  // namespace gossamer::transport

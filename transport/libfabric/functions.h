// The functions of libfabric that are called, under their own names; the others are in tables of its objects.
//
// libfabric is opened when it is first needed (transport/shared_library.h). Code in gossamer::transport::libfabric that
// calls fi_getinfo finds the pointer of this name here before the function that <rdma/fabric.h> declares. One that is
// not in the list does not link. fi_allocinfo, which the header defines, is not: it is fi_dupinfo(nullptr).
#pragma once

#include <rdma/fabric.h>

#include "base/base.h"

// Each with the version of 1.17's interface, which later libraries have as well.
#define GOSSAMER_LIBFABRIC_FUNCTIONS(X) \
  X(fi_dupinfo, "FABRIC_1.3")           \
  X(fi_fabric, "FABRIC_1.1")            \
  X(fi_freeinfo, "FABRIC_1.3")          \
  X(fi_freeparams, "FABRIC_1.0")        \
  X(fi_getinfo, "FABRIC_1.3")           \
  X(fi_getparams, "FABRIC_1.0")         \
  X(fi_strerror, "FABRIC_1.0")          \
  X(fi_version, "FABRIC_1.0")

namespace gossamer::transport::libfabric {

inline namespace functions {
#define GOSSAMER_LIBFABRIC_POINTER(name, version) inline decltype(&::name) name = nullptr;
GOSSAMER_LIBFABRIC_FUNCTIONS(GOSSAMER_LIBFABRIC_POINTER)
#undef GOSSAMER_LIBFABRIC_POINTER
}  // namespace functions

// Opens libfabric and sets the pointers, where that has not been done. `unavailable`, with what to install, where it
// cannot be. The program's signals stay as they are. Any thread. Debian's takes .2 s (libinfinipath measures the
// clock).
[[nodiscard]] Status load_functions();

}  // namespace gossamer::transport::libfabric

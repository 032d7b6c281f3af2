// What of PMIx is called, by the ABI that its releases 2 to 5 share as libpmix.so.2: the PMIx Standard, chapters 3
// (data structures), 5 (Init, Finalize) and 6 (Put, Commit, Fence, Get), and pmix_common.h of OpenPMIx. Declared here
// so that a library built without PMIx works where it is. tests/launchers/pmix_abi_test.cc compares it with the
// headers.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gossamer::runtime::pmix {

using Status = int;
inline constexpr Status success = 0;
inline constexpr std::uint32_t rank_wildcard = UINT32_MAX - 1;  // PMIX_RANK_WILDCARD
inline constexpr std::uint8_t scope_global = 3;                 // PMIX_GLOBAL
inline constexpr std::uint16_t type_bool = 1;                   // PMIX_BOOL
inline constexpr std::uint16_t type_string = 3;                 // PMIX_STRING
inline constexpr std::uint16_t type_uint32 = 14;                // PMIX_UINT32
inline constexpr std::size_t nspace_bytes = 256;                // PMIX_MAX_NSLEN + 1
inline constexpr std::size_t key_bytes = 512;                   // PMIX_MAX_KEYLEN + 1

struct Process {  // pmix_proc_t
  char nspace[nspace_bytes];
  std::uint32_t rank;
};

struct Value {  // pmix_value_t: a type, then a union whose largest member has 24 bytes since release 3, 16 before
  std::uint16_t type;
  union {
    bool flag;
    char* string;
    std::uint32_t uint32;
    unsigned char room[24];
    void* align;
  } data;
};

struct Info {  // pmix_info_t. One at a time: the size of an array's elements has grown
  char key[key_bytes];
  std::uint32_t flags;
  Value value;
};

// X(member, function, result, parameters)
#define GOSSAMER_PMIX_FUNCTIONS(X)                                                           \
  X(init, PMIx_Init, Status, (Process*, Info*, std::size_t))                                 \
  X(finalize, PMIx_Finalize, Status, (const Info*, std::size_t))                             \
  X(put, PMIx_Put, Status, (std::uint8_t, const char*, Value*))                              \
  X(commit, PMIx_Commit, Status, ())                                                         \
  X(fence, PMIx_Fence, Status, (const Process*, std::size_t, const Info*, std::size_t))      \
  X(get, PMIx_Get, Status, (const Process*, const char*, const Info*, std::size_t, Value**)) \
  X(error_string, PMIx_Error_string, const char*, (Status))                                  \
  X(version, PMIx_Get_version, const char*, ())

struct Functions {
#define GOSSAMER_PMIX_MEMBER(member, function, result, parameters) result(*member) parameters = nullptr;
  GOSSAMER_PMIX_FUNCTIONS(GOSSAMER_PMIX_MEMBER)
#undef GOSSAMER_PMIX_MEMBER
};

}  // namespace gossamer::runtime::pmix

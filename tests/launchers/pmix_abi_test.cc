// Goal: what is declared of PMIx's ABI is what its headers say. Method: sizes, offsets and numbers, at compile time
// where the headers are installed.
#include "runtime/bootstrap/pmix_abi.h"

#include <pmix.h>

#include <cstddef>

namespace abi = gossamer::runtime::pmix;

static_assert(sizeof(abi::Process) == sizeof(pmix_proc_t));
static_assert(offsetof(abi::Process, rank) == offsetof(pmix_proc_t, rank));
static_assert(abi::nspace_bytes == sizeof(pmix_nspace_t) && abi::key_bytes == sizeof(pmix_key_t));
static_assert(sizeof(abi::Value) == sizeof(pmix_value_t));
static_assert(offsetof(abi::Value, data) == offsetof(pmix_value_t, data));
static_assert(sizeof(abi::Info) == sizeof(pmix_info_t));
static_assert(offsetof(abi::Info, flags) == offsetof(pmix_info_t, flags));
static_assert(offsetof(abi::Info, value) == offsetof(pmix_info_t, value));
static_assert(sizeof(abi::Status) == sizeof(pmix_status_t) && abi::success == PMIX_SUCCESS);
static_assert(abi::rank_wildcard == static_cast<pmix_rank_t>(PMIX_RANK_WILDCARD));
static_assert(abi::scope_global == PMIX_GLOBAL && sizeof(pmix_scope_t) == 1);
static_assert(abi::type_bool == PMIX_BOOL && abi::type_string == PMIX_STRING && abi::type_uint32 == PMIX_UINT32);

int main() { return 0; }

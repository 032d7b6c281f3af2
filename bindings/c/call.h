// What every function of the C interface is made of: errors as statuses and the sentence behind them, the caller's
// structs of any size, limits.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "base/base.h"
#include "bindings/c/gossamer.h"
#include "runtime/runtime.h"

namespace gossamer::c {

using runtime::is_in_observer;

inline thread_local Error last_error{Code::done, ""};

inline gossamer_status fail(Error error) {
  const auto status = static_cast<gossamer_status>(error.code);
  last_error = std::move(error);
  return status;
}

inline gossamer_status fail_argument(const char* function, const std::string& problem) {
  return fail(Error{Code::invalid_argument, text(function, ": ", problem)});
}

inline gossamer_status fail_forked(const char* function) {
  return fail_argument(function,
                       "the session belongs to the process that this one was forked from; fork before gossamer_init, "
                       "or start a new program in the child (exec)");
}

template <typename R>
gossamer_status outcome(const R& result) {
  return result.ok() ? GOSSAMER_DONE : fail(result.error());
}

// How the start of `own` went. One that is in flight already stays the caller's to wait for.
inline gossamer_status started(const Status& status, gossamer_operation& own, gossamer_operation** operation) {
  *operation = status.ok() || status.error().code == Code::busy ? &own : nullptr;
  return outcome(status);
}

// Threads that are started inside inherit the default floating-point environment.
template <typename Body>
gossamer_status guarded(Body body) {
  if (is_in_observer()) [[unlikely]]
    return fail(Error{Code::invalid_argument, "a completion called into Gossamer: it may only take note of the end"});
  const gossamer::DefaultFloatEnvironment environment;
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return fail(Error{Code::out_of_resources, "no memory is left"});
  } catch (const std::exception& exception) {
    return fail(Error{Code::internal, text("unexpected: ", exception.what())});
  }
}

// What `check` finds wrong in this rank's call, for the other ranks too; exceptions included.
template <typename Check>
std::optional<Error> mistake_of(Check check) {
  if (guarded(check) == GOSSAMER_DONE) return std::nullopt;
  return last_error;
}

// Earlier headers had padding. What callers of that size have in their last bytes is no field.
struct PaddedSize {
  std::size_t size;
  std::size_t fields;
};
template <typename Struct>
constexpr std::array<PaddedSize, 0> padded_sizes{};

inline constexpr std::size_t struct_size_max = 65536;

// Copies the caller's struct into one of this library's size: what an older caller does not know stays
// at its default, what a newer caller knows must be zero here, or it would be ignored silently.
template <typename Struct>
gossamer_status read_struct(const char* function, const Struct* given, Struct& copy) {
  const std::size_t size = given->struct_size;
  if (size < sizeof(std::size_t) || size > struct_size_max)
    return fail_argument(function, text("struct_size is ", size, ": begin with the initializer macro"));
  std::size_t known = std::min(size, sizeof(Struct));
  for (const PaddedSize& padded : padded_sizes<Struct>)
    if (size == padded.size) known = padded.fields;
  std::memcpy(static_cast<void*>(&copy), given, known);
  const auto* bytes = reinterpret_cast<const unsigned char*>(given);
  for (std::size_t i = sizeof(Struct); i < size; ++i)
    if (bytes[i] != 0)
      return fail_argument(function, "the struct has fields that this version of the library does not know");
  copy.struct_size = sizeof(Struct);
  return GOSSAMER_DONE;
}

template <typename Struct>
gossamer_status write_struct(const char* function, const Struct& value, Struct* out) {
  const std::size_t size = out->struct_size;
  if (size < sizeof(std::size_t) || size > struct_size_max)
    return fail_argument(function, text("struct_size is ", size, ": begin with the initializer macro"));
  std::memcpy(static_cast<void*>(out), &value, std::min(size, sizeof(Struct)));
  out->struct_size = size;
  return GOSSAMER_DONE;
}

// 0 means the default; negative limits are none.
inline gossamer_status read_limit(const char* function, int64_t given, uint64_t fallback, uint64_t& limit) {
  if (given < 0)
    return fail_argument(function, text("the timeout is ", given, " ns, expected 0 for the default, or more"));
  limit = given == 0 ? fallback : static_cast<uint64_t>(given);
  return GOSSAMER_DONE;
}

}  // namespace gossamer::c

// Errors as values. A Code says what the caller does next; the message says what happened to whom.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/rank.h"

namespace gossamer {

// X(name, value, what the caller does next). Values are the C ABI's status values.
#define GOSSAMER_CODE_TABLE(X)                                                    \
  X(done, 0, "nothing to do")                                                     \
  X(pending, 1, "ask again")                                                      \
  X(busy, 2, "finish the operation in flight, then start again")                  \
  X(invalid_argument, -1, "fix the call")                                         \
  X(mismatch, -2, "give every peer the same configuration")                       \
  X(peer_lost, -3, "end the session, or build one without the lost peer")         \
  X(deadline, -4, "look at whom the message waits for, or allow more time")       \
  X(not_finite, -5, "mend the gradient of the named rank; nothing was committed") \
  X(disagreement, -6, "end the session: ranks recovered different coordinates")   \
  X(out_of_resources, -7, "raise the limit that the message names")               \
  X(unavailable, -8, "check the network, file or device that the message names")  \
  X(malformed, -9, "drop the bytes: they are not what they claim to be")          \
  X(cancelled, -10, "nothing: the operation was given up on request")             \
  X(internal, -11, "report a defect in Gossamer")

enum class Code : std::int32_t {
#define GOSSAMER_CODE_ENUM(name, value, remedy) name = value,
  GOSSAMER_CODE_TABLE(GOSSAMER_CODE_ENUM)
#undef GOSSAMER_CODE_ENUM
};

[[nodiscard]] std::string_view code_name(Code code);
[[nodiscard]] std::string_view code_remedy(Code code);

struct Error {
  Code code = Code::internal;
  std::string message;
  std::optional<Rank> rank = std::nullopt;            // the rank that the error is about, if it is about one
  std::optional<std::uint64_t> index = std::nullopt;  // the coordinate that the error is about, if any
};

// A T or an Error. Asking a failed Result for its value stops the process.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  [[nodiscard]] T& value() & {
    GOSSAMER_CHECK(ok(), "value of a failed Result: " + std::get<1>(state_).message);
    return std::get<0>(state_);
  }
  [[nodiscard]] const T& value() const& { return const_cast<Result*>(this)->value(); }
  [[nodiscard]] T&& value() && { return std::move(value()); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(value()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  [[nodiscard]] const Error& error() const& {
    GOSSAMER_CHECK(!ok(), "error of a Result that holds a value");
    return std::get<1>(state_);
  }
  [[nodiscard]] Error&& error() && {
    GOSSAMER_CHECK(!ok(), "error of a Result that holds a value");
    return std::get<1>(std::move(state_));
  }

 private:
  std::variant<T, Error> state_;
};

struct Done {};

// Success without a value, or an Error.
class [[nodiscard]] Status : public Result<Done> {
 public:
  Status() : Result<Done>(Done{}) {}
  Status(Error error) : Result<Done>(std::move(error)) {}
};

// Returns the error of `expression` (a Result or Status) from the enclosing function, if it failed.
#define GOSSAMER_TRY(expression)                                                                                   \
  do {                                                                                                             \
    if (auto&& gossamer_try_ = (expression); !gossamer_try_.ok()) return ::gossamer::Error(gossamer_try_.error()); \
  } while (false)

// Moves the value of an expression (a Result) into `target`, or returns its error from the enclosing function. `target`
// is an lvalue or a declaration ("const auto columns"), without a comma. Several statements: not under an `if` or a
// `for` without braces, where it does not compile.
#define GOSSAMER_ASSIGN(target, ...) \
  GOSSAMER_ASSIGN_NAMED(GOSSAMER_JOINED(gossamer_result_, __LINE__), target, __VA_ARGS__)
#define GOSSAMER_ASSIGN_NAMED(name, target, ...)                     \
  auto name = (__VA_ARGS__);                                         \
  if (!name.ok()) return ::gossamer::Error(std::move(name).error()); \
  target = *std::move(name)
#define GOSSAMER_JOINED(a, b) GOSSAMER_JOINED_NOW(a, b)
#define GOSSAMER_JOINED_NOW(a, b) a##b

}  // namespace gossamer

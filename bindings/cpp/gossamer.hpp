// Gossamer for C++17 and later: the functions of gossamer.h with owners, spans and types. Header only; links
// -lgossamer.
//
//     auto session = gossamer::Session::init();                      // ranks by the launcher or the environment
//     std::vector<double> sums = ...;
//     session.all_reduce(sums, gossamer::Op::sum);                   // in place
//
//     auto compressor = session.make_compressor({{"weights", 262144, 0}, {"bias", 512, 1}});
//     compressor.compress(weights_gradient, bias_gradient);          // local
//     auto operation = compressor.reduce();                          // starts the exchange
//     operation.wait();
//     compressor.recover().apply(-rate, weights, bias);              // the same on every rank
//
// gossamer.h is the specification: what blocks, what is collective, what each error means. Here is only what differs.
//
// Errors. Every class has a policy, and each function is there once. With Throwing (gossamer::Session and its kin) a
// call gives its value and throws Exception; with Reporting (gossamer::results::Session ...) it gives Result<value>,
// which the compiler does not let pass unread. With -fno-exceptions there is results alone. Only the memory of the C++
// side (a core for each object, at its making) throws std::bad_alloc in both.
//
// Lifetimes. All classes own, and can be moved but not copied. What is used after its end, its session's end, or
// after it was moved from is INVALID_ARGUMENT and never freed memory; ends may come in any order. A collective keeps
// a Memory that it works on. It does not keep other vectors: they must not end or grow before it does. Where its last
// operation ended with PEER_LOST or DEADLINE, the library may still write there, so a collective on such a vector that
// ends then ends its session as well (gossamer_finalize, which blocks).
//
// Threads: as in C. All objects of one session are used by one thread at a time, their ends included.
//
// Cost: each function is one call of C, without allocation but in what makes objects, and a few loads of its own.
//
// long file: one header, so that a program may carry it along
#ifndef GOSSAMER_HPP
#define GOSSAMER_HPP

#include <gossamer.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#if __cplusplus < 201703L
#error "gossamer.hpp needs C++17 or later"
#endif
#if __cplusplus >= 202002L && __has_include(<span>)
#include <span>
#endif
#if defined(__cpp_exceptions)
#include <stdexcept>
#endif

namespace gossamer {
inline namespace cpp_0 {

// ---- words --------------------------------------------------------------------------------------------------

#if defined(__cpp_lib_span)
template <typename T>
using Span = std::span<T>;
#else
// What std::span is from C++20 on, as far as it is needed here.
template <typename T>
class Span {
 public:
  constexpr Span() noexcept = default;
  constexpr Span(T* data, std::size_t size) noexcept : data_(data), size_(size) {}
  template <typename Range, typename = std::enable_if_t<std::is_convertible_v<
                                std::remove_pointer_t<decltype(std::data(std::declval<Range&>()))> (*)[], T (*)[]>>>
  constexpr Span(Range&& range) noexcept : data_(std::data(range)), size_(std::size(range)) {}

  [[nodiscard]] constexpr T* data() const noexcept { return data_; }
  [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
  [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] constexpr T* begin() const noexcept { return data_; }
  [[nodiscard]] constexpr T* end() const noexcept { return data_ + size_; }
  constexpr T& operator[](std::size_t i) const noexcept { return data_[i]; }
  [[nodiscard]] constexpr Span subspan(std::size_t first, std::size_t count) const noexcept {
    return Span(data_ + first, count);
  }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};
#endif

enum class Op : std::int32_t {
  sum = GOSSAMER_SUM,
  min = GOSSAMER_MIN,
  max = GOSSAMER_MAX,
  mean = GOSSAMER_MEAN,
  bit_or = GOSSAMER_BIT_OR
};

// The two 16-bit floating types, as their bits: C++17 has no names for them.
struct Bf16 {
  std::uint16_t bits;
};
struct F16 {
  std::uint16_t bits;
};

// A gossamer_type for each C++ type. Specialise it for a type of your own with the same bits as one of them.
template <typename T, typename = void>
struct TypeOf;
template <gossamer_type type>
using TypeIs = std::integral_constant<gossamer_type, type>;
template <>
struct TypeOf<float> : TypeIs<GOSSAMER_F32> {};
template <>
struct TypeOf<double> : TypeIs<GOSSAMER_F64> {};
template <>
struct TypeOf<Bf16> : TypeIs<GOSSAMER_BF16> {};
template <>
struct TypeOf<F16> : TypeIs<GOSSAMER_F16> {};
template <>
struct TypeOf<signed char> : TypeIs<GOSSAMER_I8> {};
template <>
struct TypeOf<unsigned char> : TypeIs<GOSSAMER_U8> {};
template <>
struct TypeOf<std::byte> : TypeIs<GOSSAMER_U8> {};
template <typename T>
struct TypeOf<T, std::enable_if_t<std::is_same_v<T, int> || std::is_same_v<T, long> || std::is_same_v<T, long long>>>
    : TypeIs<sizeof(T) == 8 ? GOSSAMER_I64 : GOSSAMER_I32> {};

// The structs of C with their initializers' values.
struct Config : gossamer_config {
  Config() noexcept : gossamer_config GOSSAMER_CONFIG_INIT {}
};
struct CompressorConfig : gossamer_compressor_config {
  CompressorConfig() noexcept : gossamer_compressor_config GOSSAMER_COMPRESSOR_CONFIG_INIT {}
};
struct CollectiveConfig : gossamer_collective_config {
  CollectiveConfig() noexcept : gossamer_collective_config GOSSAMER_COLLECTIVE_CONFIG_INIT {}
};
struct Graph : gossamer_graph {
  Graph() noexcept : gossamer_graph GOSSAMER_GRAPH_INIT {}
};
struct Launch : gossamer_launch {
  Launch() noexcept : gossamer_launch GOSSAMER_LAUNCH_INIT {}
};

using Timeout = std::chrono::nanoseconds;  // zero: as the function of C says

// ---- errors -------------------------------------------------------------------------------------------------

class Error {
 public:
  Error(gossamer_status status, std::string message, std::int64_t rank = -1, std::int64_t index = -1)
      : status_(status), rank_(rank), index_(index), message_(std::move(message)) {}

  [[nodiscard]] gossamer_status status() const noexcept { return status_; }
  // A sentence: what was wrong, what was expected, what to do.
  [[nodiscard]] const std::string& message() const noexcept { return message_; }
  // The rank and the coordinate that it is about, or -1.
  [[nodiscard]] std::int64_t rank() const noexcept { return rank_; }
  [[nodiscard]] std::int64_t index() const noexcept { return index_; }

 private:
  gossamer_status status_;
  std::int64_t rank_;
  std::int64_t index_;
  std::string message_;
};

#if defined(__cpp_exceptions)
// what(): "GOSSAMER_PEER_LOST: rank 2 is lost: ...".
class Exception : public std::runtime_error {
 public:
  explicit Exception(Error error)
      : std::runtime_error(std::string(gossamer_status_name(error.status())) + ": " + error.message()),
        error_(std::make_shared<const Error>(std::move(error))) {}
  [[nodiscard]] const Error& error() const noexcept { return *error_; }
  [[nodiscard]] gossamer_status status() const noexcept { return error_->status(); }

 private:
  std::shared_ptr<const Error> error_;  // copies of exceptions must not throw
};
#endif

// A value, or why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}
  Result(Error error) : error_(std::make_unique<const Error>(std::move(error))) {}

  [[nodiscard]] bool ok() const noexcept { return error_ == nullptr; }
  explicit operator bool() const noexcept { return ok(); }
  // Of a Result that is ok.
  T& operator*() & noexcept { return *value_; }
  const T& operator*() const& noexcept { return *value_; }
  T&& operator*() && noexcept { return *std::move(value_); }
  T* operator->() noexcept { return &*value_; }
  const T* operator->() const noexcept { return &*value_; }
  // Of one that is not.
  [[nodiscard]] const Error& error() const noexcept { return *error_; }
  [[nodiscard]] gossamer_status status() const noexcept { return ok() ? GOSSAMER_DONE : error_->status(); }

 private:
  std::optional<T> value_;
  std::unique_ptr<const Error> error_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::make_unique<const Error>(std::move(error))) {}
  [[nodiscard]] bool ok() const noexcept { return error_ == nullptr; }
  explicit operator bool() const noexcept { return ok(); }
  [[nodiscard]] const Error& error() const noexcept { return *error_; }
  [[nodiscard]] gossamer_status status() const noexcept { return ok() ? GOSSAMER_DONE : error_->status(); }

 private:
  std::unique_ptr<const Error> error_;
};

// What a call gives, by policy: Returned<T> of T, made by fail<T>() from an error.
struct Reporting {
  template <typename T>
  using Returned = Result<T>;
  template <typename T>
  [[gnu::cold, gnu::noinline]] static Result<T> fail(Error error) {
    return Result<T>(std::move(error));
  }
};
#if defined(__cpp_exceptions)
struct Throwing {
  template <typename T>
  using Returned = T;
  template <typename T>
  [[noreturn, gnu::cold, gnu::noinline]] static T fail(Error error) {
    throw Exception(std::move(error));
  }
};
#endif

// ---- what all objects are made of ---------------------------------------------------------------------------

namespace detail {

[[gnu::cold, gnu::noinline]] inline Error last_error(gossamer_status status) {
  const char* said = gossamer_last_error();
  // BUSY without a sentence, say: its text is one.
  return Error(status, said[0] != '\0' ? said : gossamer_status_text(status), gossamer_last_error_rank(),
               gossamer_last_error_index());
}

template <typename Errors, typename T>
[[gnu::cold, gnu::noinline]] typename Errors::template Returned<T> refuse(const char* problem) {
  return Errors::template fail<T>(Error(GOSSAMER_INVALID_ARGUMENT, problem));
}

// What a call gives: an error, or what `make` makes after it went well.
template <typename Errors, typename Make>
auto finish(gossamer_status status, Make make) -> typename Errors::template Returned<decltype(make())> {
  using T = decltype(make());
  using Returned = typename Errors::template Returned<T>;
  if (status != GOSSAMER_DONE) return Errors::template fail<T>(last_error(status));
  if constexpr (std::is_void_v<T>) {
    make();
    return Returned();
  } else {
    return Returned(make());
  }
}
template <typename Errors>
typename Errors::template Returned<void> finish(gossamer_status status) {
  return finish<Errors>(status, [] {});
}

// A handle of C, shared by its owner and by what was made from it. It is closed, at most once, by the owner's end; the
// memory stays while somebody may ask whether it is. Counts are plain numbers: a session is used by one thread at a
// time.
struct Core {
  using Close = void (*)(Core&);
  explicit Core(Close how, Core* of = nullptr) noexcept : close_handle(how), session(of) {
    if (session != nullptr) ++session->uses;
  }
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;
  virtual ~Core() {
    if (session != nullptr) session->release();
  }

  [[nodiscard]] bool alive() const noexcept {
    return handle != nullptr && (session == nullptr || session->handle != nullptr);
  }
  // Handles outlive their session in C, and are destroyed after it all the same.
  void close() noexcept {
    if (handle != nullptr) close_handle(*this);
    handle = nullptr;
  }
  [[nodiscard]] bool session_has_ended() const noexcept { return session != nullptr && session->handle == nullptr; }
  void note_end(gossamer_status status) noexcept {
    may_be_written = status == GOSSAMER_PEER_LOST || status == GOSSAMER_DEADLINE;
    running = nullptr;
  }
  void note_start(gossamer_operation* operation) noexcept {
    ++generation;
    running = operation;
  }
  void release() noexcept {
    if (--uses > 0) return;
    close();
    delete this;
  }

  Close close_handle;
  void* handle = nullptr;
  Core* session;  // none for a session
  long uses = 1;
  std::uint64_t generation = 0;           // operations that it has started
  gossamer_operation* running = nullptr;  // the last of them, until its end was seen
  bool may_be_written = false;            // it ended so that the library may still write to its vectors
};

// One use of a core.
template <typename CoreType = Core>
class Use {
 public:
  Use() noexcept = default;
  explicit Use(CoreType* core) noexcept : core_(core) {}  // takes over
  Use(Use&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
  Use& operator=(Use&& other) noexcept {
    Use old(std::exchange(core_, std::exchange(other.core_, nullptr)));
    return *this;
  }
  ~Use() {
    if (core_ != nullptr) core_->release();
  }
  template <typename Other>
  static Use one_more(Other* core) noexcept {
    if (core != nullptr) ++core->uses;
    return Use(core);
  }
  [[nodiscard]] CoreType* get() const noexcept { return core_; }
  CoreType* operator->() const noexcept { return core_; }
  [[nodiscard]] bool alive() const noexcept { return core_ != nullptr && core_->alive(); }
  template <typename Handle>
  [[nodiscard]] Handle* handle() const noexcept {
    return alive() ? static_cast<Handle*>(core_->handle) : nullptr;
  }

 private:
  CoreType* core_ = nullptr;
};

// One that closes with its owner.
template <typename CoreType = Core>
class Owner : public Use<CoreType> {
 public:
  using Use<CoreType>::Use;
  Owner(Owner&&) noexcept = default;
  Owner& operator=(Owner&& other) noexcept {
    if (this != &other) {
      close();
      Use<CoreType>::operator=(std::move(other));
    }
    return *this;
  }
  ~Owner() { close(); }
  void close() noexcept {
    if (this->get() != nullptr) this->get()->close();
  }
};

struct CompressorCore : Core {
  using Core::Core;
  std::vector<std::uint64_t> counts;    // of the tensors
  std::vector<const float*> gradients;  // room for a pointer each
  std::vector<float*> weights;
};

struct CollectiveCore : Core {
  using Core::Core;
  std::array<Use<>, 2> memory;   // that it works on
  bool on_other_memory = false;  // vectors that nothing here keeps
};

template <typename T>
struct IsSpan : std::false_type {};
template <typename T>
struct IsSpan<Span<T>> : std::true_type {};

// What a vector is made of: anything with contiguous elements that std::data and std::size understand.
template <typename Range>
using Element = std::remove_pointer_t<decltype(std::data(std::declval<Range&>()))>;
// Outlives the call: a name, or a view of something.
template <typename Range>
inline constexpr bool outlives = std::is_lvalue_reference_v<Range> || IsSpan<std::decay_t<Range>>::value;

template <typename Range>
constexpr void check_written() {
  static_assert(!std::is_const_v<Element<Range>>, "the result is written to this vector: it must not be const");
}

inline std::int64_t ns(Timeout timeout) noexcept { return std::int64_t{timeout.count()}; }

}  // namespace detail

// ---- operations and updates ---------------------------------------------------------------------------------

// One run of a compressor or a collective. Letting go of it does not end it: it goes on, and the next start is BUSY
// until it has ended.
template <typename Errors>
class [[nodiscard]] BasicOperation {
  template <typename T>
  using Returned = typename Errors::template Returned<T>;

 public:
  BasicOperation(detail::Use<> maker, gossamer_operation* operation) noexcept
      : maker_(std::move(maker)), operation_(operation), generation_(maker_->generation) {}
  BasicOperation(BasicOperation&&) noexcept = default;
  BasicOperation& operator=(BasicOperation&&) noexcept = default;

  // Moves data on; whether it has ended well. Does not block.
  [[nodiscard]] Returned<bool> test() {
    if (is_stale()) return stale<bool>();
    const gossamer_status status = gossamer_operation_test(operation_);
    if (status == GOSSAMER_PENDING) return Returned<bool>(false);
    note(status);
    return detail::finish<Errors>(status, [] { return true; });
  }

  // Until it has ended. After DEADLINE it goes on and may be waited for again.
  Returned<void> wait(Timeout timeout = Timeout::zero()) {
    if (is_stale()) return stale<void>();
    const gossamer_status status = gossamer_operation_wait(operation_, detail::ns(timeout));
    note(status);
    return detail::finish<Errors>(status);
  }

  // Calls `completion` once, when it has ended: by whom, and what it may do, gossamer.h says.
  Returned<void> on_complete(gossamer_completion completion, void* context) {
    if (is_stale()) return stale<void>();
    return detail::finish<Errors>(gossamer_operation_on_complete(operation_, completion, context));
  }
  // Writes the eight bytes of a 1 to an eventfd or a pipe instead.
  Returned<void> notify(int descriptor) {
    if (is_stale()) return stale<void>();
    return detail::finish<Errors>(gossamer_operation_notify(operation_, descriptor));
  }

  [[nodiscard]] gossamer_operation* handle() const noexcept { return is_stale() ? nullptr : operation_; }

 private:
  [[nodiscard]] bool is_stale() const noexcept { return !maker_.alive() || maker_->generation != generation_; }
  void note(gossamer_status status) noexcept { maker_->note_end(status); }
  template <typename T>
  static Returned<T> stale() {
    return detail::refuse<Errors, T>(
        "the operation is over: what started it has ended, has started another, or it was moved from; use the newest");
  }

  detail::Use<> maker_;
  gossamer_operation* operation_;
  std::uint64_t generation_;
};

// What a compressor's last operation gave every rank. Valid until the next reduce: INVALID_ARGUMENT, and empty,
// afterwards.
template <typename Errors>
class BasicUpdate {
  template <typename T>
  using Returned = typename Errors::template Returned<T>;

 public:
  BasicUpdate(detail::Use<detail::CompressorCore> compressor, const gossamer_update& update) noexcept
      : compressor_(std::move(compressor)), update_(update), generation_(compressor_->generation) {}

  [[nodiscard]] bool valid() const noexcept { return compressor_.alive() && compressor_->generation == generation_; }
  // All values in order, and no indices.
  [[nodiscard]] bool is_dense() const noexcept { return update_.indices == nullptr; }
  // In the compressor's memory, which may be a device's.
  [[nodiscard]] Span<const float> values() const noexcept { return {update_.values, size()}; }
  // Positions in the concatenation of all tensors; empty where it is dense.
  [[nodiscard]] Span<const std::uint32_t> indices() const noexcept {
    return {update_.indices, is_dense() ? 0 : size()};
  }

  // weights += scale * update; one vector of floats for each tensor.
  template <typename... Ranges>
  Returned<void> apply(float scale, Ranges&&... weights) const {
    const std::array<Span<float>, sizeof...(Ranges)> all{Span<float>(weights)...};
    return apply_each(scale, all);
  }
  // The same for any number of them, in a container.
  template <typename Container>
  Returned<void> apply_each(float scale, Container&& weights) const {
    if (!valid()) return stale();
    if (std::size(weights) != compressor_->counts.size()) {
      return detail::refuse<Errors, void>(
          "apply: there must be one vector of weights for each tensor of the compressor");
    }
    std::size_t i = 0;
    for (auto&& tensor : weights) {
      if (std::size(tensor) != compressor_->counts[i]) {
        return detail::refuse<Errors, void>("apply: a vector of weights has not as many elements as its tensor");
      }
      compressor_->weights[i++] = std::data(tensor);
    }
    return apply_pointers(scale, compressor_->weights.data());
  }
  // As in C: in the compressor's memory, which may be a device's; lengths are not checked.
  Returned<void> apply_pointers(float scale, float* const* weights) const {
    if (!valid()) return stale();
    return detail::finish<Errors>(gossamer_update_apply(&update_, weights, scale));
  }

 private:
  [[nodiscard]] std::size_t size() const noexcept { return valid() ? static_cast<std::size_t>(update_.count) : 0; }
  static Returned<void> stale() {
    return detail::refuse<Errors, void>(
        "the update is over: its compressor has ended or has begun another reduce; apply it before that");
  }

  detail::Use<detail::CompressorCore> compressor_;
  gossamer_update update_;
  std::uint64_t generation_;
};

// ---- what sessions make -------------------------------------------------------------------------------------

template <typename Errors>
class BasicCompressor {
  template <typename T>
  using Returned = typename Errors::template Returned<T>;

 public:
  explicit BasicCompressor(detail::Owner<detail::CompressorCore> core) noexcept : core_(std::move(core)) {}

  // One vector of floats for each tensor, in their order; they are the caller's again on return.
  template <typename... Ranges>
  Returned<void> compress(const Ranges&... gradients) {
    const std::array<Span<const float>, sizeof...(Ranges)> all{Span<const float>(gradients)...};
    return compress_each(all);
  }
  // The same for any number of them, in a container.
  template <typename Container>
  Returned<void> compress_each(const Container& gradients) {
    if (!core_.alive()) return dead<void>();
    if (std::size(gradients) != core_->counts.size()) {
      return detail::refuse<Errors, void>("compress: there must be one gradient for each tensor of the compressor");
    }
    std::size_t i = 0;
    for (const auto& tensor : gradients) {
      if (std::size(tensor) != core_->counts[i]) {
        return detail::refuse<Errors, void>("compress: a gradient has not as many elements as its tensor");
      }
      core_->gradients[i++] = std::data(tensor);
    }
    return compress_pointers(core_->gradients.data());
  }
  // As in C: in the compressor's memory, which may be a device's; lengths are not checked.
  Returned<void> compress_pointers(const float* const* gradients) {
    return detail::finish<Errors>(gossamer_compress(handle(), gradients));
  }

  // Starts the exchange of what was compressed. BUSY where one is in flight.
  Returned<BasicOperation<Errors>> reduce() {
    if (!core_.alive()) return dead<BasicOperation<Errors>>();
    gossamer_operation* operation = nullptr;
    const gossamer_status status = gossamer_reduce(handle(), &operation);
    return detail::finish<Errors>(status, [&] {
      core_->note_start(operation);
      return BasicOperation<Errors>(detail::Use<>::one_more(core_.get()), operation);
    });
  }

  Returned<BasicUpdate<Errors>> recover() {
    if (!core_.alive()) return dead<BasicUpdate<Errors>>();
    gossamer_update update = GOSSAMER_UPDATE_INIT;
    return detail::finish<Errors>(gossamer_recover(handle(), &update), [&] {
      return BasicUpdate<Errors>(detail::Use<detail::CompressorCore>::one_more(core_.get()), update);
    });
  }

  [[nodiscard]] Returned<gossamer_stats> stats() const {
    gossamer_stats stats = GOSSAMER_STATS_INIT;
    return detail::finish<Errors>(gossamer_compressor_stats(handle(), &stats), [&] { return stats; });
  }

  // This rank's residual, momentum and step, for a checkpoint.
  [[nodiscard]] Returned<std::vector<std::byte>> save() {
    std::size_t bytes = 0;
    const gossamer_status sized = gossamer_compressor_state_size(handle(), &bytes);
    std::vector<std::byte> state(sized == GOSSAMER_DONE ? bytes : 0);
    const gossamer_status status =
        sized == GOSSAMER_DONE ? gossamer_compressor_save(handle(), state.data(), state.size()) : sized;
    return detail::finish<Errors>(status, [&] { return std::move(state); });
  }
  Returned<void> save_file(const char* path) {
    return detail::finish<Errors>(gossamer_compressor_save_file(handle(), path));
  }
  // Collective. Which states each rank is given, gossamer.h says.
  Returned<void> load(Span<const gossamer_state> states, bool allows_new = false, Timeout timeout = Timeout::zero()) {
    return detail::finish<Errors>(
        gossamer_compressor_load(handle(), states.data(), states.size(), allows_new ? 1 : 0, detail::ns(timeout)));
  }
  Returned<void> load(const std::vector<std::byte>& state, bool allows_new = false, Timeout timeout = Timeout::zero()) {
    const gossamer_state one = {state.data(), state.size()};
    return load(Span<const gossamer_state>(&one, 1), allows_new, timeout);
  }
  Returned<void> load_files(Span<const char* const> paths, bool allows_new = false, Timeout timeout = Timeout::zero()) {
    return detail::finish<Errors>(
        gossamer_compressor_load_files(handle(), paths.data(), paths.size(), allows_new ? 1 : 0, detail::ns(timeout)));
  }

  [[nodiscard]] gossamer_compressor* handle() const noexcept { return core_.template handle<gossamer_compressor>(); }

 private:
  template <typename T>
  static Returned<T> dead() {
    return detail::refuse<Errors, T>("the compressor is over: its session has ended, or it was moved from");
  }
  detail::Owner<detail::CompressorCore> core_;
};

// A rank's part of a vector.
struct Slice {
  std::size_t first;
  std::size_t count;
};

template <typename Errors>
class BasicCollective {
  template <typename T>
  using Returned = typename Errors::template Returned<T>;

 public:
  explicit BasicCollective(detail::Owner<detail::CollectiveCore> core) noexcept : core_(std::move(core)) {}

  // Starts it on what is in the input now.
  Returned<BasicOperation<Errors>> start() {
    if (!core_.alive()) return dead<BasicOperation<Errors>>();
    gossamer_operation* operation = nullptr;
    const gossamer_status status = gossamer_collective_start(handle(), &operation);
    return detail::finish<Errors>(status, [&] {
      core_->note_start(operation);
      return BasicOperation<Errors>(detail::Use<>::one_more(core_.get()), operation);
    });
  }

  // Which elements of the vector are rank `rank`'s in a reduce-scatter or an all-gather.
  [[nodiscard]] Returned<Slice> slice(std::int32_t rank) const {
    std::uint64_t first = 0, count = 0;
    return detail::finish<Errors>(gossamer_collective_slice(handle(), rank, &first, &count), [&] {
      return Slice{static_cast<std::size_t>(first), static_cast<std::size_t>(count)};
    });
  }

  [[nodiscard]] gossamer_collective* handle() const noexcept { return core_.template handle<gossamer_collective>(); }

 private:
  template <typename T>
  static Returned<T> dead() {
    return detail::refuse<Errors, T>("the collective is over: its session has ended, or it was moved from");
  }
  detail::Owner<detail::CollectiveCore> core_;
};

// Some ranks of a session. What was made on it stays when it ends.
template <typename Errors>
class BasicGroup {
 public:
  explicit BasicGroup(detail::Owner<> core) noexcept : core_(std::move(core)) {}
  [[nodiscard]] gossamer_group* handle() const noexcept { return core_.template handle<gossamer_group>(); }

 private:
  detail::Owner<> core_;
};

// Zeroed memory that ranks of this host read in place. It is a vector for all calls here, and freed when it and all
// collectives on it have ended. Empty after its session's end.
template <typename T>
class Memory {
 public:
  Memory(detail::Use<> core, std::size_t size) noexcept : core_(std::move(core)), size_(size) {}
  [[nodiscard]] T* data() const noexcept { return core_.template handle<T>(); }
  [[nodiscard]] std::size_t size() const noexcept { return core_.alive() ? size_ : 0; }
  [[nodiscard]] T* begin() const noexcept { return data(); }
  [[nodiscard]] T* end() const noexcept { return data() + size(); }
  T& operator[](std::size_t i) const noexcept { return data()[i]; }
  [[nodiscard]] detail::Use<> use() const noexcept { return detail::Use<>::one_more(core_.get()); }

 private:
  detail::Use<> core_;
  std::size_t size_;
};

// Where a collective is, and how. In C++20: {.group = &rows}.
template <typename Errors>
struct BasicPlace {
  const BasicGroup<Errors>* group = nullptr;  // none: all ranks
  gossamer_schedule schedule = GOSSAMER_SCHEDULE_AUTO;
  const char* name = nullptr;  // for messages
};

// ---- session ------------------------------------------------------------------------------------------------

template <typename Errors>
class BasicSession {
  template <typename T>
  using Returned = typename Errors::template Returned<T>;

 public:
  using Collective = BasicCollective<Errors>;
  using Compressor = BasicCompressor<Errors>;
  using Group = BasicGroup<Errors>;
  using Place = BasicPlace<Errors>;

  // Joins: ranks as launcher, environment or `config` say.
  [[nodiscard]] static Returned<BasicSession> init(const gossamer_config& config = Config()) {
    return init_by([&](gossamer_session** session) { return gossamer_init(&config, session); });
  }
  [[nodiscard]] static Returned<BasicSession> init_with_id(const gossamer_unique_id& id, std::int32_t rank,
                                                           std::int32_t rank_count,
                                                           const gossamer_config& config = Config()) {
    return init_by(
        [&](gossamer_session** session) { return gossamer_init_with_id(&config, &id, rank, rank_count, session); });
  }
  [[nodiscard]] static Returned<BasicSession> init_with_launch(const gossamer_launch& launch,
                                                               const gossamer_config& config = Config()) {
    return init_by([&](gossamer_session** session) { return gossamer_init_with_launch(&config, &launch, session); });
  }
  // An id for init_with_id, on the rank that will be rank 0: hand its bytes to the others.
  [[nodiscard]] static Returned<gossamer_unique_id> make_unique_id(const gossamer_config& config = Config()) {
    gossamer_unique_id id = {};
    return detail::finish<Errors>(gossamer_unique_id_create(&config, &id), [&] { return id; });
  }
  // By a function of C that takes a gossamer_session**:
  //     init_by([](auto session) { return gossamer_mpi_init(MPI_COMM_WORLD, nullptr, session); })
  template <typename Call>
  [[nodiscard]] static Returned<BasicSession> init_by(Call call) {
    detail::Owner<> core(
        new detail::Core([](detail::Core& self) { gossamer_finalize(static_cast<gossamer_session*>(self.handle)); }));
    gossamer_session* session = nullptr;
    const gossamer_status status = call(&session);
    return detail::finish<Errors>(status, [&] {
      core->handle = session;
      return BasicSession(std::move(core));
    });
  }

  // Leaves now, and not at the end of the object. Blocks as gossamer_finalize does.
  void finalize() noexcept { core_.close(); }

  // Gives the session up, from any thread, but not while or after it ends: calls that wait in another one end with
  // CANCELLED.
  Returned<void> abort() { return detail::finish<Errors>(gossamer_abort(handle())); }

  // What this rank has done so far, as JSON.
  [[nodiscard]] Returned<std::string> report() {
    std::string text;
    std::size_t bytes = 0;
    gossamer_status status = gossamer_session_report(handle(), nullptr, 0, &bytes);
    while (status == GOSSAMER_OUT_OF_RESOURCES && bytes > text.size()) {
      text.resize(bytes + 256);  // numbers grow
      status = gossamer_session_report(handle(), text.data(), text.size(), &bytes);
    }
    return detail::finish<Errors>(status, [&] {
      text.resize(bytes - 1);
      return std::move(text);
    });
  }

  [[nodiscard]] std::int32_t rank() const noexcept { return gossamer_rank(handle()); }
  [[nodiscard]] std::int32_t rank_count() const noexcept { return gossamer_rank_count(handle()); }

  // Once, in place; for vectors that are summed often make_all_reduce is faster.
  template <typename Range>
  Returned<void> all_reduce(Range&& vector, Op op, Timeout timeout = Timeout::zero()) {
    detail::check_written<Range>();
    return detail::finish<Errors>(gossamer_all_reduce(handle(), std::data(vector), std::size(vector),
                                                      TypeOf<detail::Element<Range>>::value, std::int32_t(op),
                                                      detail::ns(timeout)));
  }
  // From `root` to all others; elements of any type that may be copied as bytes.
  template <typename Range>
  Returned<void> broadcast(Range&& vector, std::int32_t root, Timeout timeout = Timeout::zero()) {
    detail::check_written<Range>();
    return detail::finish<Errors>(
        gossamer_broadcast(handle(), std::data(vector), bytes(vector), root, detail::ns(timeout)));
  }
  // MISMATCH where two ranks differ. `name` says what it is.
  template <typename Range>
  Returned<void> check_equal(const char* name, const Range& vector, Timeout timeout = Timeout::zero()) {
    return detail::finish<Errors>(
        gossamer_check_equal(handle(), name, std::data(vector), bytes(vector), detail::ns(timeout)));
  }
  Returned<void> barrier(Timeout timeout = Timeout::zero()) {
    return detail::finish<Errors>(gossamer_barrier(handle(), detail::ns(timeout)));
  }

  // Local. Rank i of the group is rank ranks[i] of the session.
  [[nodiscard]] Returned<Group> make_group(Span<const std::int32_t> ranks) {
    detail::Owner<> core(new detail::Core(
        [](detail::Core& self) { gossamer_group_destroy(static_cast<gossamer_group*>(self.handle)); }, core_.get()));
    gossamer_group* group = nullptr;
    return detail::finish<Errors>(gossamer_group_create(handle(), ranks.data(), ranks.size(), &group), [&] {
      core->handle = group;
      return Group(std::move(core));
    });
  }
  [[nodiscard]] Returned<Group> make_group(std::initializer_list<std::int32_t> ranks) {
    return make_group(Span<const std::int32_t>(ranks.begin(), ranks.size()));
  }

  // Local.
  template <typename T>
  [[nodiscard]] Returned<Memory<T>> allocate(std::size_t count) {
    static_assert(std::is_trivial_v<T>, "the memory is zeroed, and nothing is constructed in it");
    if (count > SIZE_MAX / sizeof(T)) return detail::refuse<Errors, Memory<T>>("allocate: so much memory has no size");
    detail::Use<> core(new detail::Core(
        [](detail::Core& self) {
          if (!self.may_be_written && !self.session_has_ended())
            (void)gossamer_free(static_cast<gossamer_session*>(self.session->handle), self.handle);
        },
        core_.get()));
    void* memory = nullptr;
    return detail::finish<Errors>(gossamer_allocate(handle(), count * sizeof(T), &memory), [&] {
      core->handle = memory;
      return Memory<T>(std::move(core), count);
    });
  }

  // Collective, in the same order on all ranks. `tensors` stand in for those of `config`; all is copied.
  [[nodiscard]] Returned<Compressor> make_compressor(Span<const gossamer_tensor> tensors,
                                                     gossamer_compressor_config config = CompressorConfig()) {
    auto* made = new detail::CompressorCore(
        [](detail::Core& self) { gossamer_compressor_destroy(static_cast<gossamer_compressor*>(self.handle)); },
        core_.get());
    detail::Owner<detail::CompressorCore> core(made);
    for (const gossamer_tensor& tensor : tensors) core->counts.push_back(tensor.count);
    core->gradients.resize(tensors.size());
    core->weights.resize(tensors.size());
    config.tensors = tensors.data();
    config.tensor_count = tensors.size();
    config.tensor_size = sizeof(gossamer_tensor);
    gossamer_compressor* compressor = nullptr;
    return detail::finish<Errors>(gossamer_compressor_create(handle(), &config, &compressor), [&] {
      core->handle = compressor;
      return Compressor(std::move(core));
    });
  }
  [[nodiscard]] Returned<Compressor> make_compressor(std::initializer_list<gossamer_tensor> tensors,
                                                     gossamer_compressor_config config = CompressorConfig()) {
    return make_compressor(Span<const gossamer_tensor>(tensors.begin(), tensors.size()), config);
  }

  // Collectives over the ranks of `place`, made in the same order on all of them, to be started many times. A vector is
  // a name or a Span, never a temporary. In place, or from input to output of the same type and length.
  template <typename Vector>
  [[nodiscard]] Returned<Collective> make_all_reduce(Vector&& vector, Op op, const Place& place = {}) {
    return make(GOSSAMER_ALL_REDUCE, vector, vector, op, 0, place, nullptr, Kept<Vector>());
  }
  template <typename Input, typename Output>
  [[nodiscard]] Returned<Collective> make_all_reduce_into(Output&& output, Input&& input, Op op,
                                                          const Place& place = {}) {
    return make(GOSSAMER_ALL_REDUCE, input, output, op, 0, place, nullptr, Kept<Input, Output>());
  }
  template <typename Vector>
  [[nodiscard]] Returned<Collective> make_reduce(Vector&& vector, Op op, std::int32_t root, const Place& place = {}) {
    return make(GOSSAMER_REDUCE, vector, vector, op, root, place, nullptr, Kept<Vector>());
  }
  template <typename Vector>
  [[nodiscard]] Returned<Collective> make_broadcast(Vector&& vector, std::int32_t root, const Place& place = {}) {
    return make(GOSSAMER_BROADCAST, vector, vector, Op::sum, root, place, nullptr, Kept<Vector>());
  }
  // The slice of each rank is its part of `vector`; the rest has no meaning afterwards.
  template <typename Vector>
  [[nodiscard]] Returned<Collective> make_reduce_scatter(Vector&& vector, Op op, const Place& place = {}) {
    return make(GOSSAMER_REDUCE_SCATTER, vector, vector, op, 0, place, nullptr, Kept<Vector>());
  }
  template <typename Vector>
  [[nodiscard]] Returned<Collective> make_all_gather(Vector&& vector, const Place& place = {}) {
    return make(GOSSAMER_ALL_GATHER, vector, vector, Op::sum, 0, place, nullptr, Kept<Vector>());
  }
  template <typename Vector>
  [[nodiscard]] Returned<Collective> make_neighbor_reduce(Vector&& vector, const gossamer_graph& graph = Graph(),
                                                          const Place& place = {}) {
    return make(GOSSAMER_NEIGHBOR_REDUCE, vector, vector, Op::sum, 0, place, &graph, Kept<Vector>());
  }
  [[nodiscard]] Returned<Collective> make_barrier(const Place& place = {}) {
    Span<float> none;
    return make(GOSSAMER_BARRIER, none, none, Op::sum, 0, place, nullptr, Kept<>());
  }
  // As in C, for what has no function above; keeps no memory.
  [[nodiscard]] Returned<Collective> make_collective(const gossamer_collective_config& config) {
    auto* made = new detail::CollectiveCore(&close_collective, core_.get());
    made->on_other_memory = true;
    return create(detail::Owner<detail::CollectiveCore>(made), config);
  }

  [[nodiscard]] gossamer_session* handle() const noexcept { return core_.template handle<gossamer_session>(); }

 private:
  template <typename... Ranges>
  struct Kept {
    static_assert((detail::outlives<Ranges> && ...),
                  "the vector must outlive the collective: pass one that has a name");
  };

  explicit BasicSession(detail::Owner<> core) noexcept : core_(std::move(core)) {}

  template <typename Range>
  static std::size_t bytes(const Range& vector) {
    using T = std::remove_const_t<detail::Element<const Range>>;
    static_assert(std::is_trivially_copyable_v<T>, "elements travel as bytes: they must be trivially copyable");
    return std::size(vector) * sizeof(T);
  }

  // What keeps a vector while a collective works on it, if anything does.
  template <typename T>
  static detail::Use<> keeper(const Memory<T>& memory) noexcept {
    return memory.use();
  }
  template <typename Range>
  static detail::Use<> keeper(const Range&) noexcept {
    return detail::Use<>();
  }

  static void close_collective(detail::Core& self) {
    if (self.session_has_ended()) return gossamer_collective_destroy(static_cast<gossamer_collective*>(self.handle));
    if (self.running != nullptr) self.note_end(gossamer_operation_test(self.running));
    gossamer_collective_destroy(static_cast<gossamer_collective*>(self.handle));
    if (!self.may_be_written) return;
    auto& collective = static_cast<detail::CollectiveCore&>(self);
    for (const detail::Use<>& memory : collective.memory) {
      if (memory.get() != nullptr) memory->may_be_written = true;  // finalize frees it
    }
    if (collective.on_other_memory) self.session->close();
  }

  static Returned<Collective> create(detail::Owner<detail::CollectiveCore> core,
                                     const gossamer_collective_config& config) {
    gossamer_collective* collective = nullptr;
    auto* session = core->session != nullptr ? static_cast<gossamer_session*>(core->session->handle) : nullptr;
    return detail::finish<Errors>(gossamer_collective_create(session, &config, &collective), [&] {
      core->handle = collective;
      return Collective(std::move(core));
    });
  }

  template <typename Input, typename Output, typename Lives>
  Returned<Collective> make(gossamer_collective_kind kind, Input& input, Output& output, Op op, std::int32_t root,
                            const Place& place, const gossamer_graph* graph, Lives) {
    using T = detail::Element<Output>;
    detail::check_written<Output>();
    static_assert(std::is_same_v<std::remove_const_t<detail::Element<Input>>, T>,
                  "input and output have different types");
    if (std::size(input) != std::size(output)) {
      return detail::refuse<Errors, Collective>("input and output must have as many elements as each other");
    }
    CollectiveConfig config;
    if (place.group != nullptr) {
      config.group = place.group->handle();
      if (config.group == nullptr) {
        return detail::refuse<Errors, Collective>("the group is over: its session has ended, or it was moved from");
      }
    }
    detail::Owner<detail::CollectiveCore> core(new detail::CollectiveCore(&close_collective, core_.get()));
    core->memory = {keeper(input), keeper(output)};
    core->on_other_memory = core->memory[0].get() == nullptr || core->memory[1].get() == nullptr;
    config.name = place.name;
    config.kind = kind;
    config.type = TypeOf<T>::value;
    config.op = static_cast<std::int32_t>(op);
    config.root = root;
    config.count = std::size(output);
    config.input = std::data(input);
    config.output = std::data(output);
    config.graph = graph;
    config.schedule = place.schedule;
    return create(std::move(core), config);
  }

  detail::Owner<> core_;
};

// ---- the two policies by name -------------------------------------------------------------------------------

#if defined(__cpp_exceptions)
using Collective = BasicCollective<Throwing>;
using Compressor = BasicCompressor<Throwing>;
using Group = BasicGroup<Throwing>;
using Operation = BasicOperation<Throwing>;
using Place = BasicPlace<Throwing>;
using Session = BasicSession<Throwing>;
using Update = BasicUpdate<Throwing>;
#endif

namespace results {
using Collective = BasicCollective<Reporting>;
using Compressor = BasicCompressor<Reporting>;
using Group = BasicGroup<Reporting>;
using Operation = BasicOperation<Reporting>;
using Place = BasicPlace<Reporting>;
using Session = BasicSession<Reporting>;
using Update = BasicUpdate<Reporting>;
}  // namespace results

}  // namespace cpp_0
}  // namespace gossamer

#endif  // GOSSAMER_HPP

#include "runtime/session/saved_state.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <map>
#include <set>
#include <utility>

#include "sketch/sketch.h"

namespace gossamer::runtime {

namespace {

static_assert(std::endian::native == std::endian::little, "saved states are little-endian");

constexpr std::uint64_t magic = 0x54415453'53534f47;  // "GOSSSTAT"
constexpr std::size_t checksum_at = 24;
constexpr std::size_t head_bytes = 64;
constexpr std::size_t tensor_head_bytes = 24;
constexpr std::uint32_t has_residual = 1;
constexpr std::uint32_t has_momentum = 2;
constexpr std::uint32_t has_shared_momentum = 4;
constexpr std::uint64_t max_saved_elements = std::uint64_t{1} << 48;

constexpr std::size_t padded(std::size_t bytes) { return (bytes + 7) / 8 * 8; }

std::uint64_t checksum(std::span<const std::byte> bytes) {
  return mix64(sketch::hash_bytes(bytes.first(checksum_at)), sketch::hash_bytes(bytes.subspan(checksum_at + 8)));
}

class Writer {
 public:
  explicit Writer(std::span<std::byte> bytes) : rest_(bytes) {}
  template <typename Number>
  void put(Number number) {
    std::memcpy(take(sizeof number).data(), &number, sizeof number);
  }
  std::span<std::byte> take(std::size_t count) {
    const auto taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }

 private:
  std::span<std::byte> rest_;
};

// What lies beyond the end reads as zeros, and is remembered.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : rest_(bytes) {}
  template <typename Number>
  Number take() {
    Number number = 0;
    if (const auto taken = take_bytes(sizeof number); !taken.empty()) std::memcpy(&number, taken.data(), sizeof number);
    return number;
  }
  std::span<const std::byte> take_bytes(std::size_t count) {
    if (count > rest_.size()) {
      is_short_ = true;
      rest_ = {};
      return {};
    }
    const auto taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }
  [[nodiscard]] std::size_t left() const { return rest_.size(); }
  [[nodiscard]] bool is_short() const { return is_short_; }

 private:
  std::span<const std::byte> rest_;
  bool is_short_ = false;
};

// Floats that may begin anywhere.
void copy_floats(std::span<const std::byte> from, std::span<float> to) {
  if (!to.empty()) std::memcpy(to.data(), from.data(), to.size() * sizeof(float));
}

// The first that is not finite, `count` if there is none.
std::uint64_t first_non_finite(std::span<const std::byte> floats, std::uint64_t count) {
  std::array<float, 2048> chunk;
  for (std::uint64_t first = 0; first < count; first += chunk.size()) {
    const auto here = std::span(chunk).first(std::min<std::uint64_t>(chunk.size(), count - first));
    copy_floats(floats.subspan(first * sizeof(float)), here);
    if (const std::size_t at = sketch::first_non_finite(here); at < here.size()) return first + at;
  }
  return count;
}

std::uint32_t vectors_of(const KeptVectors& kept) { return (kept.residual ? 1u : 0u) + (kept.momentum ? 1u : 0u); }

Status read_tensors(std::string_view subject, Reader& reader, std::uint64_t count, SavedState& state) {
  const auto malformed = [&](const auto&... words) { return Error{Code::malformed, text(subject, ": ", words...)}; };
  if (count == 0 || count > reader.left() / tensor_head_bytes)
    return malformed("it says that it has ", count, " tensors, in ", reader.left(), " B");
  std::set<std::string_view> names;
  std::uint64_t elements = 0;
  // What has numbers saved is no longer than they are; what has none is as long as it says.
  const std::uint64_t most_elements =
      vectors_of(state.kept) > 0 ? state.bytes.size() / sizeof(float) : max_saved_elements;
  state.tensors.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto first = reader.take<std::uint64_t>();
    SavedTensor tensor;
    tensor.count = reader.take<std::uint64_t>();
    const auto name_bytes = reader.take<std::uint32_t>();
    const auto exact = reader.take<std::uint32_t>();
    const auto name = reader.take_bytes(name_bytes);
    const auto padding = reader.take_bytes(padded(name_bytes) - name_bytes);
    const bool is_padded = std::all_of(padding.begin(), padding.end(), [](std::byte b) { return b == std::byte{0}; });
    if (reader.is_short() || first != 0 || exact > 1 || !is_padded || tensor.count == 0 || tensor.count > most_elements)
      return malformed("its tensor ", i, " of ", count, " is none");
    tensor.name.assign(reinterpret_cast<const char*>(name.data()), name.size());
    tensor.exact = exact == 1;
    elements += tensor.count;
    state.tensors.push_back(std::move(tensor));
    if (elements > most_elements) return malformed("its tensors have more elements than it has numbers");
  }
  for (const SavedTensor& tensor : state.tensors)
    if (!names.insert(tensor.name).second) return malformed("two of its tensors are named \"", tensor.name, "\"");
  if (reader.left() != elements * sizeof(float) * vectors_of(state.kept))
    return malformed("it has ", reader.left(), " B of numbers for ", elements, " elements");
  return {};
}

// Places the numbers, and looks at them.
Status read_numbers(std::string_view subject, std::size_t at, SavedState& state) {
  const auto place = [&](bool is_there, std::size_t SavedTensor::*begins, std::string_view what) -> Status {
    for (SavedTensor& tensor : state.tensors) {
      if (!is_there) break;
      tensor.*begins = at;
      const std::uint64_t bad = first_non_finite(state.bytes.subspan(at), tensor.count);
      if (bad < tensor.count)
        return Error{Code::malformed, text(subject, ": the ", what, " of tensor \"", tensor.name,
                                           "\" is NaN or infinite at index ", bad)};
      at += tensor.count * sizeof(float);
    }
    return {};
  };
  GOSSAMER_TRY(place(state.kept.residual, &SavedTensor::residual_at, "residual"));
  return place(state.kept.momentum, &SavedTensor::momentum_at, "momentum");
}

}  // namespace

std::size_t saved_state_bytes(const Algorithm& algorithm) {
  const Layout& layout = algorithm.layout();
  std::size_t bytes = head_bytes + layout.dimension() * sizeof(float) * vectors_of(algorithm.kept());
  for (std::size_t i = 0; i < layout.tensor_count(); ++i)
    bytes += tensor_head_bytes + padded(layout.tensor(i).name.size());
  return bytes;
}

Status save_state(Algorithm& algorithm, std::span<std::byte> bytes) {
  const Layout& layout = algorithm.layout();
  const KeptVectors kept = algorithm.kept();
  Writer writer(bytes);
  writer.put(magic);
  writer.put(saved_state_version);
  writer.put((kept.residual ? has_residual : 0u) | (kept.momentum ? has_momentum : 0u) |
             (kept.is_momentum_shared ? has_shared_momentum : 0u));
  writer.put(static_cast<std::uint64_t>(bytes.size()));
  writer.put(std::uint64_t{0});
  writer.put(static_cast<std::uint32_t>(algorithm.context().shape.algorithm));
  writer.put(algorithm.context().rank.value);
  writer.put(algorithm.context().rank_count);
  writer.put(std::uint32_t{0});
  writer.put(algorithm.step());
  writer.put(static_cast<std::uint64_t>(layout.tensor_count()));
  for (std::size_t i = 0; i < layout.tensor_count(); ++i) {
    const Tensor& tensor = layout.tensor(i);
    writer.put(std::uint64_t{0});
    writer.put(tensor.count);
    writer.put(static_cast<std::uint32_t>(tensor.name.size()));
    writer.put(std::uint32_t{tensor.exact ? 1u : 0u});
    const auto name = writer.take(padded(tensor.name.size()));
    std::fill(name.begin(), name.end(), std::byte{0});
    std::memcpy(name.data(), tensor.name.data(), tensor.name.size());
  }
  std::vector<float> values;
  const auto put_vector = [&](Kept which) -> Status {
    for (std::size_t i = 0; i < layout.tensor_count(); ++i) {
      values.resize(layout.tensor(i).count);
      GOSSAMER_TRY(algorithm.read_kept(which, i, values));
      std::memcpy(writer.take(values.size() * sizeof(float)).data(), values.data(), values.size() * sizeof(float));
    }
    return {};
  };
  if (kept.residual) GOSSAMER_TRY(put_vector(Kept::residual));
  if (kept.momentum) GOSSAMER_TRY(put_vector(Kept::momentum));
  const std::uint64_t sum = checksum(bytes);
  std::memcpy(bytes.data() + checksum_at, &sum, sizeof sum);
  return {};
}

Result<SavedState> read_state(std::string_view subject, std::span<const std::byte> bytes) {
  const auto malformed = [&](const auto&... words) { return Error{Code::malformed, text(subject, ": ", words...)}; };
  SavedState state;
  state.bytes = bytes;
  Reader reader(bytes);
  const auto found_magic = reader.take<std::uint64_t>();
  const auto format = reader.take<std::uint32_t>();
  const auto flags = reader.take<std::uint32_t>();
  const auto total = reader.take<std::uint64_t>();
  const auto sum = reader.take<std::uint64_t>();
  if (reader.is_short() || found_magic != magic)
    return malformed("its ", bytes.size(), " B are no saved state of a compressor");
  if (format > saved_state_version)
    return Error{Code::mismatch, text(subject, ": a newer Gossamer saved it, in version ", format,
                                      " of the format; this one reads up to ", saved_state_version)};
  if (format == 0 || bytes.size() < head_bytes || total != bytes.size())
    return malformed("it has ", bytes.size(), " B, and says that it has ", total, ": it was cut off or added to");
  if (sum != checksum(bytes)) return malformed("its checksum is wrong: bytes of it were changed");
  const auto algorithm = reader.take<std::uint32_t>();
  state.rank = Rank{reader.take<std::uint32_t>()};
  state.rank_count = reader.take<std::uint32_t>();
  const auto zero = reader.take<std::uint32_t>();
  state.step = reader.take<std::uint64_t>();
  const auto tensor_count = reader.take<std::uint64_t>();
  state.kept = {(flags & has_residual) != 0, (flags & has_momentum) != 0, (flags & has_shared_momentum) != 0};
  if (find_algorithm(std::int64_t{algorithm}) == nullptr)
    return malformed("its algorithm is ", algorithm, ", which is none");
  state.algorithm = static_cast<AlgorithmKind>(algorithm);
  if (flags > (has_residual | has_momentum | has_shared_momentum) || zero != 0 ||
      state.rank.value >= state.rank_count || (state.kept.is_momentum_shared && state.kept.residual))
    return malformed("its head is none of version ", format);
  GOSSAMER_TRY(read_tensors(subject, reader, tensor_count, state));
  GOSSAMER_TRY(read_numbers(subject, bytes.size() - reader.left(), state));
  return state;
}

namespace {

// One tensor's part of one state.
struct Piece {
  const SavedState* state = nullptr;
  const SavedTensor* tensor = nullptr;
};
// The pieces that a tensor has, by the rank that saved them.
using Pieces = std::map<std::uint32_t, Piece>;

std::span<const std::byte> floats_of(const Piece& piece, Kept which) {
  const std::size_t at = which == Kept::residual ? piece.tensor->residual_at : piece.tensor->momentum_at;
  return piece.state->bytes.subspan(at, piece.tensor->count * sizeof(float));
}

// Adds up in double, and takes the bits of a single one as they are.
void sum_pieces(std::span<const Piece> pieces, Kept which, std::span<float> sums) {
  if (pieces.size() == 1) return copy_floats(floats_of(pieces[0], which), sums);
  for (std::size_t i = 0; i < sums.size() && !pieces.empty(); ++i) {
    double sum = 0.0;
    for (const Piece& piece : pieces) {
      float value = 0.0f;
      std::memcpy(&value, floats_of(piece, which).data() + i * sizeof(float), sizeof value);
      sum += value;
    }
    sums[i] = static_cast<float>(sum);
  }
}

Status check_states(const Algorithm& algorithm, std::span<const SavedState> states) {
  if (states.empty()) return Error{Code::invalid_argument, "no saved states are given, expected one at least"};
  for (const SavedState& state : states) {
    if (state.algorithm != algorithm.context().shape.algorithm)
      return Error{Code::mismatch, text("a state of ", algorithm_name(state.algorithm), " cannot go on as ",
                                        algorithm_name(algorithm.context().shape.algorithm))};
    if (state.rank_count != states[0].rank_count)
      return Error{Code::mismatch, text("a state of a session of ", state.rank_count, " ranks is beside one of ",
                                        states[0].rank_count, ": load those of one session")};
  }
  return {};
}

Result<Pieces> pieces_of(const Tensor& tensor, std::span<const SavedState> states) {
  Pieces pieces;
  for (const SavedState& state : states) {
    for (const SavedTensor& saved : state.tensors) {
      if (saved.name != tensor.name) continue;
      if (saved.count != tensor.count)
        return Error{Code::mismatch, text("tensor \"", tensor.name, "\" has ", tensor.count, " elements here, and ",
                                          saved.count, " in the state: it is of another model")};
      if (saved.exact != tensor.exact)
        return Error{Code::mismatch, text("tensor \"", tensor.name, "\" is ", tensor.exact ? "" : "not ",
                                          "exact here, and ", saved.exact ? "" : "not ", "in the state")};
      if (!pieces.try_emplace(state.rank.value, Piece{&state, &saved}).second)
        return Error{Code::mismatch, text("tensor \"", tensor.name, "\" of rank ", state.rank.value,
                                          " is in two of the states: it would count twice")};
    }
  }
  return pieces;
}

// Those that this rank takes over; empty where its share is zeros.
Result<std::vector<Piece>> share_of(const AlgorithmContext& own, const Tensor& tensor, const Pieces& pieces,
                                    std::uint32_t saved_count) {
  std::vector<Piece> share;
  for (std::uint32_t s = own.rank.value; s < saved_count; s += own.rank_count) {
    const auto found = pieces.find(s);
    if (found == pieces.end())
      return Error{Code::mismatch, text("rank ", own.rank.value, " of ", own.rank_count, " takes over what rank ", s,
                                        " of ", saved_count, " had of tensor \"", tensor.name,
                                        "\", and that is in none of the states that it was given")};
    share.push_back(found->second);
  }
  return share;
}

}  // namespace

Result<TakenState> take_states(const Algorithm& algorithm, std::span<const SavedState> states, bool allows_new) {
  GOSSAMER_TRY(check_states(algorithm, states));
  const Layout& layout = algorithm.layout();
  const KeptVectors kept = algorithm.kept();
  TakenState taken;
  taken.rank_count = states[0].rank_count;
  taken.found.resize(layout.tensor_count());
  if (kept.residual) taken.residual.resize(layout.dimension());
  if (kept.momentum) taken.momentum.resize(layout.dimension());
  for (std::size_t i = 0; i < layout.tensor_count(); ++i) {
    const Tensor& tensor = layout.tensor(i);
    GOSSAMER_ASSIGN(const Pieces pieces, pieces_of(tensor, states));
    taken.found[i] = !pieces.empty();
    if (pieces.empty() && !allows_new)
      return Error{Code::mismatch, text("tensor \"", tensor.name,
                                        "\" is in none of the states: they are of another model, or not all")};
    if (pieces.empty()) continue;
    for (const auto& [rank, piece] : pieces) taken.step = std::max(taken.step, piece.state->step);
    std::vector<Piece> share;
    if (kept.is_momentum_shared) {
      share = {pieces.begin()->second};
    } else {
      GOSSAMER_ASSIGN(share, share_of(algorithm.context(), tensor, pieces, taken.rank_count));
    }
    const auto take = [&](Kept which, bool KeptVectors::*has, std::vector<float>& all) -> Status {
      // Saved without momentum, and with it from now on: it begins at zero.
      if (all.empty() || share.empty() || !(share[0].state->kept.*has)) return {};
      const std::span<float> values = std::span(all).subspan(layout.outer_offset(i), tensor.count);
      sum_pieces(share, which, values);
      const std::size_t bad = sketch::first_non_finite(values);
      if (bad == values.size()) return {};
      return Error{Code::not_finite, text("the sum of several ranks' states is infinite at index ", bad,
                                          " of tensor \"", tensor.name, "\"")};
    };
    GOSSAMER_TRY(take(Kept::residual, &KeptVectors::residual, taken.residual));
    GOSSAMER_TRY(take(Kept::momentum, &KeptVectors::momentum, taken.momentum));
  }
  return taken;
}

Status load_state(Algorithm& algorithm, const TakenState& taken) {
  const Layout& layout = algorithm.layout();
  const auto put_vector = [&](Kept which, const std::vector<float>& all) -> Status {
    for (std::size_t i = 0; i < layout.tensor_count() && !all.empty(); ++i)
      GOSSAMER_TRY(
          algorithm.write_kept(which, i, std::span(all).subspan(layout.outer_offset(i), layout.tensor(i).count)));
    return {};
  };
  GOSSAMER_TRY(put_vector(Kept::residual, taken.residual));
  GOSSAMER_TRY(put_vector(Kept::momentum, taken.momentum));
  algorithm.set_step(taken.step);
  return {};
}

}  // namespace gossamer::runtime

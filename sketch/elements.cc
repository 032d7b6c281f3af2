#include "sketch/elements.h"

#include <array>

#include "sketch/kernels.h"

namespace gossamer::sketch {
namespace {

#define GOSSAMER_ROW_VALUE(name, ...) ElementType::name,
constexpr std::array element_types = {GOSSAMER_ELEMENT_TABLE(GOSSAMER_ROW_VALUE)};
#undef GOSSAMER_ROW_VALUE
#define GOSSAMER_ROW_VALUE(name, ...) ReduceOp::name,
constexpr std::array reduce_ops = {GOSSAMER_REDUCE_OP_TABLE(GOSSAMER_ROW_VALUE)};
#undef GOSSAMER_ROW_VALUE

template <typename Value, std::size_t size>
std::optional<Value> find_number(const std::array<Value, size>& values, std::int64_t number) {
  for (const Value value : values)
    if (static_cast<std::int64_t>(value) == number) return value;
  return std::nullopt;
}

template <typename Value, std::size_t size>
std::optional<Value> find_name(const std::array<Value, size>& values, std::string_view name) {
  for (const Value value : values)
    if (row_of(value).name == name) return value;
  return std::nullopt;
}

}  // namespace

std::span<const ElementType> all_element_types() { return element_types; }
std::span<const ReduceOp> all_reduce_ops() { return reduce_ops; }

std::optional<ElementType> find_element_type(std::int64_t number) { return find_number(element_types, number); }
std::optional<ElementType> find_element_type(std::string_view name) { return find_name(element_types, name); }
std::optional<ReduceOp> find_reduce_op(std::int64_t number) { return find_number(reduce_ops, number); }
std::optional<ReduceOp> find_reduce_op(std::string_view name) { return find_name(reduce_ops, name); }

Status check_op_fits(ElementType type, ReduceOp op) {
  if (op_fits(type, op)) return {};
  const ReduceOpRow row = row_of(op);
  return Error{Code::invalid_argument,
               text(row.name, " is for ", row.takes == ElementKind::floating ? "floating-point" : "integer",
                    " elements, not for ", element_type_name(type), ": ", row.instead)};
}

void reduce_elements(ElementType type, ReduceOp op, std::byte* into, const std::byte* a, const std::byte* b,
                     std::size_t count) {
  GOSSAMER_CHECK(op_fits(type, op), "reduce_elements: an operator that is not for this type");
  kernels::reduce_elements(type, op, into, a, b, count);
}

void scale_elements(ElementType type, double factor, std::byte* values, std::size_t count) {
  GOSSAMER_CHECK(row_of(type).kind == ElementKind::floating, "scale_elements: elements that are not floating-point");
  kernels::scale_elements(type, factor, values, count);
}

}  // namespace gossamer::sketch

// What the standard library throws, as an error: for work whose failure other ranks must hear of.
#pragma once

#include <exception>
#include <new>

#include "base/base.h"

namespace gossamer::runtime {

template <typename Body>
[[nodiscard]] auto contained(Body body) -> decltype(body()) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return Error{Code::out_of_resources, "no memory is left"};
  } catch (const std::exception& exception) {
    return Error{Code::internal, text("unexpected: ", exception.what())};
  }
}

}  // namespace gossamer::runtime

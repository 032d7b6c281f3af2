// A function that is called, not kept: one pointer to whatever is callable, and how to call it.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace gossamer {

template <typename Signature>
class FunctionRef;

// For parameters only: what it refers to must outlive the call. Empty when made from nullptr or by default.
template <typename Out, typename... In>
class FunctionRef<Out(In...)> {
 public:
  FunctionRef() = default;
  FunctionRef(std::nullptr_t) {}
  template <typename Callable>
    requires(!std::is_same_v<std::remove_cvref_t<Callable>, FunctionRef> &&
             std::is_invocable_r_v<Out, Callable&, In...>)
  FunctionRef(Callable&& callable)  // NOLINT(bugprone-forwarding-reference-overload): constrained above
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(callable)))),
        call_([](void* object, In... in) -> Out {
          return (*static_cast<std::remove_reference_t<Callable>*>(object))(std::forward<In>(in)...);
        }) {}

  explicit operator bool() const { return call_ != nullptr; }
  Out operator()(In... in) const { return call_(object_, std::forward<In>(in)...); }

 private:
  void* object_ = nullptr;
  Out (*call_)(void*, In...) = nullptr;
};

}  // namespace gossamer

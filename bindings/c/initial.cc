// The initializers of gossamer.h as functions.
#include <algorithm>
#include <cstddef>
#include <cstring>

#include "bindings/c/call.h"
#include "bindings/c/gossamer.h"

using namespace gossamer::c;

namespace {

template <typename Struct>
gossamer_status write_initial(const char* function, const Struct& initial, Struct* out, std::size_t size) {
  return guarded([&] {
    if (out == nullptr) return fail_argument(function, "the struct is NULL");
    if (size < sizeof size || size > struct_size_max)
      return fail_argument(function, gossamer::text("struct_size is ", size, ", expected the struct's sizeof, ",
                                                    sizeof(Struct), " in this version"));
    std::memset(static_cast<void*>(out), 0, size);
    std::memcpy(static_cast<void*>(out), &initial, std::min(size, sizeof(Struct)));
    out->struct_size = size;
    return GOSSAMER_DONE;
  });
}

}  // namespace

extern "C" {

gossamer_status gossamer_config_init(gossamer_config* config, size_t struct_size) {
  static constexpr gossamer_config initial = GOSSAMER_CONFIG_INIT;
  return write_initial("gossamer_config_init", initial, config, struct_size);
}

gossamer_status gossamer_launch_init(gossamer_launch* launch, size_t struct_size) {
  static constexpr gossamer_launch initial = GOSSAMER_LAUNCH_INIT;
  return write_initial("gossamer_launch_init", initial, launch, struct_size);
}

gossamer_status gossamer_compressor_config_init(gossamer_compressor_config* config, size_t struct_size,
                                                size_t tensor_size) {
  gossamer_compressor_config initial = GOSSAMER_COMPRESSOR_CONFIG_INIT;
  initial.tensor_size = tensor_size;
  return write_initial("gossamer_compressor_config_init", initial, config, struct_size);
}

gossamer_status gossamer_update_init(gossamer_update* update, size_t struct_size) {
  static constexpr gossamer_update initial = GOSSAMER_UPDATE_INIT;
  return write_initial("gossamer_update_init", initial, update, struct_size);
}

gossamer_status gossamer_stats_init(gossamer_stats* stats, size_t struct_size) {
  static constexpr gossamer_stats initial = GOSSAMER_STATS_INIT;
  return write_initial("gossamer_stats_init", initial, stats, struct_size);
}

gossamer_status gossamer_graph_init(gossamer_graph* graph, size_t struct_size) {
  static constexpr gossamer_graph initial = GOSSAMER_GRAPH_INIT;
  return write_initial("gossamer_graph_init", initial, graph, struct_size);
}

gossamer_status gossamer_collective_config_init(gossamer_collective_config* config, size_t struct_size) {
  static constexpr gossamer_collective_config initial = GOSSAMER_COLLECTIVE_CONFIG_INIT;
  return write_initial("gossamer_collective_config_init", initial, config, struct_size);
}

}  // extern "C"

# The control plane, a target of its own: it knows base, Boost.Asio, Protocol Buffers and libsodium only.
set(control_generated ${CMAKE_CURRENT_BINARY_DIR}/generated)
add_custom_command(
  OUTPUT ${control_generated}/runtime/control.pb.cc ${control_generated}/runtime/control.pb.h
  COMMAND ${CMAKE_COMMAND} -E make_directory ${control_generated}/runtime
  COMMAND protobuf::protoc --cpp_out=${control_generated} --proto_path=${PROJECT_SOURCE_DIR} runtime/control.proto
  DEPENDS ${PROJECT_SOURCE_DIR}/runtime/control.proto
  COMMENT "Generating control.pb"
  VERBATIM)
add_library(gossamer_control_wire STATIC ${control_generated}/runtime/control.pb.cc ${control_generated}/runtime/control.pb.h)
target_include_directories(gossamer_control_wire SYSTEM PUBLIC ${control_generated})
target_link_libraries(gossamer_control_wire PUBLIC protobuf::libprotobuf-lite Threads::Threads)

set(control_sources
  control_address.cc control_alone.cc control_call.cc control_collect.cc control_connect.cc control_door.cc control_fields.cc
  control_host.cc control_inherited.cc control_join.cc control_lease.cc control_link.cc control_local_host.cc control_mesh.cc
  control_places.cc control_seal.cc control_secret.cc control_settle.cc control_sim.cc)
list(TRANSFORM control_sources PREPEND ${CMAKE_CURRENT_LIST_DIR}/)
add_library(gossamer_control STATIC ${control_sources})
target_include_directories(gossamer_control PUBLIC ${PROJECT_SOURCE_DIR})
target_link_libraries(gossamer_control PUBLIC gossamer_base PkgConfig::SODIUM
                      PRIVATE gossamer_control_wire Boost::headers Threads::Threads $<BUILD_INTERFACE:gossamer_warnings>)
# The generated header comes before the sources that include it.
add_dependencies(gossamer_control gossamer_control_wire)
# One thread runs each io_context and its queue's mutex orders the rest; fences would only blind the thread sanitizer.
target_compile_definitions(gossamer_control PUBLIC BOOST_ASIO_DISABLE_FENCED_BLOCK BOOST_ASIO_NO_DEPRECATED)

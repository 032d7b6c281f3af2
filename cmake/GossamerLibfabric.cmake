# Decides whether the libfabric transport is built: GOSSAMER_WITH_LIBFABRIC, and one status line that says why not.
set(GOSSAMER_WITH_LIBFABRIC FALSE)
if(NOT GOSSAMER_LIBFABRIC MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "GOSSAMER_LIBFABRIC is \"${GOSSAMER_LIBFABRIC}\"; it must be AUTO, ON or OFF")
endif()

if(GOSSAMER_LIBFABRIC STREQUAL "OFF")
  message(STATUS "libfabric transport: off (GOSSAMER_LIBFABRIC=OFF)")
else()
  pkg_check_modules(LIBFABRIC IMPORTED_TARGET "libfabric >= 1.17")
  if(LIBFABRIC_FOUND)
    set(GOSSAMER_WITH_LIBFABRIC TRUE)
  elseif(GOSSAMER_LIBFABRIC STREQUAL "ON")
    message(FATAL_ERROR "GOSSAMER_LIBFABRIC=ON, but pkg-config finds no libfabric 1.17 or later. Install it (Debian: "
                        "libfabric-dev), or configure with -DGOSSAMER_LIBFABRIC=OFF")
  else()
    message(STATUS "libfabric transport: off (pkg-config finds no libfabric 1.17 or later; Debian: libfabric-dev)")
  endif()
endif()

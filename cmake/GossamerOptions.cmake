# Switches of the build and the flags that all layers share.
include(GNUInstallDirs)

option(GOSSAMER_BUILD_TESTS "Build the tests" ON)
option(GOSSAMER_BUILD_TOOLS "Build the gossamer command" ON)
option(GOSSAMER_DEVELOPER "Warnings are errors" OFF)
set(GOSSAMER_SANITIZE "" CACHE STRING "Sanitizers: empty, address,undefined or thread")
option(GOSSAMER_FUZZ "Build libFuzzer programs instead of the tests; needs clang" OFF)
set(GOSSAMER_CUDA AUTO CACHE STRING "CUDA kernels of the sketch: AUTO (where a compiler is found), ON or OFF")
set_property(CACHE GOSSAMER_CUDA PROPERTY STRINGS AUTO ON OFF)
set(GOSSAMER_LIBFABRIC AUTO CACHE STRING "libfabric transport: AUTO (where the library is found), ON or OFF")
set_property(CACHE GOSSAMER_LIBFABRIC PROPERTY STRINGS AUTO ON OFF)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 99)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

if(GOSSAMER_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "GOSSAMER_FUZZ=ON needs libFuzzer, which comes with clang, but the compiler is "
                        "${CMAKE_CXX_COMPILER_ID}; configure with --preset fuzz, or run tools/fuzz")
  endif()
  if(NOT GOSSAMER_SANITIZE)
    set(GOSSAMER_SANITIZE address,undefined)
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# Floating-point results must not depend on what the compiler fuses: every rank needs the same bits.
add_compile_options($<$<COMPILE_LANGUAGE:C,CXX>:-ffp-contract=off>)
if(GOSSAMER_SANITIZE)
  add_compile_options(-fsanitize=${GOSSAMER_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all -g1)
  if(GOSSAMER_SANITIZE MATCHES address)
    # Both end in an error of the address sanitizer where they happen, and to check them before costs a tenth of the
    # compile time.
    add_compile_options(-fno-sanitize=null,object-size)
  endif()
  add_link_options(-fsanitize=${GOSSAMER_SANITIZE})
  add_compile_definitions(GOSSAMER_SANITIZE="${GOSSAMER_SANITIZE}")
endif()

add_library(gossamer_warnings INTERFACE)
set(warnings -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion
             -Wno-missing-field-initializers)  # what a designated initializer leaves out has its default
string(JOIN "," cuda_host_warnings ${warnings})
target_compile_options(gossamer_warnings INTERFACE
                       "$<$<COMPILE_LANGUAGE:C,CXX>:${warnings};-Wpedantic>"
                       $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -Woverloaded-virtual>
                       # false alarms on std::string in GCC 12 (bug 105651)
                       $<$<AND:$<COMPILE_LANGUAGE:C,CXX>,$<CXX_COMPILER_ID:GNU>>:-Wno-restrict>
                       $<$<AND:$<COMPILE_LANGUAGE:C,CXX>,$<BOOL:${GOSSAMER_DEVELOPER}>>:-Werror>
                       # no -Wpedantic: it objects to the line markers that nvcc writes
                       $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=${cuda_host_warnings}>
                       $<$<AND:$<COMPILE_LANGUAGE:CUDA>,$<BOOL:${GOSSAMER_DEVELOPER}>>:--Werror=all-warnings>)

# gossamer_layer(NAME SOURCES ... USES layers below ... LINK private libraries ...)
# One static target for each folder, whose public header is NAME/NAME.h.
function(gossamer_layer name)
  cmake_parse_arguments(arg "" "" "SOURCES;USES;LINK" ${ARGN})
  add_library(gossamer_${name} STATIC ${arg_SOURCES})
  target_include_directories(gossamer_${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(gossamer_${name} PUBLIC ${arg_USES} PRIVATE ${arg_LINK} $<BUILD_INTERFACE:gossamer_warnings>)
endfunction()

# gossamer_test(NAME [BRIEF] SOURCES ... LINK libraries ... LABELS ... TIMEOUT seconds PREFIX text)
# One GoogleTest program; each of its cases becomes a ctest case, with PREFIX before its name. BRIEF: it waits or calls
# others rather than computes.
function(gossamer_test name)
  cmake_parse_arguments(arg "BRIEF" "TIMEOUT;PREFIX" "SOURCES;LINK;LABELS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 60)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LINK} gossamer_warnings GTest::gmock GTest::gtest_main)
  # What they test is optimised; of the tests themselves the compile time is what counts.
  if(CMAKE_BUILD_TYPE STREQUAL Release)
    target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-O1>)
  elseif(GOSSAMER_SANITIZE AND arg_BRIEF)
    target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-O0>)
  endif()
  if(GOSSAMER_SANITIZE MATCHES address)
    # Undefined behaviour is looked for in the library: in the tests' own sources it costs a third of their compile time.
    target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize=undefined>)
  endif()
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 TEST_PREFIX "${arg_PREFIX}"
                       PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}")
endfunction()

# Tests of which a preset runs a few values and `tools/test exhaustive` all of them: see tests/support/sweep.h.
function(gossamer_exhaustive_test name target filter)
  add_test(NAME exhaustive_${name} COMMAND ${target} --gtest_filter=${filter})
  set_tests_properties(exhaustive_${name} PROPERTIES TIMEOUT 3600 LABELS exhaustive)
endfunction()

# Compiles gossamer.h with each compiler in every standard of C and C++ that users have, what uses every function of gossamer.hpp in
# C++17 and C++20 and, what needs no exceptions, without them; and sees that what must not compile does not.
set(folders)
foreach(folder ${FOLDERS})
  list(APPEND folders -I${folder})
endforeach()
function(compile)
  execute_process(COMMAND ${ARGN} -fsyntax-only ${WARNINGS} ${folders} RESULT_VARIABLE status ERROR_VARIABLE errors)
  set(status ${status} PARENT_SCOPE)
  set(errors "${errors}" PARENT_SCOPE)
endfunction()
function(must_compile)
  compile(${ARGN})
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${ARGN}:\n${errors}")
  endif()
endfunction()

foreach(compiler ${COMPILERS})
  if(compiler MATCHES "NOTFOUND")
    message(STATUS "skipped: there is no clang++")
    continue()
  endif()
  foreach(standard 99 11 17)
    must_compile(${compiler} -x c -std=c${standard} -pedantic-errors -Wstrict-prototypes ${C_HEADER})
  endforeach()
  foreach(standard 11 17 20)
    must_compile(${compiler} -x c++ -std=c++${standard} -pedantic-errors ${C_HEADER})
  endforeach()
  foreach(standard 17 20)
    must_compile(${compiler} -std=c++${standard} ${SOURCE}/cpp_peer.cc)
  endforeach()
  must_compile(${compiler} -std=c++17 -fno-exceptions ${SOURCE}/no_exceptions.cc)
endforeach()

list(GET COMPILERS 0 compiler)
compile(${compiler} -std=c++17 ${SOURCE}/mistakes.cc)
foreach(expected
        "must outlive the collective"   # a temporary vector
        "must not be const"             # a result without a place
        "TypeOf<unsigned int"           # a type that Gossamer has not
        "deleted"                       # a copy
        "nodiscard"                     # a Result that nobody read
        "different types")              # of input and output
  if(NOT errors MATCHES "${expected}")
    message(FATAL_ERROR "${SOURCE}/mistakes.cc: expected an error with \"${expected}\", not\n${errors}")
  endif()
endforeach()

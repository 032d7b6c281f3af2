# Compiles what uses every function of gossamer.hpp with each compiler in C++17 and C++20 and, what needs no exceptions,
# without them; and sees that what must not compile does not.
function(compile expected)
  set(folders)
  foreach(folder ${FOLDERS})
    list(APPEND folders -I${folder})
  endforeach()
  execute_process(COMMAND ${ARGN} -fsyntax-only ${WARNINGS} ${folders} RESULT_VARIABLE status ERROR_VARIABLE errors)
  if(expected STREQUAL "" AND NOT status EQUAL 0)
    message(FATAL_ERROR "${ARGN}:\n${errors}")
  elseif(NOT errors MATCHES "${expected}")
    message(FATAL_ERROR "${ARGN}: expected an error with \"${expected}\", not\n${errors}")
  endif()
endfunction()

foreach(compiler ${COMPILERS})
  if(compiler MATCHES "NOTFOUND")
    message(STATUS "skipped: there is no clang++")
    continue()
  endif()
  foreach(standard 17 20)
    compile("" ${compiler} -std=c++${standard} ${SOURCE}/cpp_peer.cc)
  endforeach()
  compile("" ${compiler} -std=c++17 -fno-exceptions ${SOURCE}/no_exceptions.cc)
endforeach()

list(GET COMPILERS 0 compiler)
foreach(mistake
        "1:must outlive the collective"   # a temporary vector
        "2:must not be const"             # a result without a place
        "3:incomplete type"               # a type that Gossamer has not
        "4:deleted"                       # a copy
        "5:nodiscard"                     # a Result that nobody read
        "6:different types")              # of input and output
  string(REPLACE ":" ";" mistake "${mistake}")
  list(GET mistake 0 number)
  list(GET mistake 1 expected)
  compile("${expected}" ${compiler} -std=c++17 -DMISTAKE=${number} ${SOURCE}/mistakes.cc)
endforeach()

# Environment modules, the same for a shell, and Debian packages by `cpack` in the build folder: libgossamer0, libgossamer-dev, gossamer
# and python3-gossamer. Configure with CMAKE_INSTALL_PREFIX=/usr for them, so that libraries go where Debian has them.
configure_file(packaging/modulefile.in ${PROJECT_BINARY_DIR}/modulefiles/${PROJECT_VERSION} @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/modulefiles/${PROJECT_VERSION} COMPONENT modules
        DESTINATION ${CMAKE_INSTALL_DATADIR}/gossamer/modulefiles/gossamer)
configure_file(packaging/env.sh.in ${PROJECT_BINARY_DIR}/env.sh @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/env.sh COMPONENT modules DESTINATION ${CMAKE_INSTALL_DATADIR}/gossamer)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_VENDOR Gossamer)
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_THREADS 0)
set(CPACK_COMPONENTS_ALL library development)
if(GOSSAMER_BUILD_TOOLS)
  list(APPEND CPACK_COMPONENTS_ALL tools)
endif()
if(TARGET gossamer_python)
  list(APPEND CPACK_COMPONENTS_ALL python)
endif()
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "Gossamer maintainers <maintainers@gossamer.invalid>" CACHE STRING "Who made the packages")
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/DebianDocumentation.cmake)

# What is opened while programs run is in no list of the linker's. Names of Debian 12.
set(opened "libucx0 (>= 1.13)")
set(soname_package libgossamer${PROJECT_VERSION_MAJOR})
set(own_version "(= ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME ${soname_package})
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_DEPENDS "${opened}")
file(WRITE ${PROJECT_BINARY_DIR}/triggers "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA ${PROJECT_BINARY_DIR}/triggers)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libgossamer-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "${soname_package} ${own_version}")
set(CPACK_DEBIAN_TOOLS_PACKAGE_NAME gossamer)
set(CPACK_DEBIAN_TOOLS_PACKAGE_SECTION science)
set(CPACK_DEBIAN_TOOLS_PACKAGE_DEPENDS "${opened}")
set(CPACK_DEBIAN_PYTHON_PACKAGE_NAME python3-gossamer)
set(CPACK_DEBIAN_PYTHON_PACKAGE_SECTION python)
set(CPACK_DEBIAN_PYTHON_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_PYTHON_PACKAGE_DEPENDS "${soname_package} ${own_version}, python3 (>= 3.9), python3-numpy")
set(CPACK_DEBIAN_PYTHON_PACKAGE_SUGGESTS "gossamer, python3-torch")
# As dh_python3 writes them: modules are compiled where they are installed.
set(scripts ${PROJECT_BINARY_DIR}/python_package)
file(WRITE ${scripts}/postinst "#!/bin/sh
set -e
if [ \"$1\" = configure ] && command -v py3compile >/dev/null; then py3compile -p python3-gossamer; fi
")
file(WRITE ${scripts}/prerm "#!/bin/sh
set -e
if command -v py3clean >/dev/null; then py3clean -p python3-gossamer; fi
")
set(CPACK_DEBIAN_PYTHON_PACKAGE_CONTROL_EXTRA ${scripts}/postinst ${scripts}/prerm)
if(GOSSAMER_WITH_LIBFABRIC)
  set(CPACK_DEBIAN_LIBRARY_PACKAGE_RECOMMENDS "libfabric1 (>= 1.17)")
  set(CPACK_DEBIAN_TOOLS_PACKAGE_RECOMMENDS "libfabric1 (>= 1.17)")
endif()

include(CPack)
cpack_add_component(library DESCRIPTION "The library. Gradients travel as sketches that merge over trees and
butterflies of peers, on UCX or libfabric, and every peer recovers the
same sparse update. Plain collectives over vectors are there too.")
cpack_add_component(development DESCRIPTION "Headers, manual pages and package files for C, C++ from 17 on, and
Fortran 2008 (sources of its modules, compiled with a program).")
cpack_add_component(tools DESCRIPTION "The gossamer command: starts peers, measures and simulates networks,
trains an example, and says what an installation has.")
if(TARGET gossamer_python)
  cpack_add_component(python DESCRIPTION "The Python package, over numpy's arrays and others' without a copy,
with a hook for PyTorch's DistributedDataParallel.")
endif()

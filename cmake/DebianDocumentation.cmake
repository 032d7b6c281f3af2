# Run by CPack before it packs each tree of files: manual pages are compressed, as Debian has them, the Python package goes to the folder
# that all of Debian's Pythons look into, and each package has its changelog and copyright.
if(NOT CPACK_GENERATOR STREQUAL "DEB")
  return()
endif()
set(packages library ${CPACK_DEBIAN_LIBRARY_PACKAGE_NAME} development ${CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME}
             tools ${CPACK_DEBIAN_TOOLS_PACKAGE_NAME} python ${CPACK_DEBIAN_PYTHON_PACKAGE_NAME})
foreach(component IN LISTS CPACK_COMPONENTS_ALL)
  list(FIND packages ${component} place)
  math(EXPR place "${place} + 1")
  list(GET packages ${place} package)
  set(root ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/${component})
  if(NOT EXISTS ${root})
    continue()
  endif()
  file(GLOB versioned ${root}${CPACK_PACKAGING_INSTALL_PREFIX}/lib/python3.*/*-packages)
  if(versioned)
    file(MAKE_DIRECTORY ${root}${CPACK_PACKAGING_INSTALL_PREFIX}/lib/python3)
    file(RENAME ${versioned} ${root}${CPACK_PACKAGING_INSTALL_PREFIX}/lib/python3/dist-packages)
    cmake_path(GET versioned PARENT_PATH emptied)
    file(REMOVE_RECURSE ${emptied})
  endif()
  file(GLOB pages ${root}${CPACK_PACKAGING_INSTALL_PREFIX}/share/man/man*/*.[13])
  if(pages)
    execute_process(COMMAND gzip -9n ${pages} COMMAND_ERROR_IS_FATAL ANY)
  endif()
  set(folder ${root}${CPACK_PACKAGING_INSTALL_PREFIX}/share/doc/${package})
  file(COPY ${CMAKE_CURRENT_LIST_DIR}/../packaging/copyright DESTINATION ${folder} FILE_PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ
       DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
  set(version ${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})
  file(WRITE ${folder}/changelog.Debian "gossamer (${version}) unstable; urgency=medium

  * Version ${CPACK_PACKAGE_VERSION}.

 -- ${CPACK_DEBIAN_PACKAGE_MAINTAINER}  Sat, 28 Nov 2026 00:00:00 +0000
")
  execute_process(COMMAND gzip -9n ${folder}/changelog.Debian COMMAND_ERROR_IS_FATAL ANY)
endforeach()

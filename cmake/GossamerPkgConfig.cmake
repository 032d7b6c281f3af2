# gossamer_pkg_config(TEMPLATE FILE LIBDIR INCLUDEDIR DATADIR): writes the pkg-config file, which finds what it names from where
# it lies itself, so that an installation may have any prefix (`cmake --install --prefix`) and may move. Folders that are
# given absolutely stay so.
function(gossamer_pkg_config template file libdir includedir datadir)
  set(pc_prefix ${CMAKE_INSTALL_PREFIX})
  if(NOT IS_ABSOLUTE "${libdir}")
    file(RELATIVE_PATH up "/prefix/${libdir}/pkgconfig" "/prefix")
    string(REGEX REPLACE "/$" "" up "${up}")
    set(pc_prefix "\${pcfiledir}/${up}")
  endif()
  foreach(folder libdir includedir datadir)
    set(pc_${folder} "${${folder}}")
    if(NOT IS_ABSOLUTE "${${folder}}")
      set(pc_${folder} "\${prefix}/${${folder}}")
    endif()
  endforeach()
  configure_file(${template} ${file} @ONLY)
endfunction()

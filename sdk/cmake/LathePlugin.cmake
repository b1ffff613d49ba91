# lathe_add_plugin(NAME SOURCES a.c ... [DEPS targets ...]): the only way to build a plugin, in tree and out.
# Makes a MODULE NAME.so with hidden visibility that exports lathe_plugin_v1 alone and is never unloaded.
set(LATHE_PLUGIN_CMAKE_DIR "${CMAKE_CURRENT_LIST_DIR}")

function(lathe_add_plugin name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} MODULE ${arg_SOURCES})
  set_target_properties(${name} PROPERTIES PREFIX "" SUFFIX ".so"
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  target_compile_options(${name} PRIVATE -ffp-contract=off)
  target_link_libraries(${name} PRIVATE lathe::sdk ${arg_DEPS})
  target_link_options(${name} PRIVATE
    "LINKER:--version-script=${LATHE_PLUGIN_CMAKE_DIR}/plugin.map"
    LINKER:-z,now LINKER:-z,relro LINKER:-z,nodelete)
  set_property(TARGET ${name} APPEND PROPERTY LINK_DEPENDS "${LATHE_PLUGIN_CMAKE_DIR}/plugin.map")
  if(TARGET lathe_build) # inside Lathe's own tree
    set_target_properties(${name} PROPERTIES C_EXTENSIONS OFF
      LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/plugins")
    target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}")
    target_link_libraries(${name} PRIVATE lathe_build lathe_warnings)
    if(NOT LATHE_SANITIZE)
      target_link_options(${name} PRIVATE LINKER:-z,defs)
    endif()
    if(CMAKE_CURRENT_SOURCE_DIR MATCHES "^${PROJECT_SOURCE_DIR}/plugins/") # shipped
      set_property(GLOBAL APPEND PROPERTY LATHE_SHIPPED_PLUGINS ${name})
      install(TARGETS ${name} LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}/lathe/plugins")
    endif()
  else()
    target_link_options(${name} PRIVATE LINKER:-z,defs)
  endif()
endfunction()

# lathe_check_plugin(NAME [OPTIONS json]): runs the conformance kit on the plugin as a CTest test.
function(lathe_check_plugin name)
  cmake_parse_arguments(arg "" "OPTIONS" "" ${ARGN})
  if(TARGET lathe-plugin-check)
    set(command $<TARGET_FILE:lathe-plugin-check> --engine "${PROJECT_BINARY_DIR}/plugins/engine_cpu.so")
  else()
    set(command "${LATHE_PLUGIN_CHECK}" --engine "${LATHE_PLUGIN_DIR}/engine_cpu.so")
  endif()
  if(arg_OPTIONS)
    list(APPEND command --options "${arg_OPTIONS}")
  endif()
  add_test(NAME conform_${name} COMMAND ${command} "$<TARGET_FILE:${name}>")
  set_tests_properties(conform_${name} PROPERTIES LABELS conform TIMEOUT 1500)
endfunction()

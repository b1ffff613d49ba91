# Building Lathe itself: warnings, sanitizers, and one function per kind of target.
# Included once by the root; plugins outside the tree use LathePlugin.cmake alone.

add_library(lathe_warnings INTERFACE)
target_compile_options(lathe_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wvla -Wundef
  -Wcast-qual -Wformat=2 -Wmissing-declarations
  $<$<BOOL:${LATHE_WERROR}>:-Werror>)
if(LATHE_SANITIZE AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
  # These look at optimized code, and instrumentation makes them report paths that do not exist. The other
  # presets keep them.
  target_compile_options(lathe_warnings INTERFACE -Wno-maybe-uninitialized -Wno-restrict
    -Wno-format-truncation -Wno-format-overflow -Wno-stringop-overflow -Wno-stringop-truncation)
endif()

add_library(lathe_build INTERFACE)
target_compile_features(lathe_build INTERFACE c_std_17)
target_compile_definitions(lathe_build INTERFACE _GNU_SOURCE)
target_compile_options(lathe_build INTERFACE -fvisibility=hidden -ffp-contract=off -fno-omit-frame-pointer
  $<$<CONFIG:Release,RelWithDebInfo>:-fstack-protector-strong>)
if(LATHE_SANITIZE)
  target_compile_options(lathe_build INTERFACE -fsanitize=${LATHE_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(lathe_build INTERFACE -fsanitize=${LATHE_SANITIZE})
endif()

# lathe_core_module(NAME SOURCES a.c ... [DEPS targets ...]): an internal static library core_NAME.
function(lathe_core_module name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_library(core_${name} STATIC ${arg_SOURCES})
  set_target_properties(core_${name} PROPERTIES C_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON)
  target_include_directories(core_${name} PUBLIC "${PROJECT_SOURCE_DIR}")
  target_link_libraries(core_${name} PUBLIC lathe::sdk ${arg_DEPS} PRIVATE lathe_build lathe_warnings)
  if(LATHE_SANITIZE)
    target_link_options(core_${name} PUBLIC -fsanitize=${LATHE_SANITIZE})
  endif()
endfunction()

# lathe_test(NAME SOURCES a.c ... [DEPS ...] [LABELS ...] [TIMEOUT s]): a cmocka executable run by CTest.
# The test sees LATHE_SOURCE_DIR and LATHE_BINARY_DIR as string macros.
function(lathe_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;DEPS;LABELS" ${ARGN})
  if(NOT LATHE_TESTS)
    return()
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  add_executable(${name} ${arg_SOURCES})
  set_target_properties(${name} PROPERTIES C_EXTENSIONS OFF
    RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}")
  target_compile_definitions(${name} PRIVATE
    LATHE_SOURCE_DIR="${PROJECT_SOURCE_DIR}" LATHE_BINARY_DIR="${PROJECT_BINARY_DIR}")
  target_link_libraries(${name} PRIVATE lathe_build lathe_warnings lathe::sdk ${arg_DEPS} cmocka)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}")
endfunction()

# lathe_fuzzer(NAME SOURCES a.c ... [DEPS ...] CORPUS dir): a libFuzzer target, smoke-run by CTest label fuzz.
function(lathe_fuzzer name)
  cmake_parse_arguments(arg "" "CORPUS" "SOURCES;DEPS" ${ARGN})
  if(NOT LATHE_FUZZ)
    return()
  endif()
  add_executable(${name} ${arg_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/fuzz")
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}")
  target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_libraries(${name} PRIVATE lathe_build lathe_warnings lathe::sdk ${arg_DEPS})
  add_test(NAME ${name} COMMAND ${name} -max_total_time=15 -rss_limit_mb=2048
    "${PROJECT_BINARY_DIR}/fuzz/${name}.found" "${arg_CORPUS}")
  file(MAKE_DIRECTORY "${PROJECT_BINARY_DIR}/fuzz/${name}.found")
  set_tests_properties(${name} PROPERTIES TIMEOUT 120 LABELS fuzz)
endfunction()

# lathe_embed(TARGET FILE SYMBOL): adds FILE to TARGET as `const unsigned char SYMBOL[]` (NUL-terminated) and
# `const size_t SYMBOL_len`; the declaring header is generated as SYMBOL.h.
function(lathe_embed target file symbol)
  set(out "${CMAKE_CURRENT_BINARY_DIR}/${symbol}")
  get_filename_component(path "${file}" ABSOLUTE)
  add_custom_command(OUTPUT "${out}.c" "${out}.h"
    COMMAND ${CMAKE_COMMAND} -DIN=${path} -DOUT=${out} -DSYMBOL=${symbol}
            -P "${PROJECT_SOURCE_DIR}/sdk/cmake/Embed.cmake"
    DEPENDS "${path}" "${PROJECT_SOURCE_DIR}/sdk/cmake/Embed.cmake" VERBATIM)
  target_sources(${target} PRIVATE "${out}.c" "${out}.h")
  target_include_directories(${target} PRIVATE "${CMAKE_CURRENT_BINARY_DIR}")
endfunction()

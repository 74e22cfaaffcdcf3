# One function for each kind of target, so that every target gets the same warnings and include root.

add_library(ringshift_options INTERFACE)
target_include_directories(ringshift_options INTERFACE ${ringshift_SOURCE_DIR})
target_compile_options(ringshift_options INTERFACE
  -Wall -Wextra -Wconversion -Wshadow -Wnon-virtual-dtor -Werror -fno-strict-aliasing
  $<$<CXX_COMPILER_ID:Clang>:-Wno-sign-conversion>)  # g++'s -Wconversion does not mean it
target_compile_definitions(ringshift_options INTERFACE $<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS>)
if(RINGSHIFT_SANITIZE)
  target_compile_options(ringshift_options INTERFACE
    -fsanitize=${RINGSHIFT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(ringshift_options INTERFACE -fsanitize=${RINGSHIFT_SANITIZE})
endif()

# ringshift_library(NAME SOURCES... [DEPENDS targets...])
function(ringshift_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  if(NOT ARG_SOURCES)  # a target whose sources are still to come
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE ${ARG_DEPENDS})
    target_include_directories(${name} INTERFACE ${ringshift_SOURCE_DIR})
    return()
  endif()
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC ${ARG_DEPENDS} PRIVATE ringshift_options)
  target_include_directories(${name} PUBLIC ${ringshift_SOURCE_DIR})
endfunction()

# ringshift_test(NAME SOURCES... [DEPENDS targets...]): a GoogleTest program; each test is a CTest test.
function(ringshift_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPENDS} ringshift_options GTest::gtest_main GTest::gmock)
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60)
endfunction()

# ringshift_fuzzer(NAME SOURCES... [DEPENDS targets...]): a libFuzzer program; only in builds for it.
function(ringshift_fuzzer name)
  if(NOT RINGSHIFT_SANITIZE MATCHES "fuzzer-no-link")
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPENDS} ringshift_options)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
endfunction()

# ringshift_general_registers(TARGET SOURCES...): code that runs while a guest's x87 and SSE state is in the host's
# registers; tests/style checks the objects. Optimised always, because an unoptimised copy is a call of
# memcpy; and no check of dynamic types, which asks the sanitizer's library each time.
function(ringshift_general_registers target)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")  # clang's refuses the standard library's headers: it is for the fuzzers only
    set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS "-mgeneral-regs-only;-O2;-fno-sanitize=vptr")
  endif()
  list(TRANSFORM ARGN REPLACE "[.]" "[.]" OUTPUT_VARIABLE patterns)
  list(JOIN patterns "|" pattern)
  set_property(GLOBAL APPEND PROPERTY RINGSHIFT_GENERAL_REGISTERS
    "$<FILTER:$<TARGET_OBJECTS:${target}>,INCLUDE,/(${pattern})[.]o$>")
endfunction()

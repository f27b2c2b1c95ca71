# Warnings for our own targets, and the sanitizers where they were asked for.
function(aether2onnx_configure target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
                                           -Wnon-virtual-dtor -Woverloaded-virtual -Wundef)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # GCC 12 sees overlapping copies in std::string's operator+ that aren't there (its bug 105651).
    target_compile_options(${target} PRIVATE -Wno-restrict)
  endif()
  if(AETHER2ONNX_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=address,undefined -fno-sanitize-recover=all
                                             -fno-omit-frame-pointer)
    target_link_options(${target} PRIVATE -fsanitize=address,undefined)
  endif()
  if(AETHER2ONNX_FUZZERS)
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
  endif()
endfunction()

# Headers that most of a target's files include, compiled once. Only with the sanitizers, whose build
# is for tests alone: clang-tidy, which reads the compile commands of the others, can't use them.
function(aether2onnx_precompile target)
  if(AETHER2ONNX_SANITIZE)
    target_precompile_headers(${target} PRIVATE ${ARGN})
  endif()
endfunction()

# In a unity build (CMAKE_UNITY_BUILD) several files are compiled as one. Not these of the current
# folder: files of one kind, which have the same names for what each has, and the file of a class whose
# hidden part has members of types of that file alone, which GCC would warn of.
function(aether2onnx_separate)
  file(GLOB files RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} CONFIGURE_DEPENDS ${ARGN})
  set_source_files_properties(${files} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()

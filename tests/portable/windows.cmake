# zig's clang with libc++ for Windows (mingw's headers).
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(zig ${CMAKE_CURRENT_LIST_DIR}/../../.deps/portable/ziglang/zig)
set(CMAKE_C_COMPILER ${zig} cc -target x86_64-windows-gnu)
set(CMAKE_CXX_COMPILER ${zig} c++ -target x86_64-windows-gnu)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_C_COMPILER_WORKS 1)
set(CMAKE_CXX_COMPILER_WORKS 1)

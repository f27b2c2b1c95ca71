# The tag of C++ exceptions, which LLVM's linker expects from the C library.
	.globl	__cpp_exception
	.tagtype	__cpp_exception i32
__cpp_exception:

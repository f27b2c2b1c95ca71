// The program of the precompiled header, see tests/CMakeLists.txt. Nothing runs it.
int main() {}

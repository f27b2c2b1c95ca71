/* Stands in for NVIDIA's trtexec on Windows. Prints the version. With --saveEngine=FILE it writes an engine;
 * if the environment variable FAKE_TRTEXEC names a file, it starts a second process instead, both hold that
 * file, and both sleep. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

static void hold_and_sleep(const char* path, int share) {
  HANDLE file = CreateFileA(path, GENERIC_READ, share, NULL, OPEN_ALWAYS, 0, NULL);
  printf("holding: %s\n", file == INVALID_HANDLE_VALUE ? "no" : "yes");
  fflush(stdout);
  Sleep(INFINITE);
}

int main(int count, char** values) {
  const char* held = getenv("FAKE_TRTEXEC");
  puts("&&&& RUNNING TensorRT.trtexec [TensorRT v100300] # trtexec");
  fflush(stdout);
  if (count > 1 && strcmp(values[1], "second") == 0) hold_and_sleep(held, FILE_SHARE_READ);
  for (int i = 1; i < count; ++i) {
    static const char option[] = "--saveEngine=";
    if (strncmp(values[i], option, sizeof option - 1) != 0) continue;
    if (held != NULL) {
      char line[4096];
      STARTUPINFOA start = {sizeof start};
      PROCESS_INFORMATION process;
      snprintf(line, sizeof line, "\"%s\" second", values[0]);
      if (!CreateProcessA(NULL, line, NULL, NULL, FALSE, 0, NULL, NULL, &start, &process)) return 3;
      hold_and_sleep(held, FILE_SHARE_READ);
    }
    FILE* engine = fopen(values[i] + sizeof option - 1, "wb");
    if (engine == NULL) return 4;
    for (int n = 0; n < 4096; ++n) fputc(n & 0xff, engine);
    fclose(engine);
  }
  return 0;
}

/* Another program that has a file open on Windows:
 *
 *   hold_file FILE        opens the file so that no other program may touch it, prints "held", and waits
 *                         for the end of standard input
 *   hold_file FILE try    tries to open the file so; ends with 0 if nobody else has it open
 */
#include <stdio.h>
#include <windows.h>

int main(int count, char** values) {
  if (count < 2) return 2;
  HANDLE file = CreateFileA(values[1], GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL);
  if (file == INVALID_HANDLE_VALUE) return 1;
  if (count > 2) return 0;
  puts("held");
  fflush(stdout);
  while (getchar() != EOF) {
  }
  return 0;
}

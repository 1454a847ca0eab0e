// Two processes meet, round after round, and count in memory that they share. Load and store are apart: within one turn of a hart nobody
// sees it, unless turns are short.
#include "guest.h"

#define SHARED ((volatile long *)0x10000000)
enum { ROUNDS = 8, TIMES = 6, PROT_READ_WRITE = 3, MAP_SHARED_FIXED_ANONYMOUS = 0x31 };

static __attribute__((noinline)) void count(volatile long *counter, volatile long *arrived) {
  for (int round = 1; round <= ROUNDS; round++) {
    for (volatile int pause = 0; pause < 20000; pause++) {
    }
    __atomic_add_fetch(arrived, 1, __ATOMIC_SEQ_CST);
    while (*arrived < 2 * round) {
    }
    for (int i = 0; i < TIMES; i++) *counter = *counter + 1;
  }
}

int main(void) {
  call(SYS_mmap, (long)SHARED, 4096, PROT_READ_WRITE, MAP_SHARED_FIXED_ANONYMOUS, -1, 0);
  long child = call(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
  count(SHARED, SHARED + 1);
  if (child == 0) return 0;
  call(SYS_wait4, child, 0, 0, 0, 0, 0);
  print("counted ");
  print_number(*SHARED);
  print(" of 96\n");
  return *SHARED == 2 * ROUNDS * TIMES ? 0 : 1;
}

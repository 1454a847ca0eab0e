// A program with three threads that faults pages in, handles a signal, forks and executes, and ends by a store to nowhere.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES 24

static volatile long counter, handled, sum;
static char received[16];
static char *pages[PAGES];

static void *sleeper(void *unused) {
  pause();
  return unused;
}

static void *worker(void *unused) {
  for (;;) counter++;
  return unused;
}

static void on_signal(int number) { handled += number; }

__attribute__((noinline)) static long touch(char *page) {
  page[0] = 1;
  return page[0] + page[100];
}

__attribute__((noinline)) static void crash(long *where) { *where = sum; }

int main(void) {
  pthread_t threads[2];
  pthread_create(&threads[0], NULL, sleeper, NULL);
  pthread_create(&threads[1], NULL, worker, NULL);
  // Mappings that cannot be joined: more than one node of the kernel's tree holds.
  for (int i = 0; i < PAGES; i++)
    pages[i] = mmap(NULL, 8192, i % 2 ? PROT_READ | PROT_WRITE : PROT_READ | PROT_WRITE | PROT_EXEC,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < PAGES; i++) sum += touch(pages[i]);
  signal(SIGUSR1, on_signal);
  raise(SIGUSR1);
  sum += handled;
  int ends[2];
  if (pipe(ends) != 0) return 1;
  if (write(ends[1], "from the kernel", 16) != 16) return 1;
  if (read(ends[0], received, 16) != 16) return 1;
  sum += received[0];
  if (fork() == 0) {
    execl("/bin/true", "true", NULL);
    _exit(1);
  }
  wait(NULL);
  FILE *maps = fopen("/proc/self/maps", "r");
  char text[4096];
  for (size_t n; (n = fread(text, 1, sizeof text, maps)) > 0;) fwrite(text, 1, n, stdout);
  fclose(maps);
  fflush(stdout);
  crash((long *)8);
  return 0;
}

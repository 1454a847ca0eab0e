// What a step may lead through: longjmp, a library loaded late, vfork, a signal's handler, a tree of processes.
#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static jmp_buf start;
static volatile int depth, handled;
static volatile double cosine;

__attribute__((noinline)) static void deep(int n) {
  depth = n;
  if (n == 0) longjmp(start, 7);
  deep(n - 1);
  depth = -1;
}

__attribute__((noinline)) static int jump(void) {
  int result = setjmp(start);
  if (result == 0)
    deep(3);
  return result;
}

static void on_signal(int number) {
  handled += number;
}

__attribute__((noinline)) static int spawn(void) {
  int status = 0;
  if (vfork() == 0)
    execl("/bin/true", "true", NULL);
  wait(&status);
  return status;
}

__attribute__((noinline)) static void tree(void) {
  if (fork() == 0) {
    if (fork() == 0) {
      execl("/bin/true", "true", NULL);
      _exit(1);
    }
    wait(NULL);
    _exit(2);
  }
  wait(NULL);
}

int main(void) {
  int seven = jump();
  void *library = dlopen("libm.so.6", RTLD_NOW);
  double (*function)(double) = (double (*)(double))dlsym(library, "cos");
  cosine = function(0.0);
  signal(SIGUSR1, on_signal);
  raise(SIGUSR1);
  int status = spawn();
  tree();
  if (seven == 7 && status == 0)
    abort();
  return 0;
}

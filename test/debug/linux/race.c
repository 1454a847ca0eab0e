// One thread replaces a box and frees the old one while another still looks into it; a third fills what it is given.
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC 0x600d600d600d600d
#define BOXES 8

struct box {
  long magic;
  long value;
};

static struct box boxes[BOXES];
static struct box *unused;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct box *volatile shared;
static struct box *volatile suspect;
static volatile long looked, filled, found;

__attribute__((noinline)) static struct box *take(void) {
  pthread_mutex_lock(&lock);
  struct box *b = unused;
  unused = *(struct box **)b;
  pthread_mutex_unlock(&lock);
  return b;
}

__attribute__((noinline)) static void release(struct box *b) {
  pthread_mutex_lock(&lock);
  *(struct box **)b = unused;
  unused = b;
  pthread_mutex_unlock(&lock);
}

__attribute__((noinline)) static void check(struct box *b) {
  for (int i = 0; i < 50; i++) {
    long seen = *(volatile long *)&b->magic;
    if (seen != MAGIC) {
      found = seen;
      suspect = b;
      abort();
    }
  }
  looked++;
}

static void *reader(void *nothing) {
  for (;;) check(shared);
  return nothing;
}

__attribute__((noinline)) static void replace(long value) {
  struct box *old = shared;
  struct box *b = take();
  b->value = value;
  b->magic = MAGIC;
  shared = b;
  release(old);
}

static void *owner(void *nothing) {
  for (long value = 1;; value++) replace(value);
  return nothing;
}

static void *filler(void *nothing) {
  for (;;) {
    struct box *b = take();
    memset(b, 0x55, sizeof *b);
    filled++;
    release(b);
  }
  return nothing;
}

int main(void) {
  pthread_t threads[3];
  for (int i = 0; i < BOXES; i++) release(&boxes[i]);
  shared = take();
  shared->magic = MAGIC;
  pthread_create(&threads[0], NULL, owner, NULL);
  pthread_create(&threads[1], NULL, filler, NULL);
  pthread_create(&threads[2], NULL, reader, NULL);
  pthread_join(threads[0], NULL);
  return 0;
}

// A name that is longer than its field runs over the pointer to the next entry; much later the list is read.
#include "guest.h"

struct entry {
  char name[16];
  struct entry *next;
};

struct entry entries[8];
static struct entry *first;
static int used;

static __attribute__((noinline)) void copy_name(char *to, const char *from) {
  while ((*to++ = *from++) != 0) {
  }
}

static __attribute__((noinline)) struct entry *add(const char *name) {
  struct entry *entry = &entries[used++];
  copy_name(entry->name, name);
  entry->next = first;
  return first = entry;
}

static __attribute__((noinline)) void list(void) {
  for (struct entry *entry = first; entry != 0; entry = entry->next) {
    print(entry->name);
    print("\n");
  }
}

int main(void) {
  add("Ada Lovelace");
  struct entry *married = add("Grace Murray");
  add("Barbara Liskov");
  list();
  copy_name(married->name, "Grace Brewster Murray Hopper");
  list();
  return 0;
}

/* A list whose links are rarely broken, by a store through a pointer that is one node too far. */
typedef struct node { struct node *next; long value; } node;
static node nodes[64];
static long scratch[4];
node *head;
volatile long rounds, sum, crashed;
static unsigned seed = 12345;

static unsigned random(void) { seed = seed * 1103515245u + 12345u; return seed >> 16; }

__attribute__((noinline)) void tidy(long i) {
  node *n = &nodes[i];
  n->value = n->value + 1;
  if (random() % 997 == 0) n[1].next = (node *)0x1234;   /* the guilty store */
}

__attribute__((noinline)) long total(void) {
  long s = 0;
  for (node *n = head; n; n = n->next) {
    if ((unsigned long)n < 0x80000000ul) { crashed = 1; return -1; }
    s += n->value;
  }
  return s;
}

int main(void) {
  for (int i = 0; i < 63; i++) { nodes[i].next = &nodes[i + 1]; nodes[i].value = i; }
  head = nodes;
  for (rounds = 0; rounds < 20000; rounds++) {
    tidy(random() % 60);
    scratch[rounds & 3] = rounds;
    sum = total();
    if (crashed) break;
  }
  return 0;
}

/* Every kind of C type and place of a variable, for comparison with gdb. */
typedef unsigned char byte;
typedef struct node {
  struct node *next;
  long value;
} node;
enum color { RED, GREEN = 5, BLUE };
enum flags { A = 1, B = 2, C = 8 };
union word {
  unsigned u;
  float f;
  byte bytes[4];
};
struct bits {
  unsigned low : 3;
  int middle : 7;
  unsigned long high : 40;
  _Bool set : 1;
};
struct inner {
  short s;
  char name[12];
};
struct shape {
  struct inner in[2];
  enum color color;
  union {
    int i;
    float f;
  };
  struct {
    double x, y;
  } at;
  int (*visit)(int);
  const char *title;
  struct bits bits;
  int grid[2][3];
};
typedef int (*visitor)(int);

void *memcpy(void *to, const void *from, unsigned long n) {
  for (unsigned long i = 0; i < n; i++) ((volatile byte *)to)[i] = ((const byte *)from)[i];
  return to;
}
void *memset(void *to, int c, unsigned long n) {
  for (unsigned long i = 0; i < n; i++) ((volatile byte *)to)[i] = c;
  return to;
}

volatile long sink;
static node nodes[4];
int counter = 41;
const char *const greeting = "hello \"world\"\n\t\001end";
static double ratio = 2.5;
char wide[300];
int many[40];

__attribute__((noinline)) int twice(int n) {
  static int calls;
  calls += n;
  sink += calls;
  return 2 * n;
}

static inline __attribute__((always_inline)) long mixed(long a, int b) {
  long product = a * b;
  sink += product;
  return product + 1;
}

__attribute__((noinline)) long leaf(struct shape *shape, node list, enum flags flags, unsigned char c, float f, double d, short s,
                                    long long big, int ninth, int tenth) {
  int local = ninth + tenth;
  unsigned int hex = 0xdeadbeefu;
  signed char negative = -5;
  _Bool yes = local > 3, no = !yes;
  float third = f / 3;
  int vla[local & 7];
  for (int i = 0; i < (local & 7); i++) {
    int square = i * i;
    vla[i] = square;
    sink += square;
  }
  visitor visit = shape->visit;
  union word word = {.f = 1.5f};
  {
    long local = 77;
    long inlined = mixed(local, c);
    sink += inlined + visit(3);
  }
  sink += hex + negative + yes + no + (long)third + flags + list.value + s + big + word.u + vla[0];
  return sink;
}

__attribute__((noinline)) long middle(int depth, struct shape shape) {
  register long kept = depth * 1000L + shape.color;
  byte raw[5] = {1, 2, 3, 250, 0};
  enum flags odd = (enum flags)(A | C);
  node *here = &nodes[depth & 3];
  node **there = &here;
  long result = leaf(&shape, *here, odd, 'x', 0.1f, 1e100, -7, -1234567890123LL, depth, 4);
  sink += raw[3] + (*there)->value;
  return result + kept;
}

__attribute__((noinline)) long recurse(int depth, long sum) {
  char text[16] = "recursion";
  text[0] += depth;
  struct shape shape = {
      .in = {{1, "one"}, {-2, "a long name"}}, .color = BLUE, .f = 0.25f, .at = {1.0 / 3, -0.0}, .visit = twice, .title = greeting,
      .bits = {5, -3, 0x123456789aUL, 1}, .grid = {{1, 2, 3}, {4, 5, 6}}};
  if (depth == 0) return middle(3, shape) + sum;
  long below = recurse(depth - 1, sum + depth);
  sink += text[0] + below;
  return below + 1;
}

int main(void) {
  for (int i = 0; i < 4; i++) {
    nodes[i].next = &nodes[(i + 1) & 3];
    nodes[i].value = i * 1.5;
  }
  for (int i = 0; i < 40; i++) many[i] = i < 12 ? 7 : i;
  for (int i = 0; i < 300; i++) wide[i] = "abcdefg"[i % 7];
  wide[50] = 0;
  long total = 0;
  for (int round = 0; round < 3; round++) total += recurse(round, counter++);
  ratio *= total;
  return 0;
}

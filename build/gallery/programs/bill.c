// Adds the prices of a line. What is no digit ends a number: so does the letter O that somebody typed for a zero.
#include "guest.h"

long total;
char line[128];

static __attribute__((noinline)) long price(const char **at) {
  long cents = 0;
  while (**at >= '0' && **at <= '9') cents = cents * 10 + *(*at)++ - '0';
  return cents;
}

int main(void) {
  print("prices in cents: ");
  long length = call(SYS_read, 0, (long)line, sizeof line - 1, 0, 0, 0);
  line[length > 0 ? length : 0] = 0;
  for (const char *at = line; *at != 0 && *at != '\n'; at++) total += price(&at);
  print("total: ");
  print_number(total);
  print("\n");
  return 0;
}

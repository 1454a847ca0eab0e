/* A program that keeps its numbers in a linked list, and rarely breaks a link: by a store through a pointer that is one node too far. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

struct node { struct node *next; long value; };

enum { NODES = 64, ROUNDS = 20000 };
static struct node *head, *pool, *volatile last;

/* Freshens up a node. Now and then, as it happens, the neighbour too. */
__attribute__((noinline)) static void tidy(struct node *n)
{
	n->value++;
	if (random() % 997 == 0)
		n[1].next = (struct node *)0x1234;	/* the guilty store */
}

__attribute__((noinline)) static long total(void)
{
	long sum = 0;
	for (struct node *n = head; n; n = n->next) {
		sum += n->value;			/* dies here */
		last = n;
	}
	return sum;
}

int main(void)
{
	unsigned seed;
	long sum = 0;
	if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
		return 1;
	srandom(seed);
	pool = calloc(NODES + 1, sizeof *pool);
	for (int i = 0; i < NODES; i++)
		pool[i] = (struct node){ i + 1 < NODES ? &pool[i + 1] : NULL, i };
	head = pool;
	for (int round = 0; round < ROUNDS; round++) {
		tidy(&pool[random() % (NODES - 4)]);
		sum = total();
	}
	printf("%ld\n", sum);
	return 0;
}

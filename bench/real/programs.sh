# Programs of Debian's root disk, each between two marker lines, each twice: its first run and its second, when its files are read and its code
# may be translated already. The value is a checksum of what it printed.
export LC_ALL=C PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
mkdir -p /tmp/real && cd /tmp/real

cat > json.py <<'END'
import json
data = [{"id": i, "name": "item %d" % i, "tags": ["a", "b", str(i % 7)], "value": i * 1.5, "nested": {"x": i, "y": [i, i + 1]}} for i in range(3000)]
for _ in range(4):
    text = json.dumps(data)
    assert json.loads(text) == data
print(len(text))
END
cat > structures.py <<'END'
import heapq
counts, seen, heap, words = {}, set(), [], []
for i in range(60000):
    key = (i * 7919) % 5003
    counts[key] = counts.get(key, 0) + 1
    seen.add(key ^ i)
    heapq.heappush(heap, (key, i))
    if len(heap) > 100: heapq.heappop(heap)
    words.append("w%d" % key)
words.sort(key=lambda w: (len(w), w))
print(len(seen), counts[17], heap[0], words[1000], sum(x * x for x, _ in heap))
END
cat > regexp.py <<'END'
import re
text = " ".join("user%d@example%d.org +%d-%d /path/to/%d.html" % (i, i % 9, i, i * 3, i) for i in range(4000))
print(len(re.findall(r"[\w.]+@[\w.]+\.org", text)), len(re.sub(r"\d+", "#", text)), len(re.split(r"[\s/@.-]+", text)))
END
cat > recursion.py <<'END'
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
class Node:
    def __init__(self, depth): self.children = [Node(depth - 1) for _ in range(2)] if depth else []
    def count(self): return 1 + sum(c.count() for c in self.children)
print(fib(21), Node(12).count())
END
cat > text.py <<'END'
lines = ["the %d quick brown foxes jump over the %d lazy dogs" % (i, i * 31 % 97) for i in range(12000)]
out = [" ".join(reversed(line.split())).title().replace("The", "A") for line in lines]
table = {}
for line in out:
    for word in line.lower().split(): table[word] = table.get(word, 0) + 1
print(sorted(table.items(), key=lambda e: (-e[1], e[0]))[:5], len("\n".join(out)))
END
cat > query.sql <<'END'
CREATE TABLE item(id INTEGER PRIMARY KEY, kind INTEGER, name TEXT, price REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO item SELECT i, i * 7 % 101, 'item ' || i, i * 1.25 FROM n;
CREATE INDEX by_kind ON item(kind);
SELECT kind, count(*), round(avg(price), 2), max(name) FROM item GROUP BY kind ORDER BY 3 DESC LIMIT 5;
SELECT count(*) FROM item a JOIN item b ON a.kind = b.kind AND b.id < 200 WHERE a.name LIKE '%7%';
END
awk 'BEGIN { for (i = 0; i < 60000; i++) print (i * 7919) % 100003, "line", i, (i * 31) % 977 }' > lines.txt
i=0; while [ $i -lt 6 ]; do
  printf '#include <stdio.h>\n#include <string.h>\nint part%d(const char *s) { int n = 0; for (size_t i = 0; i < strlen(s); i++) n = n * 31 + s[i]; return n; }\n' $i > part$i.c; i=$((i + 1))
done
printf 'int part0(const char *);int part1(const char *);int part2(const char *);int part3(const char *);int part4(const char *);int part5(const char *);\nint main(void) { return (part0("a") + part1("b") + part2("c") + part3("d") + part4("e") + part5("f")) & 1; }\n' > main.c
printf 'OBJS = main.o part0.o part1.o part2.o part3.o part4.o part5.o\nprogram: $(OBJS)\n\tgcc -o $@ $(OBJS)\n%%.o: %%.c\n\tgcc -O1 -c $<\n' > Makefile
cat > big.c <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
struct tree { struct tree *left, *right; int key; char name[16]; };
static struct tree *insert(struct tree *t, int key) {
  if (!t) { t = calloc(1, sizeof *t); t->key = key; snprintf(t->name, sizeof t->name, "n%d", key); return t; }
  if (key < t->key) t->left = insert(t->left, key); else if (key > t->key) t->right = insert(t->right, key);
  return t;
}
static int depth(const struct tree *t) { if (!t) return 0; int a = depth(t->left), b = depth(t->right); return 1 + (a > b ? a : b); }
static void matrix(double a[16][16], double b[16][16], double c[16][16]) {
  for (int i = 0; i < 16; i++) for (int j = 0; j < 16; j++) { c[i][j] = 0; for (int k = 0; k < 16; k++) c[i][j] += a[i][k] * b[k][j]; }
}
static unsigned hash(const char *s) { unsigned h = 5381; while (*s) h = h * 33 ^ (unsigned char)*s++; return h; }
static void sort(int *v, int n) { for (int i = 1; i < n; i++) { int x = v[i], j = i; while (j > 0 && v[j - 1] > x) { v[j] = v[j - 1]; j--; } v[j] = x; } }
int main(int argc, char **argv) {
  struct tree *t = 0; int v[64]; double a[16][16], b[16][16], c[16][16];
  for (int i = 0; i < 64; i++) { v[i] = (i * 37) % 64; t = insert(t, v[i]); }
  sort(v, 64); memset(a, 0, sizeof a); memset(b, 0, sizeof b); matrix(a, b, c);
  switch (argc) { case 1: puts("one"); break; case 2: puts(argv[1]); break; case 3: puts("three"); break; default: printf("%u\n", hash(argv[0])); }
  return depth(t) + v[3] + (int)c[1][1];
}
END

program() {
  case $1 in
    python-start) for n in 1 2 3; do python3 -c 'print(1)'; done ;;
    python-json) python3 json.py ;;
    python-structures) python3 structures.py ;;
    python-regexp) python3 regexp.py ;;
    python-recursion) python3 recursion.py ;;
    python-text) python3 text.py ;;
    sqlite) sqlite3 :memory: < query.sql ;;
    gcc) gcc -O2 -S -o - big.c | head -200 ;;
    make) rm -f *.o program; make -s; ls *.o program ;;
    sort) sort -n lines.txt | sort -k4 ;;
    grep) grep -cE '(1|7)+ line [0-9]*5 ' lines.txt; grep -c 'line 1.*9$' lines.txt ;;
    sed) sed -E 's/([0-9]+) line ([0-9]+)/\2-\1/; s/9/nine/g' lines.txt ;;
    awk) awk '{ sum[$4] += $1; n[$1 % 13]++ } END { for (k in sum) t += sum[k] * k; for (k in n) u += n[k] * k; print t, u }' lines.txt ;;
    gzip) gzip -6 -c lines.txt | gzip -dc ;;
    shell) n=0; while [ $n -lt 30 ]; do echo $n | cat | wc -c; expr $n + 1; n=$((n + 1)); done ;;
  esac
}
for name in $PROGRAMS; do
  for run in 1 2; do
    echo "bench:begin $name/$run"
    value=$(program "$name" 2>&1 | md5sum)
    echo "bench:end $name/$run ${value%% *}"
  done
done

// What C++ adds: namespaces, inheritance, references, templates, static members, scoped enumerations, lambdas.
extern "C" long sink;
long sink;
void operator delete(void *, unsigned long) {}
extern "C" void __cxa_pure_virtual() {}
extern "C" void *memset(void *to, int c, unsigned long n) {
  for (unsigned long i = 0; i < n; i++) ((volatile char *)to)[i] = c;
  return to;
}

namespace geometry {
enum class Unit : unsigned char { Metre, Foot = 7 };
int created;

struct Point {
  int x = 0, y = 0;
  static int dimension;
  Point(int x, int y) : x(x), y(y) { created++; }
  Point operator+(const Point &other) const {
    Point sum(x + other.x, y + other.y);
    return sum;
  }
};
int Point::dimension = 2;

class Shape {
 public:
  virtual long area() const = 0;
  virtual ~Shape() {}
  Unit unit = Unit::Foot;

 protected:
  long id = 3;
};

class Box : public Shape {
 public:
  Box(Point a, Point b) : low(a), high(b) {}
  __attribute__((noinline)) long area() const override {
    long width = high.x - low.x;
    long height = high.y - low.y;
    sink += width;
    return width * height + id;
  }

 private:
  Point low, high;
};
}  // namespace geometry

template <typename T, int N>
struct Ring {
  T items[N];
  int head = 0;
  __attribute__((noinline)) void push(T item) {
    int at = head++ % N;
    items[at] = item;
    sink += at;
  }
};

template <typename T>
__attribute__((noinline)) T larger(T a, T b) {
  bool first = a > b;
  sink += first;
  return first ? a : b;
}

struct Empty {};
struct Both : Empty, geometry::Point {
  Both() : Point(8, 9) {}
  char16_t letter = u'x';
};

__attribute__((noinline)) long measure(geometry::Shape &shape, const geometry::Point &origin, int &&moved) {
  using geometry::Point;
  Point corner = origin + Point(1, 1);
  int &alias = corner.x;
  geometry::Shape *pointer = &shape;
  Both both;
  Ring<short, 3> ring;
  ring.push(4);
  ring.push(-4);
  auto add = [&corner, moved](int n) { return corner.x + n + moved; };
  alias += 2;
  long result = pointer->area() + add(5) + larger(1.5, 2.5) + larger(3, 2);
  sink += result + both.y;
  return result;
}

int main() {
  geometry::Box box(geometry::Point(1, 2), geometry::Point(11, 22));
  geometry::Point origin(-1, -2);
  for (int i = 0; i < 2; i++) sink += measure(box, origin, i + 1);
  return 0;
}

// Virtual calls on objects of five classes in random order. A unit is a walk over 256 objects, two calls each.
#include "bench/guests/bench.h"

namespace {

class Shape {
 public:
  virtual uint32_t area(uint32_t scale) const { return scale; }
  virtual void grow(uint32_t by) { size_ += by; }

 protected:
  uint32_t size_ = 1;
};

class Square final : public Shape {
 public:
  uint32_t area(uint32_t scale) const override { return size_ * size_ * scale; }
};

class Strip final : public Shape {
 public:
  uint32_t area(uint32_t scale) const override { return (size_ + scale) << 2; }
  void grow(uint32_t by) override { size_ ^= by; }
};

class Triangle final : public Shape {
 public:
  uint32_t area(uint32_t scale) const override { return size_ * (size_ + scale) / 2; }
};

class Point final : public Shape {
 public:
  uint32_t area(uint32_t) const override { return 1; }
  void grow(uint32_t) override {}
};

constexpr int kObjects = 256;
Square squares[kObjects];
Strip strips[kObjects];
Triangle triangles[kObjects];
Point points[kObjects];
Shape plain[kObjects];
Shape* shapes[kObjects];

}  // namespace

uint32_t row_virtual(uint32_t units) {
  uint32_t random = 3;
  for (int i = 0; i < kObjects; ++i) {
    Shape* const choices[] = {&squares[i], &strips[i], &triangles[i], &points[i], &plain[i]};
    shapes[i] = choices[bench_random(&random) % 5];
  }
  uint32_t sum = 0;
  bench_begin();
  for (uint32_t unit = 0; unit < units; ++unit) {
    for (Shape* shape : shapes) {
      sum += shape->area(unit);
      shape->grow(sum & 7);
    }
  }
  bench_end();
  return sum;
}

// An interpreter of a register machine, whose program counts the steps of Collatz sequences. A unit is one start value.
#include "bench/guests/bench.h"

enum Operation {
  LOAD,         // r[a] = c
  ADD,          // r[a] += r[b]
  ADD_NUMBER,   // r[a] += c
  MULTIPLY,     // r[a] *= r[b]
  AND_NUMBER,   // r[a] = r[b] & c
  XOR,          // r[a] ^= r[b]
  SHIFT_RIGHT,  // r[a] >>= c
  COPY,         // r[a] = r[b]
  JUMP,         // to c
  JUMP_ZERO,    // to c if r[a] == 0
  JUMP_EQUAL,   // to c if r[a] == r[b]
  STORE,        // memory[r[a] % 64] = r[b]
  FETCH,        // r[a] = memory[r[b] % 64]
  STOP
};

typedef struct {
  uint8_t operation, a, b;
  int32_t c;
} Instruction;

// r0 the value, r1 the steps, r2 = 1, r3 = 3, r4 scratch.
static const Instruction program[] = {
    /* 0 */ {LOAD, 1, 0, 0},
    /* 1 */ {LOAD, 2, 0, 1},
    /* 2 */ {LOAD, 3, 0, 3},
    /* 3 */ {JUMP_EQUAL, 0, 2, 13},
    /* 4 */ {AND_NUMBER, 4, 0, 1},
    /* 5 */ {JUMP_ZERO, 4, 0, 9},
    /* 6 */ {MULTIPLY, 0, 3, 0},
    /* 7 */ {ADD, 0, 2, 0},
    /* 8 */ {JUMP, 0, 0, 10},
    /* 9 */ {SHIFT_RIGHT, 0, 0, 1},
    /* 10 */ {ADD_NUMBER, 1, 0, 1},
    /* 11 */ {STORE, 1, 0, 0},
    /* 12 */ {JUMP, 0, 0, 3},
    /* 13 */ {FETCH, 4, 1, 0},
    /* 14 */ {XOR, 1, 4, 0},
    /* 15 */ {COPY, 0, 1, 0},
    /* 16 */ {STOP, 0, 0, 0},
};

static uint32_t __attribute__((noinline)) interpret(const Instruction* code, uint32_t value) {
  static uint32_t memory[64];
  uint32_t r[8] = {value};
  for (const Instruction* at = code;;) {
    const Instruction i = *at++;
    switch (i.operation) {
      case LOAD:
        r[i.a] = (uint32_t)i.c;
        break;
      case ADD:
        r[i.a] += r[i.b];
        break;
      case ADD_NUMBER:
        r[i.a] += (uint32_t)i.c;
        break;
      case MULTIPLY:
        r[i.a] *= r[i.b];
        break;
      case AND_NUMBER:
        r[i.a] = r[i.b] & (uint32_t)i.c;
        break;
      case XOR:
        r[i.a] ^= r[i.b];
        break;
      case SHIFT_RIGHT:
        r[i.a] >>= i.c;
        break;
      case COPY:
        r[i.a] = r[i.b];
        break;
      case JUMP:
        at = code + i.c;
        break;
      case JUMP_ZERO:
        if (r[i.a] == 0) at = code + i.c;
        break;
      case JUMP_EQUAL:
        if (r[i.a] == r[i.b]) at = code + i.c;
        break;
      case STORE:
        memory[r[i.a] % 64] = r[i.b];
        break;
      case FETCH:
        r[i.a] = memory[r[i.b] % 64];
        break;
      default:
        return r[0];
    }
  }
}

uint32_t row_bytecode(uint32_t units) {
  uint32_t sum = 0;
  bench_begin();
  for (uint32_t unit = 0; unit < units; ++unit) sum = bench_mix(sum, interpret(program, 1000 + unit % 4096));
  bench_end();
  return sum;
}

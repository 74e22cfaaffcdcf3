// The benchmark guest: one static 32-bit program with a function for each row. It runs on Linux, be it the host's or a
// guest's, and as the first process of a guest.
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// A row does `units` units of work between bench_begin() and bench_end() and returns a checksum of the results that is
// the same on every machine for the same `units`. It runs in a process of its own. Work that cannot be done ends the
// process by bench_fail().
typedef uint32_t BenchFunction(uint32_t units);

typedef struct {
  const char* name;
  const char* group;  // rows with one acceptance figure: compute, float, code, system, shell
  BenchFunction* run;
} BenchRow;

void bench_begin(void);
void bench_end(void);
__attribute__((noreturn)) void bench_fail(const char* what);

// Checksums: the next value of a FNV-1a over 32-bit words.
static inline uint32_t bench_mix(uint32_t sum, uint32_t value) { return (sum ^ value) * 16777619u; }

// Numbers that look random (Numerical Recipes' 32-bit generator; take the high bits).
static inline uint32_t bench_random(uint32_t* state) {
  *state = *state * 1664525u + 1013904223u;
  return *state >> 8;
}

// The path of busybox, for the rows that run a shell.
const char* bench_busybox(void);

BenchFunction row_hash, row_sort, row_compress, row_recursion, row_bytecode, row_virtual, row_functions,
    row_chase_small, row_chase_large, row_strings, row_bignum;
BenchFunction row_matrix_x87, row_matrix_sse2, row_jit, row_rewrite;
BenchFunction row_getpid, row_pipe, row_fork, row_exec, row_mmap, row_touch, row_signal, row_file;
BenchFunction row_shell_loop, row_shell_text, row_shell_tools;

#ifdef __cplusplus
}
#endif

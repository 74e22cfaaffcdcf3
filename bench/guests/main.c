// The commands of the benchmark guest:
//
//   bench list                 the rows: name, group
//   bench run ROW UNITS        one row
//   bench serve                a line "ROW UNITS" on standard input runs a row; "poweroff" or the end of input ends it
//   bench true                 does nothing (the program that the row `exec` executes)
//
// As process 1 it mounts what the rows need and serves on the console. Each row that runs writes
//
//   @begin ROW UNITS
//   @end ROW UNITS NANOSECONDS CPU_NANOSECONDS CHECKSUM
//
// in which the times are those between bench_begin() and bench_end() by this machine's clocks; or "@failed ROW reason".
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "bench/guests/bench.h"

static const BenchRow rows[] = {
    {"hash", "compute", row_hash},
    {"sort", "compute", row_sort},
    {"compress", "compute", row_compress},
    {"recursion", "compute", row_recursion},
    {"bytecode", "compute", row_bytecode},
    {"virtual", "compute", row_virtual},
    {"functions", "compute", row_functions},
    {"chase-small", "compute", row_chase_small},
    {"chase-large", "compute", row_chase_large},
    {"strings", "compute", row_strings},
    {"bignum", "compute", row_bignum},
    {"matrix-x87", "float", row_matrix_x87},
    {"matrix-sse2", "float", row_matrix_sse2},
    {"jit", "code", row_jit},
    {"rewrite", "code", row_rewrite},
    {"getpid", "system", row_getpid},
    {"pipe", "system", row_pipe},
    {"fork", "system", row_fork},
    {"exec", "system", row_exec},
    {"mmap", "system", row_mmap},
    {"touch", "system", row_touch},
    {"signal", "system", row_signal},
    {"file", "system", row_file},
    {"shell-loop", "shell", row_shell_loop},
    {"shell-text", "shell", row_shell_text},
    {"shell-tools", "shell", row_shell_tools},
};
enum {
  ROWS = sizeof rows / sizeof rows[0]
};

typedef struct {
  uint64_t wall, cpu;  // nanoseconds
} Times;

static const char* running = "?";  // the row
static uint32_t running_units;
static Times begun, ended;

static uint64_t cpu_of(int who) {
  struct rusage usage;
  getrusage(who, &usage);
  return 1000ull * (1000000ull * (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                    (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec));
}

static Times now(void) {
  struct timespec wall;
  clock_gettime(CLOCK_MONOTONIC, &wall);
  return (Times){1000000000ull * (uint64_t)wall.tv_sec + (uint64_t)wall.tv_nsec,
                 cpu_of(RUSAGE_SELF) + cpu_of(RUSAGE_CHILDREN)};
}

// The line is out before the clock is read: the host's clock at this line is to mean the same moment.
void bench_begin(void) {
  printf("@begin %s %u\n", running, running_units);
  fflush(stdout);
  tcdrain(STDOUT_FILENO);
  begun = now();
}

void bench_end(void) { ended = now(); }

void bench_fail(const char* what) {
  printf("@failed %s %s: %s\n", running, what, strerror(errno));
  fflush(stdout);
  _exit(1);
}

const char* bench_busybox(void) {
  const char* path = getenv("BENCH_BUSYBOX");
  return path ? path : "/bin/busybox";
}

static const BenchRow* find_row(const char* name) {
  for (int i = 0; i < ROWS; ++i) {
    if (strcmp(rows[i].name, name) == 0) return &rows[i];
  }
  return NULL;
}

static void run_here(const BenchRow* row, uint32_t units) {
  running = row->name;
  running_units = units;
  const uint32_t sum = row->run(units);
  printf("@end %s %u %llu %llu %08x\n", row->name, units, (unsigned long long)(ended.wall - begun.wall),
         (unsigned long long)(ended.cpu - begun.cpu), sum);
  fflush(stdout);
}

// In a process of its own, so that a crash is the row's alone and memory is as fresh as the first time.
static void run_apart(const BenchRow* row, uint32_t units) {
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    run_here(row, units);
    _exit(0);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) {
    printf("@failed %s no process: %s\n", row->name, strerror(errno));
  } else if (WIFSIGNALED(status)) {
    printf("@failed %s killed by signal %d\n", row->name, WTERMSIG(status));
  } else if (WEXITSTATUS(status) > 1) {
    printf("@failed %s ended with status %d\n", row->name, WEXITSTATUS(status));
  }
  fflush(stdout);
}

static void serve(void) {
  char line[256];
  printf("@ready\n");
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
    char name[64];
    unsigned units = 0;
    if (strncmp(line, "poweroff", 8) == 0) return;
    if (sscanf(line, "%63s %u", name, &units) != 2) continue;
    const BenchRow* row = find_row(name);
    if (row) {
      run_apart(row, units);
    } else {
      printf("@failed %s no such row\n", name);
      fflush(stdout);
    }
  }
}

// The console carries bytes as they are.
static void make_console_raw(void) {
  struct termios mode;
  if (tcgetattr(0, &mode) != 0) return;
  cfmakeraw(&mode);
  mode.c_oflag |= OPOST | ONLCR;
  tcsetattr(0, TCSANOW, &mode);
}

static void be_first_process(void) {
  static const char* const folders[] = {"/dev", "/proc", "/tmp", "/bin"};
  for (unsigned i = 0; i < sizeof folders / sizeof folders[0]; ++i) mkdir(folders[i], 0755);
  mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
  mount("proc", "/proc", "proc", 0, NULL);
  mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
  setenv("PATH", "/bin", 1);
  if (chdir("/tmp") != 0) puts("no /tmp");
  make_console_raw();
  serve();
  fflush(stdout);
  reboot(RB_POWER_OFF);
}

// On one processor, as in a guest: otherwise the two ends of a pipe wake each other across processors.
static void stay_on_one_processor(void) {
  cpu_set_t set;
  const int cpu = sched_getcpu();
  if (cpu < 0) return;
  CPU_ZERO(&set);
  CPU_SET((unsigned)cpu, &set);
  sched_setaffinity(0, sizeof set, &set);
}

int main(int argc, char** argv) {
  const char* command = argc > 1 ? argv[1] : "";
  if (strcmp(command, "true") == 0) return 0;
  if (getpid() == 1) {
    be_first_process();
    return 1;
  }
  if (strcmp(command, "list") == 0) {
    for (int i = 0; i < ROWS; ++i) printf("%s %s\n", rows[i].name, rows[i].group);
    return 0;
  }
  stay_on_one_processor();
  if (strcmp(command, "serve") == 0) {
    serve();
    return 0;
  }
  const BenchRow* row = argc == 4 && strcmp(command, "run") == 0 ? find_row(argv[2]) : NULL;
  if (!row) {
    fputs("usage: bench list | run ROW UNITS | serve\n", stderr);
    return 2;
  }
  run_here(row, (uint32_t)strtoul(argv[3], NULL, 10));
  return 0;
}

// System calls, processes, signals and files.
//
//   getpid   one system call that does nothing
//   pipe     a byte to another process and back
//   fork     fork, exit and wait
//   exec     fork, execve of this program, exit and wait
//   signal   a signal to oneself, its handler, and the return from it
//   file     a file created, 100 bytes written, closed and unlinked, on a tmpfs
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/guests/bench.h"

uint32_t row_getpid(uint32_t units) {
  const long own = getpid();
  uint32_t right = 0;
  bench_begin();
  for (uint32_t unit = 0; unit < units; ++unit) right += syscall(SYS_getpid) == own;
  bench_end();
  return right;
}

static void wait_for(pid_t child) {
  int status = 0;
  if (waitpid(child, &status, 0) != child) bench_fail("waitpid");
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) bench_fail("the child");
}

static __attribute__((noreturn)) void answer(int in, int out) {
  uint8_t byte;
  while (read(in, &byte, 1) == 1) {
    ++byte;
    if (write(out, &byte, 1) != 1) _exit(1);
  }
  _exit(0);
}

uint32_t row_pipe(uint32_t units) {
  int there[2];
  int back[2];
  if (pipe(there) != 0 || pipe(back) != 0) bench_fail("pipe");
  const pid_t child = fork();
  if (child < 0) bench_fail("fork");
  if (child == 0) {
    close(there[1]);
    answer(there[0], back[1]);
  }
  close(there[0]);
  uint8_t byte = 0;
  bench_begin();
  for (uint32_t unit = 0; unit < units; ++unit) {
    if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1) bench_fail("a pipe");
  }
  close(there[1]);
  wait_for(child);
  bench_end();
  return byte;
}

uint32_t row_fork(uint32_t units) {
  bench_begin();
  for (uint32_t unit = 0; unit < units; ++unit) {
    const pid_t child = fork();
    if (child < 0) bench_fail("fork");
    if (child == 0) _exit(0);
    wait_for(child);
  }
  bench_end();
  return units;
}

uint32_t row_exec(uint32_t units) {
  bench_begin();
  for (uint32_t unit = 0; unit < units; ++unit) {
    const pid_t child = fork();
    if (child < 0) bench_fail("fork");
    if (child == 0) {
      execl("/proc/self/exe", "bench", "true", (char*)NULL);
      _exit(1);
    }
    wait_for(child);
  }
  bench_end();
  return units;
}

static volatile sig_atomic_t signals;

static void handler(int number) {
  (void)number;
  ++signals;
}

uint32_t row_signal(uint32_t units) {
  struct sigaction action = {.sa_handler = handler};
  if (sigaction(SIGUSR1, &action, NULL) != 0) bench_fail("sigaction");
  const pid_t own = getpid();
  bench_begin();
  for (uint32_t unit = 0; unit < units; ++unit) kill(own, SIGUSR1);
  bench_end();
  return (uint32_t)signals;
}

uint32_t row_file(uint32_t units) {
  static const char contents[100] = "contents";
  char path[] = "bench.XXXXXX";
  const int first = mkstemp(path);
  if (first < 0) bench_fail("mkstemp");
  close(first);
  unlink(path);
  uint32_t sum = 0;
  bench_begin();
  for (uint32_t unit = 0; unit < units; ++unit) {
    const int file = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
    if (file < 0) bench_fail(path);
    sum += (uint32_t)write(file, contents, sizeof contents);
    close(file);
    unlink(path);
  }
  bench_end();
  return sum;
}

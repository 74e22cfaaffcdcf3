// Shell scripts, run by busybox. A script gets busybox's path as $BB and the units as $1; the checksum is that of what
// it writes.
//
//   shell-loop   arithmetic, case, parameter expansion and functions in the shell alone: one round of a loop
//   shell-text   a pipeline of awk, grep, sed, sort and uniq: one line of 100 bytes
//   shell-tools  what a configure script does: small files, tests, command substitution, tools: one round
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/guests/bench.h"

static const char loop_script[] =
    "square() { r=$(($1 * $1)); }\n"
    "i=0 s=0 t=\n"
    "while [ $i -lt $1 ]; do\n"
    "  i=$((i + 1))\n"
    "  case $((i % 4)) in\n"
    "    0) s=$((s + i)) ;;\n"
    "    1) square $i; s=$((s ^ r)) ;;\n"
    "    2) t=$t.$i ;;\n"
    "    *) t=${t#*.} ;;\n"
    "  esac\n"
    "  [ ${#t} -gt 60 ] && t=${t%.*.*}\n"
    "done\n"
    "echo $s $t\n";

static const char text_script[] =
    "$BB awk -v n=$1 'BEGIN { x = 1; for (i = 0; i < n; ++i) { x = (x * 1103 + 12345) % 1000003;"
    " printf \"%06d line %d of the text has a number %d and a word w%03d and ends with some more words that fill "
    "it\\n\","
    " x, i, x % 97, x % 501 } }' |\n"
    "  $BB grep -v 'number 4' | $BB sed -e 's/line \\([0-9]*\\)/<\\1>/' -e 's/words/WORDS/g' | $BB sort |\n"
    "  $BB awk '{ count[$(NF - 10)]++ } { total += length($0) } END { for (w in count) print w, count[w]; print total "
    "}' |\n"
    "  $BB sort | $BB uniq -c | $BB md5sum\n";

static const char tools_script[] =
    "i=0\n"
    "while [ $i -lt $1 ]; do\n"
    "  i=$((i + 1))\n"
    "  f=conf$i\n"
    "  echo \"value=$i name=$f\" >$f\n"
    "  if $BB grep -q 'value=.*[13579] ' $f; then kind=odd; else kind=even; fi\n"
    "  next=$($BB expr $i + 1)\n"
    "  word=$($BB sed -n 's/.*name=//p' $f)\n"
    "  [ -f $f ] && [ ! -d $f ] && $BB rm $f\n"
    "  echo \"$kind $next $word $(echo $i | $BB tr 0-9 a-j)\"\n"
    "done | $BB md5sum\n";

static uint32_t run_script(const char* script, uint32_t units) {
  char count[16];
  snprintf(count, sizeof count, "%u", units);
  setenv("BB", bench_busybox(), 1);
  int ends[2];
  if (pipe(ends) != 0) bench_fail("pipe");
  bench_begin();
  const pid_t child = fork();
  if (child < 0) bench_fail("fork");
  if (child == 0) {
    dup2(ends[1], 1);
    close(ends[0]);
    close(ends[1]);
    execl(bench_busybox(), "busybox", "sh", "-c", script, "sh", count, (char*)NULL);
    _exit(127);
  }
  close(ends[1]);
  uint32_t sum = 0;
  uint8_t buffer[512];
  ssize_t got;
  while ((got = read(ends[0], buffer, sizeof buffer)) > 0) {
    for (ssize_t i = 0; i < got; ++i) sum = bench_mix(sum, buffer[i]);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child || status != 0) bench_fail("the script");
  bench_end();
  return sum;
}

uint32_t row_shell_loop(uint32_t units) { return run_script(loop_script, units); }
uint32_t row_shell_text(uint32_t units) { return run_script(text_script, units); }
uint32_t row_shell_tools(uint32_t units) { return run_script(tools_script, units); }

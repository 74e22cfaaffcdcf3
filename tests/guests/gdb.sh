#!/bin/bash
# An ordinary gdb on Debian's 686 kernel: breaks at a function by its name, shows a backtrace, steps 100 instructions
# across an interrupt, watches a variable, and lets the guest go on. One line an engine; logs are in build/boot-logs.
#
#   tests/guests/gdb.sh [translate|interpret]...
#
# Debian's kernel comes without symbols: the guest tells them (/proc/kallsyms), and they are kept for the next run.
#   RINGSHIFT   the program (default: build/ringshift)
source "$(dirname "$0")/../../scripts/lib.sh"
engines=("$@")
((${#engines[@]})) || engines=(translate interpret)
logs=build/boot-logs
mkdir -p "$logs"
work=$(mktemp -d)
pid=
trap '[[ -z $pid ]] || kill "$pid" 2>/dev/null; rm -rf "$work"' EXIT

# start ENGINE [OPTION...]: a guest with a shell on its serial port; its console is in $console.
start() {
  console=$logs/gdb-$1.console
  : >"$console"
  rm -f "$work/keys"
  mkfifo "$work/keys"
  "${RINGSHIFT:-build/ringshift}" run --engine "$1" --memory 64M --timeout 240 --kernel build/guests/vmlinuz-686 \
    --initrd build/initrd.gz --append 'console=ttyS0 quiet nokaslr' "${@:2}" <"$work/keys" >"$console" 2>"$console.err" &
  pid=$!
  exec 8>"$work/keys"
}
type_line() { printf '%s\n' "$1" >&8; }
# await TEXT: until the console has it.
await() {
  local n
  for ((n = 0; n < 1200; n++)); do
    grep -qaF -- "$1" "$console" && return
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  die "no '$1' from the guest; the console is in $console"
}
stop() {
  type_line 'poweroff -f'
  exec 8>&-
  wait "$pid" || die "the guest ended with status $?"
  pid=
}

# An ELF file without code whose symbols are the kernel's.
symbols=build/guests/symbols-686
make_symbols() {
  [[ ! -s $symbols || build/guests/vmlinuz-686 -nt $symbols ]] || return 0
  start translate
  await '/ # '
  type_line 'grep -E " [tT] [a-zA-Z_][a-zA-Z0-9_]*$" /proc/kallsyms; echo ALL-"SYMBOLS"'
  await 'ALL-SYMBOLS'
  tr -d '\r' <"$console" | grep -aE '^c[1-9a-f][0-9a-f]{6} [tT] [a-zA-Z0-9_]+$' | sort -u -k3,3 | sort >"$work/symbols"
  stop
  # The kernel keeps frame pointers: behind its first instructions, each function's frame is found by ebp.
  local base
  read -r base _ <"$work/symbols"
  {
    echo '.cfi_sections .debug_frame'
    echo '.section .kernel,"ax",@nobits'
    echo '.cfi_startproc simple'
    printf '.cfi_def_cfa ebp, 8\n.cfi_offset eip, -4\n.cfi_offset ebp, -8\n'
    awk -v base="$base" '{ printf ".org 0x%s - 0x%s\n.type %s,@function\n.globl %s\n%s:\n", $1, base, $3, $3, $3 }' \
      "$work/symbols"
    echo '.org . + 4096'
    echo '.cfi_endproc'
  } >"$work/symbols.s"
  gcc -m32 -c -x assembler "$work/symbols.s" -o "$work/symbols.o"
  ld -m elf_i386 --section-start=.kernel="0x$base" -e 0 "$work/symbols.o" -o "$symbols"
}

# What gdb does. `shell` commands type in the guest.
script() {
  cat <<END
set pagination off
set confirm off
set tcp connect-timeout 20
target remote $work/gdb.sock
monitor info version
info registers cr0 cr3 idtr_base
break do_sys_openat2
shell printf 'cat /proc/version\n' >&8
continue
stepi 3
backtrace 6
delete
echo STEPS\n
break default_idle
continue
delete
set \$i = 0
while \$i < 100
  stepi
  info symbol \$pc
  set \$i = \$i + 1
end
echo WATCH\n
set \$below = \$esp - 4
watch *(unsigned int *) \$below
continue
delete
echo GO ON\n
detach
END
}

# expect WHAT PATTERN: it is in gdb's log.
expect() { grep -qE -- "$2" "$log" || die "gdb: $1; its log is in $log"; }

try() {
  local began=$SECONDS
  start "$1" --gdb unix:"$work/gdb.sock"
  await '/ # '
  log=$logs/gdb-$1.log
  script >"$work/script"
  timeout 120 gdb -nx -batch -x "$work/script" "$symbols" >"$log" 2>&1 || die "gdb failed; its log is in $log"
  expect 'the monitor answers' '^Ringshift [0-9.]+'
  expect 'paging is on' '^cr0 +0x8'
  expect 'it stops at the function' '^Breakpoint 1, .*do_sys_openat2'
  expect 'the backtrace leads to the system call' '^#[1-9].* in (do_int80_syscall_32|__do_fast_syscall_32|do_fast_syscall_32)'
  expect 'it stops in the idle loop' '^Breakpoint 2, .*default_idle'
  sed -n '/^STEPS/,/^WATCH/p' "$log" >"$work/steps"
  (($(grep -c ' in section ' "$work/steps") >= 100)) || die "fewer than 100 steps; gdb's log is in $log"
  grep -qE '^(asm_|common_interrupt|__irqentry|irq_entries|restore_all|handle_irq|sysvec_)' "$work/steps" ||
    die "no interrupt among the steps; gdb's log is in $log"
  expect 'a variable is watched' '^Hardware watchpoint 3: '
  expect 'its change is seen' '^New value = [0-9]+'
  type_line 'echo still-"alive"'
  await 'still-alive'
  stop
  echo "ok   gdb $1: breakpoint, backtrace, 100 steps, watchpoint, and on ($((SECONDS - began)) s)"
}

make_symbols
for engine in "${engines[@]}"; do try "$engine"; done

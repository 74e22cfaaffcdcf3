#!/bin/bash
# Boots a test guest and checks what it does: it reaches user space, the workload gives the right results, and the
# program ends with status 0. One line a boot; the console is kept in build/boot-logs.
#
#   tests/guests/boot.sh [--kernel 686|686-pae] [--engine translate|interpret|qemu] [--workload poweroff|demo|loop]
#                        [--times N] [--timeout SECONDS]
#
# The engine `qemu` runs the same files by qemu-system-i386, to check the test itself.
#   RINGSHIFT   the program (default: build/ringshift)
source "$(dirname "$0")/../../scripts/lib.sh"
kernel=686 engine=translate workload=poweroff times=1 timeout=600
while (($#)); do
  case $1 in
    --kernel | --engine | --workload | --times | --timeout) declare "${1#--}=${2:?}"; shift 2 ;;
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) die "what is $1? See boot.sh --help" 2 ;;
  esac
done
files=(-kernel "build/guests/vmlinuz-$kernel" -initrd build/initrd.gz
  -append "console=ttyS0 quiet panic=-1 ringshift.run=$workload")
if [[ $engine == qemu ]]; then
  command=(timeout "$timeout" qemu-system-i386 -accel tcg -m 256M -nographic -no-reboot "${files[@]}")
else
  command=("${RINGSHIFT:-build/ringshift}" run --memory 256M --engine "$engine" --no-reboot --timeout "$timeout"
    "${files[@]/#-/--}")
fi
# SHA-256 of 50 MiB of zeros.
demo_hash=8565a714dca840f8652c5bae9249ab05f5fb5a4f9f13fbe23304b10f68252da2

# boot LOG: runs the guest; prints the seconds from process start to user space.
boot() {
  local line start=$EPOCHREALTIME
  "${command[@]}" </dev/null 2>"$1.err" | while IFS= read -r line; do
    printf '%s\n' "${line%$'\r'}" >>"$1"
    [[ $line != *USERSPACE* ]] || awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN {printf "%.2f", b - a}'
  done
}

# complaint LOG STATUS: why the boot is not good; nothing if it is.
complaint() {
  [[ $2 == 0 ]] || { echo "status $2"; return; }
  grep -q '^.*USERSPACE [0-9.]*$' "$1" || { echo 'no user space'; return; }
  ! grep -E -m1 'Kernel panic|Oops|BUG:|Call Trace|segfault' "$1" || return 0
  [[ $workload != demo ]] || { grep -q "^$demo_hash" "$1" && grep -q '^DEMO done' "$1"; } || echo 'wrong results'
  [[ $workload != loop ]] || grep -q '^END loop' "$1" || echo 'no end of the loop'
}

mkdir -p build/boot-logs
failures=0
for ((n = 1; n <= times; n++)); do
  log=build/boot-logs/$kernel-$engine-$workload-$n
  rm -f "$log" "$log.err"
  touch "$log"
  began=$EPOCHREALTIME status=0
  seconds=$(boot "$log") || status=$?
  total=$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN {printf "%.2f", b - a}')
  wrong=$(complaint "$log" "$status")
  if [[ $wrong ]]; then
    failures=$((failures + 1))
    echo "FAIL $kernel $engine $workload: $wrong; console in $log, the end of it:"
    tail -n 15 "$log" "$log.err" | sed 's/^/    /'
  else
    echo "ok   $kernel $engine $workload: user space after $seconds s, off after $total s"
  fi
done
((failures == 0))

#!/bin/bash
# Debian 12 for i386 on an IDE disk, started by SeaBIOS and GRUB as on a PC, and talked to at its serial console: systemd
# reaches a login, programs run, the machine is powered off, and e2fsck finds a clean file system; also when Ringshift has
# been killed while the guest was writing. One line a case; the consoles are kept in build/boot-logs.
#
#   tests/guests/debian.sh [--engine translate|interpret] [--memory SIZE] [login|second|killed]...
#
#   login    GRUB's first entry; apt, python and perl
#   second   the other kernel (686 without PAE), by GRUB's menu
#   killed   the host's SIGKILL in the middle of writes; then the journal is replayed, and what was synced is there
#
# Without a case, all. The disk is a copy of what `scripts/guests --debian` makes.
#   RINGSHIFT   the program (default: build/ringshift)
source "$(dirname "$0")/../../scripts/lib.sh"
engine=translate memory=512M cases=()
while (($#)); do
  case $1 in
    --engine | --memory) declare "${1#--}=${2:?}"; shift 2 ;;
    -h | --help) sed -n '2,14s/^# \{0,1\}//p' "$0"; exit 0 ;;
    login | second | killed) cases+=("$1"); shift ;;
    *) die "what is $1? See debian.sh --help" 2 ;;
  esac
done
((${#cases[@]})) || cases=(login second killed)
logs=build/boot-logs kind=debian
source tests/guests/screen.sh
original=build/guests/debian/disk.img
[[ -f $original ]] || die 'no disk: scripts/guests --debian makes it' 2
patience=600
work=$(mktemp -d build/guests/debian/run.XXXXXX)
trap 'rm -rf "$work"' EXIT

# power_on NAME: the machine with $disk; its serial console is written to $console and read from press().
power_on() {
  log=$logs/$kind-$engine-$1 screen=$logs/$kind-$engine-$1.screen console=$logs/$kind-$engine-$1.serial
  rm -f "$screen" "$log".*
  coproc machine { exec "${RINGSHIFT:-build/ringshift}" run --engine "$engine" --memory "$memory" --no-reboot \
    --timeout 1200 --disk "$disk" --screen-text "$screen" >"$console" 2>"$log.err"; }
  pid=$machine_PID keyboard=${machine[1]}
}
fresh_disk() {
  disk=$work/disk.img
  cp --sparse=always --reflink=auto "$original" "$disk"
}
log_in() {
  await 'ringshift login:' "$console" || return
  press $'root\r'
  await 'Password:' "$console" || return
  press $'ringshift\r'
  await 'root@ringshift:~# ' "$console"
}
# try COMMAND: in the guest's shell; its status must be 0. The shell's echo of the command does not look like the answer.
tried=0
try() {
  tried=$((tried + 1))
  press "$1; echo \"DONE-\$?-$tried.\""$'\r'
  await "-$tried."$'\r' "$console" || return
  grep -qF "DONE-0-$tried." "$console" || { echo "the guest: $1 fails; the console is in $console"; return 1; }
}
power_off() {
  local status=0
  press $'poweroff\r'
  wait "$pid" || status=$?
  ((status == 0)) || { echo "status $status; the console is in $console"; return 1; }
  ! grep -E -m1 'Kernel panic|Oops|BUG:|Call Trace|segfault|EXT4-fs error' "$console"
}
check_file_system() {
  PATH=$PATH:/usr/sbin e2fsck -fn "$disk?offset=$((1 << 20))" >"$log.fsck" 2>&1 ||
    { echo "unclean file system: $log.fsck"; return 1; }
}

boot_login() {
  fresh_disk
  power_on login
  log_in || return
  try 'apt-get --version | grep "apt 2.* (i386)"' || return
  try 'python3 -c "import math; print(math.factorial(30), f\"{math.pi:.15f}\")" | grep "^265252859812191058636308480000000 3.141592653589793$"' ||
    return
  try 'perl -e "print join(q(,), sort map { \$_ ** 2 } 1..5), qq(\n)" | grep -x 1,16,25,4,9' || return
  try 'systemctl is-system-running --wait | grep -x running' || return
  power_off && check_file_system
}

boot_second() {
  fresh_disk
  power_on second
  await 'Linux 6.1.0-' || return
  press $'\e[B\e[B' # the first kernel's recovery mode is in between
  press $'\r'
  log_in || return
  try 'uname -r | grep 686$' || return
  power_off && check_file_system
}

boot_killed() {
  fresh_disk
  power_on killed
  log_in || return
  try 'for i in $(seq 20); do head -c 1M /dev/urandom >kept$i; done; sha256sum kept* >sums; sync' || return
  press 'while :; do dd if=/dev/urandom of=w$((RANDOM % 50)) bs=64k count=$((RANDOM % 32)) 2>/dev/null; rm -f w$((RANDOM % 50)); sync w*; done & '
  try 'sleep 5' || return
  kill -KILL "$pid"
  wait "$pid" 2>/dev/null
  # e2fsck says so of a journal that it may not replay.
  PATH=$PATH:/usr/sbin e2fsck -n "$disk?offset=$((1 << 20))" >"$log.fsck" 2>&1
  grep -q 'skipping journal recovery' "$log.fsck" ||
    { echo "the disk was not in use when the machine was killed: $log.fsck"; return 1; }
  power_on killed-again
  log_in || return
  try 'sha256sum --check --quiet sums' || return
  power_off && check_file_system
}

run_cases "${cases[@]}"

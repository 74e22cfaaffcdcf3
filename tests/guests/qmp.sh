#!/bin/bash
# Controls a machine through QMP alone: GRUB from a CD gets its keys, is reset and stopped, resets the machine itself, and
# its screen and drives are looked at. One line an engine; the last screens are kept in build/boot-logs.
#
#   tests/guests/qmp.sh [translate|interpret]...
#
#   RINGSHIFT   the program (default: build/ringshift)
source "$(dirname "$0")/../../scripts/lib.sh"
engines=("$@")
((${#engines[@]})) || engines=(translate interpret)
logs=build/boot-logs
mkdir -p "$logs"
pid=
trap '[[ -z $pid ]] || kill "$pid" 2>/dev/null' EXIT

# await TEXT [MISSING]: until the screen has it; or, with a second argument, has it no more.
await() {
  local n
  for ((n = 0; n < 600; n++)); do
    if grep -qF -- "$1" "$screen" 2>/dev/null; then [[ ${2:-} ]] || return 0; else [[ ! ${2:-} ]] || return 0; fi
    sleep 0.1
  done
  die "the screen waits for '$1'; it is in $screen"
}

# hear TEXT: reads what QMP says until a line has it; the line is in $heard.
hear() {
  while IFS= read -r -t 60 -u 9 heard; do
    printf '%s\n' "$heard" >>"$log"
    [[ $heard != *"$1"* ]] || return 0
  done
  die "QMP never said $1; what it said is in $log"
}
# run COMMAND [ARGUMENTS]: until it has been answered.
run() {
  printf '{"execute":"%s","arguments":{%s}}\n' "$1" "${2:-}" | tee -a "$log" >&9
  hear '"return"'
}
press() { run send-key "\"keys\":[{\"type\":\"qcode\",\"data\":\"$1\"}]"; }
# type_keys NAME...: as fast as GRUB reads.
type_keys() {
  local key
  for key; do
    press "$key"
    sleep 0.2
  done
}
prompt() {
  await 'for a command-line'
  press c
  await 'grub>'
}

try() {
  local began=$SECONDS n picture=$logs/qmp-$1.png port=$((20000 + RANDOM % 20000))
  log=$logs/qmp-$1.log screen=$logs/qmp-$1.screen
  rm -f "$log" "$screen" "$picture"
  "${RINGSHIFT:-build/ringshift}" run --engine "$1" --timeout 200 --serial none --screen-text "$screen" \
    --cdrom build/guests/grub-rescue-cdrom.iso --qmp "tcp:localhost:$port,server=on,wait=off" </dev/null 2>>"$log" &
  pid=$!
  for ((n = 0; n < 100; n++)); do
    { exec 9<>"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null && break
    sleep 0.1
  done
  hear '"QMP"'
  run qmp_capabilities
  prompt
  run query-block
  [[ $heard == *'"device":"ide1-cd0"'*grub-rescue-cdrom.iso* ]] || die "query-block: $heard"

  run system_reset
  hear '"RESET"'
  await 'grub>' gone
  prompt
  # GRUB's own way goes through the firmware, which finds itself in RAM and resets the machine properly.
  type_keys r e b o o t ret
  hear '"guest":true'
  prompt

  run stop
  run query-status
  [[ $heard == *'"paused"'* ]] || die "query-status: $heard"
  press l
  sleep 0.5
  ! grep -q 'grub> l' "$screen" || die 'a stopped guest reads keys'
  run cont
  await 'grub> l'
  run screendump "\"filename\":\"$PWD/$picture\""
  [[ $(head -c 4 "$picture" | tail -c 3) == PNG ]] || die 'the screen dump is no PNG file'
  run eject '"device":"ide1-cd0"'
  run query-block
  [[ $heard == *'"tray_open":true'* ]] || die "query-block: $heard"
  run blockdev-change-medium "\"id\":\"ide1-cd0\",\"filename\":\"$PWD/build/guests/grub-rescue-cdrom.iso\""
  run quit
  hear '"SHUTDOWN"'
  wait "$pid" || die "the run ended with status $?"
  pid=
  exec 9>&-
  echo "ok   qmp $1: keys, resets, stop, screen dump, media ($((SECONDS - began)) s)"
}

for engine in "${engines[@]}"; do try "$engine"; done

#!/bin/bash
# At a terminal, ./demo ends at a shell in the guest that answers, has job control, and can power off; the program
# leaves the terminal as it was. A pseudo-terminal of script(1) stands for the user's.
#
#   tests/guests/terminal.sh [option of ./demo]...
source "$(dirname "$0")/../../scripts/lib.sh"
log=build/boot-logs/terminal
mkdir -p build/boot-logs
: >"$log"
coproc demo { SHELL=/bin/sh exec timeout 900 script -qefc "stty -echo; before=\$(stty -g); ./demo $*; status=\$?
  [ \$(stty -g) = \$before ] && echo SETTINGS kept; exit \$status" /dev/null 2>&1; }
pid=$demo_PID out=${demo[0]} in=${demo[1]}

# await TEXT: reads the console until TEXT has come.
seen=
await() {
  local char
  until [[ $seen == *"$1"* ]]; do
    IFS= read -r -N 1 -t 300 -u "$out" char || die "no $1; the console is in $log"
    printf %s "$char" >>"$log"
    seen+=$char
  done
  seen=${seen##*"$1"}
}
type_line() { printf '%s\r' "$1" >&"$in"; }

await '/ # '
type_line 'echo $((6*7))answers'
await '42answers'
await '/ # '
type_line 'sleep 1000'
await 'sleep 1000'
sleep 1
printf '\003' >&"$in" # Ctrl-c ends the guest's sleep, not Ringshift
await '/ # '
type_line 'poweroff -f'
await 'SETTINGS kept'
status=0
wait "$pid" || status=$?
((status == 0)) || die "status $status; the console is in $log"
echo 'ok   terminal: shell answers, Ctrl-c stays in the guest, poweroff ends with status 0'

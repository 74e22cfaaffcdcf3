# Guests that are talked to by screen and keyboard. Sourced by scripts that set $logs, $engine and $kind (the first word of
# their logs' names): not run.
mkdir -p "$logs"

# start NAME [OPTION...]: a machine whose screen goes to $screen and whose keyboard is press().
start() {
  log=$logs/$kind-$engine-$1 screen=$logs/$kind-$engine-$1.screen
  rm -f "$screen" "$log".*
  coproc machine { exec "${RINGSHIFT:-build/ringshift}" run --engine "$engine" --no-reboot --timeout "${limit:-300}" \
    --serial file:"$log.serial" --display terminal --screen-text "$screen" "${@:2}" 2>"$log.err" >/dev/null; }
  pid=$machine_PID keyboard=${machine[1]}
}
press() { printf '%s' "$1" >&"$keyboard"; }

# await TEXT [FILE]: until the screen, or a file, has it; for $patience seconds.
await() {
  local n
  for ((n = 0; n < ${patience:-60} * 10; n++)); do
    grep -qF -- "$1" "${2:-$screen}" 2>/dev/null && return
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  grep -qF -- "$1" "${2:-$screen}" 2>/dev/null && return
  echo "no '$1' on the screen in $screen:"
  cat "$screen" "$log.err" 2>/dev/null | sed 's/^/    /'
  return 1
}

# Ctrl-a is a command at a terminal only: a machine that has shown enough is ended by a signal.
stop() {
  kill -TERM "$pid" 2>/dev/null
  wait "$pid" 2>/dev/null
  return 0
}

grub_prompt() {
  await 'for a command-line' || return
  press c
  await 'grub>'
}

# grub_line TEXT: types a command, and waits until GRUB asks for the next. What is typed faster than GRUB reads gets lost
# when the BIOS's buffer of 16 keys is full: eight at a time.
grub_line() {
  local n shown
  for ((n = 0; n < ${#1}; n += 8)); do
    press "${1:n:8}"
    shown=${1:0:n+8}
    await "grub> ${shown%"${shown##*[! ]}"}" || return
  done
  press $'\r'
  for ((n = 0; n < 600; n++)); do
    sleep 0.1
    [[ $(grep . "$screen" | tail -n 1) == 'grub>' ]] && return
  done
  await 'the next prompt'
}

# run_cases NAME...: calls boot_NAME for each, which prints why it fails; one line each; the status is whether all passed.
run_cases() {
  local case wrong began failures=0
  for case; do
    began=$EPOCHREALTIME
    # What a failed case has left is not to run on.
    if wrong=$(pid='' && trap '[[ -z $pid ]] || kill "$pid" 2>/dev/null || true' EXIT && "boot_$case"); then
      echo "ok   $kind $engine $case: $(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN {printf "%.2f", b - a}') s"
    else
      failures=$((failures + 1))
      printf 'FAIL %s %s %s: %s\n' "$kind" "$engine" "$case" "$wrong"
    fi
  done
  ((failures == 0))
}

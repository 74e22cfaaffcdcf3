#!/bin/bash
# Compares the clocks of a machine with the host's and with each other, as a guest of our own measures them, and looks
# how much of a processor an idle Linux takes. One line a clock, with its error in parts per million; more than 1,000 are
# a failure, and so are more than 3% of a processor. Needs a host that is not busy.
#
#   tests/guests/time.sh [--seconds N] [--engine translate|interpret] [clocks|idle]...
#
#   RINGSHIFT   the program (default: build/ringshift)
source "$(dirname "$0")/../../scripts/lib.sh"
seconds=60 engine=translate cases=()
while (($#)); do
  case $1 in
    --seconds | --engine) declare "${1#--}=${2:?}"; shift 2 ;;
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
    clocks | idle) cases+=("$1"); shift ;;
    *) die "what is $1? See time.sh --help" 2 ;;
  esac
done
((${#cases[@]})) || cases=(clocks idle)
ringshift=${RINGSHIFT:-build/ringshift}
logs=build/boot-logs
mkdir -p "$logs"
failures=0

# judge NAME MEASURED EXPECTED
judge() {
  local verdict
  verdict=$(awk -v m="$2" -v e="$3" 'BEGIN {
    error = (m / e - 1) * 1e6
    printf "%s %+.0f ppm", (error <= 1000 && error >= -1000) ? "ok  " : "FAIL", error
  }')
  echo "$verdict $1"
  [[ $verdict == ok* ]] || failures=$((failures + 1))
}

clocks() {
  local image=build/clocks_guest.bin log=$logs/time-$engine line
  nasm -f bin -I tests/guests/ -o "$image" tests/guests/clocks_guest.asm || die "nasm cannot assemble the guest"
  local begin='' end='' kind name n first last
  local -A count rate=([pit]=18.2065 [rtc-periodic]=2 [rtc-update]=1 [apic-timer]=5 [hpet]=5)
  local -A hertz=([pm-timer]=3579545 [hpet]=100000000)
  : >"$log"
  while IFS= read -r line; do
    case $line in
      BEGIN) begin=$EPOCHREALTIME ;;
      END) end=$EPOCHREALTIME ;;
    esac
    echo "$line" >>"$log"
  done < <("$ringshift" run --kernel "$image" --append "$seconds" --memory 16M --apic on --hpet on --engine "$engine" \
    --timeout $((seconds + 60)) </dev/null 2>"$log.err")
  [[ $begin && $end ]] || { cat "$log" "$log.err"; die "the guest did not end"; }
  local host tsc_hertz
  host=$(awk -v a="$begin" -v b="$end" 'BEGIN {printf "%.6f", b - a}')
  echo "host: $host s, $engine"
  while read -r kind name n first last; do
    case $kind in
      counter)
        count[$name]=$((16#$n))
        if [[ $name == tsc ]]; then
          tsc_hertz=$(awk -v t="${count[tsc]}" -v h="$host" 'BEGIN {printf "%.3f", t / h}')
        else
          judge "counter $name against the host" "${count[$name]}" \
            "$(awk -v f="${hertz[$name]}" -v h="$host" 'BEGIN {printf "%.3f", f * h}')"
        fi
        ;;
      interrupt)
        judge "interrupt $name against the host" \
          "$(awk -v n=$((16#$n)) -v t=$((16#$last - 16#$first)) -v f="$tsc_hertz" \
            'BEGIN {printf "%.9f", t ? (n - 1) * f / t : 0}')" "${rate[$name]}"
        ;;
      crystal)
        ((16#$name == 0)) || judge 'CPUID leaf 15h against the host' \
          "$(awk -v d=$((16#$name)) -v n=$((16#$n)) -v f=$((16#$first)) 'BEGIN {printf "%.3f", f * n / d}')" \
          "$tsc_hertz"
        ;;
    esac
  done <"$log"
}

# ticks PID: processor time so far, in units of 10 ms.
ticks() {
  local stat
  stat=$(<"/proc/$1/stat")
  set -- ${stat##*) }
  echo $((${12} + ${13}))
}

# idle NAME OPTION...: Linux waits at its shell.
idle_linux() {
  local log=$logs/idle-$1 pid n before after hertz
  hertz=$(getconf CLK_TCK)
  rm -f "$log" "$log.in"
  mkfifo "$log.in"
  exec {input}<>"$log.in"
  "$ringshift" run --kernel build/guests/vmlinuz-686 --initrd build/initrd.gz --engine "$engine" --memory 256M \
    --append 'console=ttyS0 quiet' --serial stdio "${@:2}" <&"$input" >"$log" 2>"$log.err" &
  pid=$!
  for ((n = 0; n < 600; n++)); do
    grep -q USERSPACE "$log" 2>/dev/null && break
    sleep 0.1
  done
  sleep 5
  before=$(ticks "$pid")
  sleep 20
  after=$(ticks "$pid")
  kill -TERM "$pid"
  wait "$pid" || true
  exec {input}>&-
  rm -f "$log.in"
  local verdict
  verdict=$(awk -v t=$((after - before)) -v h="$hertz" 'BEGIN {
    percent = 100 * t / h / 20
    printf "%s %.1f%%", percent < 3 ? "ok  " : "FAIL", percent
  }')
  echo "$verdict of a processor for an idle Linux, $1, $engine"
  [[ $verdict == ok* ]] || failures=$((failures + 1))
}

idle() {
  idle_linux without-apic
  idle_linux with-apic --apic on --hpet on
}

for case in "${cases[@]}"; do "$case"; done
exit $((failures != 0))

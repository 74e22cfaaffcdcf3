#!/bin/bash
# Boots media of Debian's packages as they are, through SeaBIOS: memtest86+ until it has passed over 64 MiB once; iPXE's
# CD to its shell; and a CD that is made here, whose ISOLINUX starts Debian's kernel. One line a boot; the last screens are
# kept in build/boot-logs.
#
#   tests/guests/media.sh [--engine translate|interpret] [ipxe|isolinux|memtest]...
#
# Without a case the first two: memtest86+ takes a minute.
#   RINGSHIFT   the program (default: build/ringshift)
source "$(dirname "$0")/../../scripts/lib.sh"
engine=translate cases=()
while (($#)); do
  case $1 in
    --engine) engine=${2:?}; shift 2 ;;
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
    ipxe | isolinux | memtest) cases+=("$1"); shift ;;
    *) die "what is $1? See media.sh --help" 2 ;;
  esac
done
((${#cases[@]})) || cases=(ipxe isolinux)
require_packages "${packages_media[@]}"
logs=build/boot-logs kind=media
source tests/guests/screen.sh
media=build/guests/media

boot_memtest() {
  local patience=1200 limit=1260
  start memtest --memory 64M --cdrom "$media/memtest86+ia32.iso" --boot cdrom
  await 'Pass:  1        Errors: 0' && stop
}

# There is no network card.
boot_ipxe() {
  start ipxe --memory 64M --cdrom "$media/ipxe.iso" --boot cdrom
  await 'Press Ctrl-B' || return
  press $'\002'
  await 'iPXE>' && press $'ifopen net0\r' && await '"net0": no such network device' && stop
}

boot_isolinux() {
  local status=0 patience=600 limit=660
  mkdir "$work/cd"
  cp build/guests/vmlinuz-686 "$work/cd/linux"
  cp build/initrd.gz "$work/cd/"
  make_boot_cd "$work/cd.iso" "$work/cd" 'console=ttyS0 quiet panic=-1 ringshift.run=demo' || { echo 'no CD'; return 1; }
  start isolinux --cdrom "$work/cd.iso" --boot cdrom
  await 'DEMO done' "$log.serial" || return
  wait "$pid" || status=$?
  ((status == 0)) || echo "status $status; console in $log.serial"
  return "$status"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
run_cases "${cases[@]}"

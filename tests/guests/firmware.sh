#!/bin/bash
# Boots media through SeaBIOS and talks to what comes up by screen and keyboard: GRUB from a CD and from a floppy disk,
# and Debian's kernel that this GRUB loads from a hard disk; its own drivers then try the drives. The installer's first
# dialog is read from the VGA's text, and its first window compared with a picture. One line a boot; the last screens are
# kept in build/boot-logs.
#
#   tests/guests/firmware.sh [--engine translate|interpret] [nothing|cdrom|floppy|linux|drives|installer|window]...
#
# Without a case the first three: Linux takes minutes when it is interpreted. The last two need scripts/guests --installer.
#   RINGSHIFT   the program (default: build/ringshift)
#   COMPARE     compare_pictures (default: build/tests/guests/compare_pictures)
source "$(dirname "$0")/../../scripts/lib.sh"
engine=translate cases=()
while (($#)); do
  case $1 in
    --engine) engine=${2:?}; shift 2 ;;
    -h | --help) sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 0 ;;
    cdrom | floppy | linux | drives | nothing | installer | window) cases+=("$1"); shift ;;
    *) die "what is $1? See firmware.sh --help" 2 ;;
  esac
done
((${#cases[@]})) || cases=(nothing cdrom floppy)
logs=build/boot-logs
media=build/guests
compare=${COMPARE:-build/tests/guests/compare_pictures}
kind=firmware
source tests/guests/screen.sh

# Each of them returns a failure after it has said why.
boot_nothing() {
  start nothing --boot disk
  await 'No bootable device' && stop
}

boot_cdrom() {
  start cdrom --cdrom "$media/grub-rescue-cdrom.iso" --disk "$disk,snapshot" --boot cdrom
  grub_prompt && press $'ls\r' && await '(hd0)' && await '(cd)' && stop
}

boot_floppy() {
  start floppy --floppy "$media/grub-rescue-floppy.img,readonly" --disk "$disk,snapshot" --boot floppy
  grub_prompt && press $'ls\r' && await '(hd0)' && await '(fd0)' && stop
}

boot_linux() {
  local status=0
  start linux --cdrom "$media/grub-rescue-cdrom.iso" --disk "$disk,snapshot" --boot cdrom
  grub_prompt || return
  grub_line 'linux (hd0)/vmlinuz console=ttyS0 quiet panic=-1 ringshift.run=poweroff' || return
  grub_line 'initrd (hd0)/initrd.gz' || return
  press $'boot\r'
  await USERSPACE "$log.serial" || return
  wait "$pid" || status=$?
  ((status == 0)) || echo "status $status; console in $log.serial"
  return "$status"
}

# Linux's checksums of what it finds, against ours; and the file system it leaves.
boot_drives() {
  local status=0 sums
  truncate -s 1440K "$work/floppy.img"
  dd if="$media/grub-rescue-floppy.img" of="$work/floppy.img" conv=notrunc status=none
  start drives --cdrom "$media/grub-rescue-cdrom.iso" --disk "$disk" --floppy "$work/floppy.img,readonly" --boot cdrom
  grub_prompt || return
  grub_line 'linux (hd0)/vmlinuz console=ttyS0 quiet panic=-1' || return
  grub_line 'initrd (hd0)/drives.gz' || return
  press $'boot\r'
  await 'DRIVES done' "$log.serial" || return
  wait "$pid" || status=$?
  ((status == 0)) || { echo "status $status; console in $log.serial"; return 1; }
  ! grep FAIL "$log.serial" || return
  sums=$(sed -nE 's/\r$//; s/^([0-9a-f]{64}) .*/\1/p' "$log.serial" | tr '\n' ' ')
  read -r kernel written again _ floppy <<<"$sums"
  [[ $kernel == "$(sum "$media/vmlinuz-686")" && $written && $written == "$again" ]] || { echo 'wrong disk'; return 1; }
  [[ $floppy == "$(sum "$work/floppy.img")" ]] || { echo 'wrong floppy disk'; return 1; }
  PATH=$PATH:/usr/sbin e2fsck -fn "$disk" >"$log.fsck" 2>&1 || { echo "unclean file system: $log.fsck"; return 1; }
}
# A disk with debian-installer's kernel and initial RAM disk, from $1, that GRUB starts with the arguments $2.
start_installer() {
  mkdir -p "$work/installer"
  cp "$media/installer/$1"/{linux,initrd.gz} "$work/installer/" || return
  PATH=$PATH:/usr/sbin mke2fs -q -t ext4 -d "$work/installer" "$work/installer.img" 96M >/dev/null
  rm -r "$work/installer"
  start "installer-$1" --memory 1G --cdrom "$media/grub-rescue-cdrom.iso" --disk "$work/installer.img,snapshot" \
    --boot cdrom --screen-picture "$logs/firmware-$engine-installer-$1.png"
  grub_prompt && grub_line "linux (hd0)/linux $2" && grub_line 'initrd (hd0)/initrd.gz' && press $'boot\r'
}

boot_installer() {
  start_installer text 'vga=normal nomodeset fb=false --- quiet' && await 'Select a language' && stop
}

boot_window() {
  local shown=$logs/firmware-$engine-installer-gtk.png n alike=
  rm -f "$shown"
  start_installer gtk 'vga=788 --- quiet' || return
  for ((n = 0; n < 240; n++)); do
    sleep 0.5
    kill -0 "$pid" 2>/dev/null || break
    alike=$("$compare" "$shown" tests/guests/pictures/installer-window.png 2>&1) && stop && return
  done
  echo "not the expected window in $shown: $alike"
  stop
  return 1
}

sum() { sha256sum "$1" | cut -d ' ' -f 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tree"
cp "$media/vmlinuz-686" "$work/tree/vmlinuz"
cp build/initrd.gz "$work/tree/initrd.gz"
# A later archive's files replace those of an earlier one.
mkdir "$work/drives"
cp -r "$media/modules-686" "$work/drives/modules"
cp scripts/guest/drives "$work/drives/init"
(cd "$work/drives" && find . | cpio -o -H newc --owner=0:0 --quiet | gzip -1) | cat build/initrd.gz - >"$work/tree/drives.gz"
disk=$work/disk.img
# The tools of file systems are not on the path of every user.
PATH=$PATH:/usr/sbin mke2fs -q -t ext4 -d "$work/tree" "$disk" 48M >/dev/null

run_cases "${cases[@]}"

#!/bin/bash
# Debian's kernel on disks of which the host thinks badly: an ext4 file system in a qcow2 image over a raw one; the same
# when Ringshift is killed; and disks that take no more. QEMU's tools and e2fsck then look at the images. One line a boot;
# the last consoles are kept in build/boot-logs.
#
#   tests/guests/storage.sh [--engine translate|interpret] [qcow2|kill|full]...
#
#   RINGSHIFT   the program (default: build/ringshift)
source "$(dirname "$0")/../../scripts/lib.sh"
engine=translate cases=()
while (($#)); do
  case $1 in
    --engine) engine=${2:?}; shift 2 ;;
    -h | --help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
    qcow2 | kill | full) cases+=("$1"); shift ;;
    *) die "what is $1? See storage.sh --help" 2 ;;
  esac
done
((${#cases[@]})) || cases=(qcow2 kill full)
require_packages "${packages_media[@]}"
logs=build/boot-logs kind=storage
source tests/guests/screen.sh
PATH=$PATH:/usr/sbin # the tools of file systems are not on the path of every user

# boot CASE HOW [OPTION...]: the kernel, from a CD that says how the disks are to be used.
boot() {
  cp "$work/initrd.gz" build/guests/vmlinuz-686 "$work/cd/"
  mv "$work/cd/vmlinuz-686" "$work/cd/linux"
  make_boot_cd "$work/cd.iso" "$work/cd" "console=ttyS0 quiet panic=-1 ringshift.storage=$2" || { echo 'no CD'; return 1; }
  start "$1" --memory 128M --cdrom "$work/cd.iso" --boot cdrom "${@:3}"
}

# ends: the guest powers off and has not complained.
ends() {
  local status=0
  await 'STORAGE done' "$log.serial" || return
  wait "$pid" || status=$?
  ((status == 0)) || { echo "status $status; console in $log.serial"; return 1; }
  ! grep FAIL "$log.serial"
}

# sound IMAGE: the qcow2 image has neither errors nor leaks, and its file system is in $work/raw.img.
sound() {
  local said n
  for ((n = 0; n < 50; n++)); do
    said=$(qemu-img check -q -f qcow2 "$1" 2>&1) && break
    [[ $said == *'another process'* ]] || break # a killed machine's server ends a moment later
    sleep 0.1
  done
  [[ ! $said ]] || { echo "qemu-img check: $said"; return 1; }
  qemu-img convert -f qcow2 -O raw "$1" "$work/raw.img"
}

sum() { sha256sum "$1" | cut -d ' ' -f 1; }
# sum_inside IMAGE FILE
sum_inside() { debugfs -R "cat $2" "$1" 2>/dev/null | sha256sum | cut -d ' ' -f 1; }

boot_qcow2() {
  local base first second
  base=$(sum "$disk")
  qemu-img create -q -f qcow2 -b "$disk" -F raw "$work/top.qcow2" || return
  boot qcow2 copy --disk "$work/top.qcow2" && ends || return
  read -r first second <<<"$(sed -nE 's/\r$//; s/^([0-9a-f]{64}) .*/\1/p' "$log.serial" | tr '\n' ' ')"
  sound "$work/top.qcow2" || return
  e2fsck -fn "$work/raw.img" >"$log.fsck" 2>&1 || { echo "unclean file system: $log.fsck"; return 1; }
  [[ $first == "$(sum "$work/tree/first")" && $second == "$(sum_inside "$work/raw.img" second)" ]] ||
    { echo 'wrong contents'; return 1; }
  [[ $base == "$(sum "$disk")" ]] || { echo 'the backing file has changed'; return 1; }
}

boot_kill() {
  local synced n
  qemu-img create -q -f qcow2 -o cluster_size=4k -b "$disk" -F raw "$work/killed.qcow2" || return
  boot kill loop --disk "$work/killed.qcow2" || return
  await SYNCED "$log.serial" || return
  for ((n = 0; n < 600 && $(grep -c SYNCED "$log.serial") < 8; n++)); do sleep 0.1; done
  kill -KILL "$pid"
  wait "$pid" 2>/dev/null
  synced=$(sed -nE 's/\r$//; s/^SYNCED ([0-9a-f]{64})  (.*)$/\1 \2/p' "$log.serial" | tail -n 1)
  [[ $synced ]] || { echo "nothing was written; console in $log.serial"; return 1; }
  sound "$work/killed.qcow2" || return
  e2fsck -fp "$work/raw.img" >"$log.fsck" 2>&1 || (($? == 1)) || { echo "damaged file system: $log.fsck"; return 1; }
  [[ ${synced% *} == "$(sum_inside "$work/raw.img" "${synced##*/}")" ]] || { echo "lost: $synced"; return 1; }
}

# No file may become larger than 34 MiB, once the machine has its memory; the guest writes more to each disk.
boot_full() {
  local image process
  cp --sparse=always "$disk" "$work/full.img"
  qemu-img convert -f raw -O qcow2 "$disk" "$work/full.qcow2" && qemu-img resize -q -f qcow2 "$work/full.qcow2" 64M || return
  boot full full --disk "$work/full.img" --disk "$work/full.qcow2" && await ISOLINUX || return
  for process in "$pid" $(cat "/proc/$pid/task/$pid/children"); do prlimit --fsize=35651584 --pid "$process"; done
  ends || return
  # The guest's own word for a write that ended with an error; both disks are on the first channel.
  for image in 00 01; do
    grep -q "ata1.$image: failed command: WRITE" "$log.serial" || { echo "no error of disk $image in $log.serial"; return 1; }
  done
  grep -q 'File too large' "$log.err" || { echo "the host's user was not told: $log.err"; return 1; }
  [[ $(grep -c "^$(sum "$work/tree/first") " "$log.serial") == 2 ]] || { echo "wrong contents: $log.serial"; return 1; }
  cp "$work/full.img" "$work/full.raw.img"
  sound "$work/full.qcow2" || return
  for image in "$work/full.raw.img" "$work/raw.img"; do
    e2fsck -fy "$image" >"$log.fsck" 2>&1 || (($? == 1)) || { echo "damaged file system: $log.fsck"; return 1; }
    [[ $(sum "$work/tree/first") == "$(sum_inside "$image" first)" ]] || { echo "wrong contents of $image"; return 1; }
  done
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work"/{tree,cd,initrd}
head -c 2M /dev/urandom >"$work/tree/first"
disk=$work/disk.img
mke2fs -q -t ext4 -d "$work/tree" "$disk" 48M >/dev/null
# A later archive's files replace those of an earlier one.
cp -r build/guests/modules-686 "$work/initrd/modules"
cp scripts/guest/storage "$work/initrd/init"
(cd "$work/initrd" && find . | cpio -o -H newc --owner=0:0 --quiet | gzip -1) | cat build/initrd.gz - >"$work/initrd.gz"
run_cases "${cases[@]}"

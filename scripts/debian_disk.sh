# Makes a disk with Debian 12 for i386 by debootstrap. Sourced by scripts/guests. Its first stage unpacks packages on this
# host, which needs no root; the second, and GRUB's installation, run in a guest of Ringshift.
packages_debian=(debootstrap debian-archive-keyring fakeroot e2fsprogs cpio xorriso)
disk_mib=3072
partition_mib=1 # before it: the partition table and GRUB

le32() { printf '\\x%02x\\x%02x\\x%02x\\x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)); }

# write_partition_table DISK: one bootable Linux partition.
write_partition_table() {
  local sectors=2048
  printf '\x80\xfe\xff\xff\x83\xfe\xff\xff'"$(le32 $((partition_mib * sectors)))$(le32 $(((disk_mib - partition_mib) * sectors)))" |
    dd of="$1" bs=1 seek=446 conv=notrunc status=none
  printf '\x55\xaa' | dd of="$1" bs=1 seek=510 conv=notrunc status=none
}

# first_stage WORK MIRROR: $WORK/disk.img. Owners and devices of the tree last as long as this shell if fakeroot makes them.
first_stage() {
  local work=$1 mirror=$2
  PATH=$PATH:/usr/sbin:/sbin debootstrap --foreign --arch=i386 \
    --include=linux-image-686,linux-image-686-pae,grub-pc,initramfs-tools,python3-minimal,perl,dbus \
    --keyring=/usr/share/keyrings/debian-archive-keyring.gpg "$suite" "$work/tree" "$mirror" >"$work/debootstrap.log" 2>&1 ||
    { tail "$work/debootstrap.log" >&2; return 1; }
  # In a container, debootstrap leaves a link to the host's.
  [[ ! -L $work/tree/proc ]] || { rm "$work/tree/proc" && mkdir "$work/tree/proc"; }
  truncate -s "${disk_mib}M" "$work/disk.img"
  PATH=$PATH:/usr/sbin mke2fs -q -t ext4 -E "offset=$((partition_mib << 20))" -d "$work/tree" "$work/disk.img" \
    "$((disk_mib - partition_mib))M" >&2
  write_partition_table "$work/disk.img"
}

# second_stage WORK: finishes the disk in a guest, which needs some minutes.
second_stage() {
  local work=$1
  mkdir "$work/ram" "$work/cd"
  cp -r "$guests/modules-686" "$work/ram/modules"
  cp scripts/guest/second_stage "$work/ram/init"
  (cd "$work/ram" && find . | cpio -o -H newc --owner=0:0 --quiet | gzip -1) | cat build/initrd.gz - >"$work/cd/initrd.gz"
  cp "$guests/vmlinuz-686" "$work/cd/linux"
  # Thousands of short processes: at the same addresses they need fewer translations.
  make_boot_cd "$work/cd.iso" "$work/cd" 'console=ttyS0 quiet panic=-1 norandmaps'
  "${RINGSHIFT:-build/ringshift}" run --memory 512M --disk "$work/disk.img" --cdrom "$work/cd.iso" --boot cdrom --no-reboot \
    --timeout 3600 </dev/null >"$work/install.log" 2>&1
  grep -q 'SECOND STAGE done' "$work/install.log" || { tail "$work/install.log" >&2; return 1; }
}

# make_debian_disk WORK MIRROR
make_debian_disk() {
  local work=$1/debian fake=()
  require_packages "${packages_debian[@]}"
  mkdir "$work"
  [[ $(id -u) == 0 ]] || fake=(fakeroot)
  say 'downloading and unpacking Debian for i386'
  export suite disk_mib partition_mib
  "${fake[@]}" bash -c "set -euo pipefail; $(declare -f first_stage write_partition_table le32); first_stage '$work' '$2'" ||
    die 'debootstrap fails'
  say 'installing it in a guest'
  second_stage "$work" || die "the installation fails"
  mkdir -p "$guests/debian"
  mv "$work/install.log" "$guests/debian/"
  mv "$work/disk.img" "$guests/debian/" # last: it says that all are there
}

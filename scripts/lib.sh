# Shared by the scripts: sourced, not run. Sets $root and changes to it.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# Everything from outside comes from Debian packages; one list for each purpose.
packages_build=(build-essential gcc-multilib cmake ninja-build pkg-config ccache nasm libzydis-dev libasmjit-dev
  libcapstone-dev libcli11-dev libfmt-dev libspdlog-dev nlohmann-json3-dev libpng-dev libvncserver-dev libnbd-dev
  libgtest-dev libgmock-dev libbenchmark-dev qemu-utils)
packages_guests=(ca-certificates cpio e2fsprogs gzip debian-archive-keyring seabios)
packages_test=(gdb)
packages_media=(xorriso)
packages_check=(clang-format clang-tidy git)
packages_bench=(qemu-system-x86 python3)

say() { printf '==> %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$1" >&2; exit "${2:-1}"; }

# require_packages NAME...: installs what is missing; without root it says what to do and exits with status 2.
require_packages() {
  local name missing=()
  local -A have=()
  while read -r name; do have[$name]=1; done < <(
    dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p')
  for name in "$@"; do [[ ${have[$name]:-} ]] || missing+=("$name"); done
  ((${#missing[@]})) || return 0
  if [[ $(id -u) != 0 ]]; then
    printf 'These Debian packages are missing. As root, run:\n\n  apt-get update && apt-get install -y --no-install-recommends %s\n\n' \
      "${missing[*]}" >&2
    exit 2
  fi
  say "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  local install=(apt-get install -qq -y --no-install-recommends "${missing[@]}")
  # Fresh machines have no package lists, old ones have lists of versions that are gone; others need no update.
  apt-cache show --no-all-versions "${missing[@]}" >/dev/null 2>&1 && "${install[@]}" >&2 && return 0
  apt-get update -qq >&2
  "${install[@]}" >&2
}

# build PRESET FOLDER [TARGET...]: configures once, then builds what is out of date.
build() {
  local preset=$1 folder=$2
  shift 2
  [[ -f $folder/build.ninja ]] || cmake --preset "$preset" >/dev/null
  local quiet=()
  [[ -t 2 ]] || quiet=(--quiet) # a terminal shows progress in one line
  ninja -C "$folder" "${quiet[@]}" "$@" >&2
}

# make_boot_cd IMAGE TREE ARGUMENTS: a CD of the files in TREE, whose ISOLINUX starts /linux and /initrd.gz there.
make_boot_cd() {
  mkdir -p "$2/isolinux"
  cp "$root"/build/guests/media/{isolinux.bin,ldlinux.c32} "$2/isolinux/"
  printf '%s\n' 'DEFAULT linux' 'PROMPT 0' 'LABEL linux' '  KERNEL /linux' '  INITRD /initrd.gz' "  APPEND $3" \
    >"$2/isolinux/isolinux.cfg"
  xorriso -report_about WARNING -as mkisofs -o "$1" -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot \
    -boot-load-size 4 -boot-info-table "$2" 2>/dev/null
}

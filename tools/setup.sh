# Sourced by the scripts beside it: answers --help with the head of the script, refuses other options, goes to the project's
# folder and sees to it that everything LatentCL is built and tested with is installed. On Debian (12 or later) missing
# packages are installed when we are root, else named.

case ${1-} in
--help) sed -n '2,/^[^#]/s/^# \?//p' "$0"; exit ;;
-*) [ "${0##*/}" = demo ] || { echo "${0##*/}: no option $1; --help lists what there is" >&2; exit 2; } ;; # which hands them on
esac
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

build_packages=(gcc libc6-dev meson ninja-build pkg-config python3 ocl-icd-opencl-dev opencl-headers libxxhash-dev
  libcjson-dev zlib1g-dev libpng-dev libjpeg62-turbo-dev libclblast-dev libclfft-dev
  libprotobuf-c-dev protobuf-c-compiler)
driver_packages=(pocl-opencl-icd mesa-opencl-icd)
test_packages=(libcmocka-dev clang libclang-rt-dev)
# Not in every release: what needs them is skipped without.
optional_packages=(libopenmpi-dev openmpi-bin oclgrind clang-format-14 doxygen python3-numpy python3-pyopencl mypy cmake groff-base zsh fish)

# on_offer PACKAGE...: those that this release of Debian has; the others are named.
on_offer() {
  command -v apt-cache >/dev/null || return 0
  [ "$(id -u)" -ne 0 ] || [ -n "$(ls /var/lib/apt/lists/*Packages* 2>/dev/null)" ] || apt-get update -q >&2
  local p
  for p in "$@"; do
    if apt-cache show "$p" >/dev/null 2>&1; then
      echo "$p"
    else
      echo "This release has no package $p: tests that need it are skipped" >&2
    fi
  done
}

# need PACKAGE...: installs what is missing, or says what is and stops.
need() {
  command -v dpkg-query >/dev/null || {
    echo "This is not Debian: please install the counterparts of these packages yourself: $*" >&2
    return 0
  }
  local missing=() p
  for p in "$@"; do
    dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  if [ "$(id -u)" -ne 0 ]; then
    echo "These packages are missing: ${missing[*]}" >&2
    echo "Install them, then run this again:  sudo apt-get install ${missing[*]}" >&2
    exit 1
  fi
  echo "Installing: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q && apt-get install -q -y --no-install-recommends "${missing[@]}" || {
    echo "The packages could not be installed: ${missing[*]}" >&2
    exit 1
  }
}

# as_invoker SCRIPT ARGUMENT...: under sudo, root was for the packages; the rest is done once more as the user who called
# sudo, so that nothing here belongs to root. What an earlier run as root left becomes the user's.
as_invoker() {
  [ "$(id -u)" -eq 0 ] && [ "${SUDO_UID:-0}" -ne 0 ] || return 0
  local home
  find build* runs -xdev -user 0 -exec chown -h "$SUDO_UID:$SUDO_GID" {} + 2>/dev/null || true
  home=$(getent passwd "$SUDO_UID" | cut -d: -f6)
  exec setpriv --reuid "$SUDO_UID" --regid "$SUDO_GID" --init-groups env -u SUDO_UID -u SUDO_GID HOME="${home:-/tmp}" bash "$@"
}

# What a person has set for their own use must not change what is built and tested here.
unset "${!LATENTCL_@}"

# configure FOLDER OPTION...: a build folder with these meson options.
configure() {
  local folder=$1
  shift
  if [ -f "$folder/build.ninja" ]; then
    meson configure "$folder" "$@"
  else
    meson setup "$folder" "$@"
  fi
}

# newest COMPILER: its newest version here, e.g. clang-19 for clang.
newest() {
  compgen -c "$1" | grep -xE "$1(-[0-9]+)?" | sort -Vu | tail -1
}

#!/bin/bash
# Usage: on_driver.sh required TEST...  -- runs a test.
#        on_driver.sh LATENTCL TEST...  -- runs it where LATENTCL_DEVICE names a device of this machine, else skips it (exit
# code 77): -Drequire_drivers=false.
# What PoCL compiled for tests before this one is there for it too, as copies: PoCL's cache has a race between processes. A
# test takes the first folder beside POCL_CACHE_DIR that no other test uses; RANK_CACHES are folders in it for each rank.
latentcl=$1
shift
[ "$latentcl" = required ] || "$latentcl" devices >/dev/null 2>&1 || {
  echo "no device '$LATENTCL_DEVICE' here: skipped"
  exit 77
}
[ "$LATENTCL_DEVICE" = pocl ] || exec "$@"
all=$POCL_CACHE_DIR
for ((i = 0; ; i++)); do
  export POCL_CACHE_DIR=$all-$i
  mkdir -p "$all" "$POCL_CACHE_DIR" || exit 99
  exec {folder}<"$POCL_CACHE_DIR"
  flock --nonblock $folder && break
  exec {folder}<&-
done
# Programs have folders of two capital letters; what else lies there is temporary.
hand_on() {
  programs=("$1"/[A-P][A-P])
  [ ! -e "${programs[0]}" ] || flock "$all" cp --recursive --link --no-clobber "${programs[@]}" "$2/" 2>/dev/null
}
own=("$POCL_CACHE_DIR")
for rank in $RANK_CACHES; do own+=("$POCL_CACHE_DIR/$rank"); done
mkdir -p "${own[@]}"
for one in "${own[@]}"; do hand_on "$all" "$one"; done
"$@" {folder}<&-
status=$?
for one in "${own[@]}"; do hand_on "$one" "$all"; done
exit $status

#!/bin/bash
# Usage: on_driver.sh required TEST...  -- runs a test.
#        on_driver.sh LATENTCL TEST...  -- runs it where LATENTCL_DEVICE names a device of this machine, else skips it (exit
# code 77): -Drequire_drivers=false.
# What PoCL compiled for tests before this one is there for it too, as copies: PoCL's cache has a race between processes.
latentcl=$1
shift
[ "$latentcl" = required ] || "$latentcl" devices >/dev/null 2>&1 || {
  echo "no device '$LATENTCL_DEVICE' here: skipped"
  exit 77
}
own=$POCL_CACHE_DIR
all=$(dirname "$(dirname "$own")")/pocl
mkdir -p "$own" "$all"
hand_on() { flock "$all" cp --recursive --link --no-clobber "$1/." "$2" 2>/dev/null; }
hand_on "$all" "$own"
"$@"
status=$?
hand_on "$own" "$all"
exit $status

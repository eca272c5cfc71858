#!/bin/bash
# Usage: on_driver.sh required TEST...  -- runs a test.
#        on_driver.sh LATENTCL TEST...  -- runs it where LATENTCL_DEVICE names a device of this machine, else skips it (exit
# code 77): -Drequire_drivers=false.
latentcl=$1
shift
[ "$latentcl" = required ] || "$latentcl" devices >/dev/null 2>&1 || {
  echo "no device '$LATENTCL_DEVICE' here: skipped"
  exit 77
}
exec "$@"

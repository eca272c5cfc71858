#!/bin/bash
# Usage: on_driver_if_there.sh LATENTCL TEST...  -- runs a test when LATENTCL_DEVICE names a device of this machine, else
# skips it (exit code 77). Only used with -Drequire_drivers=false.
latentcl=$1
shift
"$latentcl" devices >/dev/null 2>&1 || {
  echo "no device '$LATENTCL_DEVICE' here: skipped"
  exit 77
}
exec "$@"

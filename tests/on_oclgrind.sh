#!/bin/bash
# Usage: on_oclgrind.sh TEST...  -- runs a test on the Oclgrind simulator; fails when the test fails or when Oclgrind has
# anything to report: an invalid access, a data race, a wrong use of the API.
set -o pipefail
command -v oclgrind >/dev/null || {
  echo "no oclgrind here: skipped"
  exit 77
}
export LATENTCL_BUILD_THREADS=1 # its compiler is not safe in threads
log=$(mktemp) output=$(mktemp) || exit 99
trap 'rm -f "$log" "$output"' EXIT
oclgrind --check-api --data-races --log "$log" "$@" 2>&1 | tee "$output"
status=$?
if [ -s "$log" ]; then
  echo "Oclgrind reports:"
  head -c 20000 "$log"
  status=1
fi
grep -q '^Oclgrind - ' "$output" && status=1 # errors of the API do not go to the log
exit $status

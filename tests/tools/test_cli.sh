#!/bin/bash
# Usage: test_cli.sh LATENTCL  -- the command's frame: exit codes, messages, devices, doctor and cache.
latentcl=$(realpath "$1")
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
failed=0

# expect CODE PATTERN COMMAND...: its exit code, and a line of its output that matches.
expect() {
  local code=$1 pattern=$2 got
  shift 2
  "$@" >"$work/out" 2>&1 </dev/null
  got=$?
  if [ "$got" -ne "$code" ] || ! grep -qE -- "$pattern" "$work/out"; then
    echo "FAILED: $*"
    echo "  exit code $got (expected $code), output (expected: $pattern):"
    sed 's/^/  /' "$work/out" | head -20
    failed=1
  fi
}

expect 2 'Usage: latentcl COMMAND' "$latentcl"
expect 0 'devices +list' "$latentcl" --help
expect 0 '^latentcl [0-9]+\.[0-9]+\.[0-9]+$' "$latentcl" --version
for word in -V version; do expect 0 '^built from .+ with CLBlast [^ ]+, clFFT ' "$latentcl" $word; done
expect 2 "unknown command 'frobnicate'; " "$latentcl" frobnicate
expect 2 "unknown option '--frobnicate'; " "$latentcl" devices --frobnicate
expect 0 'Usage: latentcl train ' "$latentcl" help train
# Names that are nearly right.
expect 2 "unknown command 'tran' \(did you mean train\?\); " "$latentcl" tran
expect 2 "unknown command 'evla' \(did you mean eval\?\); " "$latentcl" help evla
expect 2 "unknown option '--jsno' \(did you mean --json\?\); " "$latentcl" devices --jsno
expect 2 "unknown option '--ep0chs=3' \(did you mean --epochs\?\); " "$latentcl" train semantic-noise --ep0chs=3
expect 2 'no model "laddr" \(did you mean ladder\?\); there are' "$latentcl" train laddr
expect 2 'no option "epohcs" \(did you mean epochs\?\); there are' "$latentcl" train ladder --set epohcs=3
expect 2 'no workload "gem-64" \(did you mean gemm-64\?\); ' "$latentcl" bench gem-64
# Every suite that a wrong name lists is in the help.
suites=$("$latentcl" bench none 2>&1 | sed -n 's/.*; suites: //p' | tr -d ,)
[ -n "$suites" ] || { echo "FAILED: a wrong name lists no suites"; failed=1; }
for suite in $suites; do
  expect 0 "Suites: .*\\b$suite\\b" "$latentcl" bench --help
done
expect 2 "no op is called 'conv2' \(did you mean conv2d\?\); " "$latentcl" op conv2
expect 2 "no op is called 'xyzzyx'; " "$latentcl" op xyzzyx
expect 2 "unexpected argument 'x'" "$latentcl" devices x
expect 0 'Usage: latentcl devices' "$latentcl" devices --help

expect 0 'compute units' "$latentcl" devices
expect 0 '"compute_units":' "$latentcl" devices --json
"$latentcl" devices --json | python3 -m json.tool >/dev/null || { echo "FAILED: devices --json is not JSON"; failed=1; }
expect 1 "no OpenCL device matches 'no such': |no OpenCL device matches 'no such'; there are: 0:0" \
  env LATENTCL_DEVICE='no such' "$latentcl" devices
expect 1 "unknown feature 'magic'" env LATENTCL_DISABLE=magic "$latentcl" devices
expect 0 'CLBlast off' env LATENTCL_DISABLE=clblast "$latentcl" devices
expect 1 '; `latentcl doctor` says why another is missing$' env LATENTCL_DEVICE='no such' "$latentcl" devices
# A default is said once, and no number that the option refuses.
expect 0 'side of the square \(48\)$' "$latentcl" data --help
printf '1,2\n3,4\n' >"$work/table.csv"
expect 1 'is a file; give the folder .* \(a table of numbers as features\.npy\)' "$latentcl" data "$work/table.csv"
expect 1 'features\.npy \(a table of numbers; CSV is not read\)' "$latentcl" data "$work"
mkdir "$work/none"
expect 1 'pocl-opencl-icd' env OCL_ICD_VENDORS="$work/none" "$latentcl" devices
expect 1 'out of host memory: .*ulimit -v' bash -c 'ulimit -v 300000; exec "$0" devices' "$latentcl"
expect 1 'out of host memory: .*ulimit -v' bash -c 'ulimit -v 450000; exec "$0" doctor' "$latentcl"
if [ -f /etc/OpenCL/vendors/pocl.icd ]; then # PoCL shows no device where it cannot write
  expect 1 'PoCL shows none: its cache folder /dev/null/.cache/pocl/kcache cannot be written, set POCL_CACHE_DIR$' \
    env -u POCL_CACHE_DIR -u XDG_CACHE_HOME -u OCL_ICD_VENDORS HOME=/dev/null LATENTCL_DEVICE=pocl "$latentcl" explain semantic-noise
fi
"$latentcl" data --images "$work/stopped" >"$work/out" 2>&1 & # leaves nothing where it is stopped
for i in $(seq 100); do [ ! -d "$work/stopped.$!.tmp/train" ] || break; sleep 0.1; done
kill -TERM $!
wait $!
[ $? = 143 ] && ! ls -d "$work"/stopped* 2>/dev/null && grep -q 'no image is kept' "$work/out" || { echo "FAILED: data --images that is stopped: $(cat "$work/out")"; failed=1; }
expect 1 'no OpenCL platform at all' env OCL_ICD_VENDORS="$work/none" "$latentcl" doctor
expect 1 '! OCL_ICD_VENDORS is set: other drivers' env OCL_ICD_VENDORS="$work/none" "$latentcl" doctor
# What names drivers may be a folder, an ICD file or a library; those that do not load ask for something.
mkdir "$work/icd"
echo libnone.so.7 >"$work/icd/none.icd"
touch "$work/icd/empty.icd"
for place in "$work/icd" "$work/icd/none.icd"; do
  expect 1 '^  ! .*/none\.icd -> libnone\.so\.7 does not load: ' env OCL_ICD_VENDORS="$place" "$latentcl" doctor
done
expect 1 '^  ! .*/empty\.icd: empty or unreadable' env OCL_ICD_VENDORS="$work/icd" "$latentcl" doctor
expect 1 '^  ! OPENCL_VENDOR_PATH -> libnone\.so\.7 does not load: ' env -u OCL_ICD_VENDORS OPENCL_VENDOR_PATH=libnone.so.7 "$latentcl" doctor
expect 1 '^Devices$' env OCL_ICD_VENDORS="$work/none" "$latentcl" doctor

# A compiler that is out of memory takes the process with it: said before.
expect 0 'less than 512 MiB of address space are left .ulimit -v' \
  bash -c '(ulimit -v 600000; exec "$0" explain semantic-noise) 2>&1 | head -1' "$latentcl"
# A file that may not grow is an error like others.
expect 1 'File too large' \
  bash -c '(ulimit -f 0; exec "$0" data --sheet "$1") 2>&1 | cat; exit ${PIPESTATUS[0]}' "$latentcl" "$work/sheet.png"
[ -e "$work/sheet.png" ] && { echo "FAILED: a torn file stays"; failed=1; }

export LATENTCL_CACHE="$work/cache"
expect 0 'compute test +passed' "$latentcl" doctor
expect 0 '^entries   [1-9][0-9]* .programs: [1-9]' "$latentcl" cache stat
expect 0 '^[1-9][0-9]* entries removed' "$latentcl" cache clear
expect 0 '^entries   0 ' "$latentcl" cache stat
expect 0 'cache is off' env LATENTCL_CACHE=off "$latentcl" cache stat
expect 2 'one of stat, clear or warm' "$latentcl" cache
expect 2 "unknown action 'x'" "$latentcl" cache x
expect 2 'one of stat, clear or warm' "$latentcl" cache stat clear
expect 0 'of at most 1\.5 MiB$' env LATENTCL_CACHE_SIZE=1536k "$latentcl" cache stat
expect 0 'of at most 3\.0 MiB$' env LATENTCL_CACHE_SIZE=3m "$latentcl" cache stat
expect 0 "LATENTCL_CACHE_SIZE wants bytes" env LATENTCL_CACHE_SIZE=3mb "$latentcl" cache stat
expect 0 'of at most 256 MiB$' "$latentcl" cache stat

# Cases that the algorithm asked for cannot compute are none that differ.
expect 0 ' 0 failed, [1-9][0-9]* skipped, which' "$latentcl" check --op conv2d --cases 12 --small --algorithm conv2d=winograd

# The tuner's folder is tried before anything is measured.
expect 1 'cannot make the folder' env LATENTCL_TUNING=/proc/none "$latentcl" tune gemm-64
mkdir -m 777 "$work/open"
expect 1 'another user owns it or can write it' env LATENTCL_TUNING="$work/open" "$latentcl" tune gemm-64
results=$(LATENTCL_TUNING="$work/tuned" "$latentcl" tune gemm-64 --budget 0 | sed -n 's/^results: //p')
mkfifo "$results"
expect 1 'is not used: another user .* or no file' env LATENTCL_TUNING="$work/tuned" "$latentcl" tune gemm-64

# NumPy files in and out: a number that 32 bits do not hold, gradients of some inputs only.
cd "$work" || exit 99
python3 - <<'END'
import struct
def write(name, kind, shape, values):
    head = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (kind, shape)
    head = (head + ' ' * (63 - (len(head) + 10) % 64) + '\n').encode()
    data = struct.pack('<%d%s' % (len(values), {'<f4': 'f', '<i8': 'q'}[kind]), *values)
    open(name, 'wb').write(b'\x93NUMPY\x01\x00' + struct.pack('<H', len(head)) + head + data)
write('a.npy', '<f4', '(2, 2)', [1, 2, 3, 4])
for name, first in (('rows', 1), ('low', -(1 << 31) - 1), ('high', 1 << 31)):
    write(name + '.npy', '<i8', '(2,)', [first, 0])
END
"$latentcl" op gather --in a.npy rows.npy --out y.npy && [ -s y.npy ] || { echo "FAILED: rows of a matrix"; failed=1; }
expect 1 'element 0 is -2147483649, outside 32 bits' "$latentcl" op gather --in a.npy low.npy --out y.npy
expect 1 'element 0 is 2147483648, outside 32 bits' "$latentcl" op gather --in a.npy high.npy --out y.npy
expect 2 'belong together' "$latentcl" op matmul --in a.npy a.npy --out y.npy --grad-in a.npy
expect 2 'belong together' "$latentcl" op matmul --in a.npy a.npy --out y.npy --grad-out g.npy
"$latentcl" op matmul --in a.npy a.npy --grad-in a.npy --grad-out - g.npy && [ -s g.npy ] ||
  { echo "FAILED: the gradient of the second input alone"; failed=1; }

exit $failed

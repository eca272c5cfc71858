#!/bin/bash
# How tools/gpu_day goes on, stops and reports, with commands that only pretend: test_gpu_day.sh GPU_DAY
set -eu
folder=$(mktemp -d)/with\ a\ blank
mkdir "$folder"
trap 'rm -rf "${folder%/*}"' EXIT
cp "$1" "$folder/gpu_day"
quoted=$(printf %q "$folder") # a peer is a command, whose words are taken apart
fail() { echo "$*" >&2; cat "$folder/said" >&2; exit 1; }
# expect CODE ARGUMENT...: gpu_day ends with that code; what it says is in $folder/said.
expect() {
  local code=$1 got=0
  shift
  "$folder/gpu_day" "$@" >"$folder/said" 2>&1 || got=$?
  [ "$got" = "$code" ] || fail "gpu_day $*: exit code $got, not $code"
}
count() { grep -c "$1" "$folder/calls" || true; }

expect 1 "$folder/out"
grep -q 'tools/bundle makes one' "$folder/said" || fail 'no word about the bundle'
cat >"$folder/latentcl" <<'W'
#!/bin/bash
here=$(dirname "$0")
echo "$@" >>"$here/calls"
[ "$1" != "$(cat "$here/broken" 2>/dev/null)" ] || { echo 'it is broken'; exit 1; }
[ "$*" != 'tune all --show' ] || printf 'device: x\n1 of 9 measured: the choice without a record was more than 10 %% slower for 1\n  gemm 1x2x3 2.00x\n'
W
mkdir "$folder/tests" "$folder/tools" "$folder/bin"
# What python3 has: the words in the file `has`.
cat >"$folder/bin/python3" <<'W'
#!/bin/bash
for word in $(cat "$(dirname "$0")/has" 2>/dev/null); do case $2 in "import $word") exit 0 ;; *"$word"*gpu*|*"$word"*cuda*) [ -e "$(dirname "$0")/gpu" ] && exit 0 ;; esac; done
exit 1
W
chmod +x "$folder/bin/python3"
PATH=$folder/bin:$PATH
for name in dag wrap; do printf '#!/bin/sh\necho "%s $LATENTCL_TUNING" >>"%s/calls"\n' $name "$folder" >"$folder/tests/test_$name"; done
printf '#!/bin/sh\nexit 77\n' >"$folder/tests/test_skips"
printf '#!/bin/sh\necho peer "$@" >>"%s/calls"\n' "$folder" >"$folder/tools/compare_with_peer"
chmod +x "$folder"/latentcl "$folder"/tests/* "$folder"/tools/*

expect 2
expect 2 --minutes x "$folder/out"
expect 2 --minutes
expect 2 --unknown "$folder/out"
expect 2 "$folder/out" --device gpu
grep -q 'expected one folder for the results, behind the options' "$folder/said" || fail 'no word about the order'

echo tune >"$folder/broken"
expect 1 "$folder/out"
grep -q 'tune .*FAILED (1): it is broken' "$folder/out/summary.txt" || fail 'a failure is not told'
grep -q 'test_skips .*skipped' "$folder/out/summary.txt" || fail 'a skipped test is not told'
grep -q 'peer torch: skipped: python3 has no torch here' "$folder/out/summary.txt" || fail 'nothing about the peer'
! grep -q 'gemm 1x2x3' "$folder/said" || fail 'choices that were not had'
[ "$(count '^peer')" = 0 ] || fail 'a peer that is not there was asked'
[ "$(count '^bench')" = 3 ] && [ "$(count '^train')" = 5 ] && [ "$(count "^dag $folder/out/tuning")" = 1 ] || fail 'something did not run'

# It goes on with what failed, and only with that.
: >"$folder/broken"
expect 0 --peer 'a peer' "$folder/out"
tail -6 "$folder/said" | grep -q 'gemm 1x2x3 2.00x' && ! grep -q 'device: x' "$folder/said" || fail 'the choices are not compared at its end'
[ "$(count '^bench')" = 3 ] && [ "$(count '^tune .*--budget')" = 2 ] && [ "$(count '^tune .*--show')" = 2 ] && [ "$(count '^dag')" = 1 ] || fail 'what was done was done again'
grep -qF "peer --peer a peer --latentcl $quoted/latentcl" "$folder/calls" || fail 'the peer did not run'
script="python3 $quoted/tools/peers/torch_steps.py --seconds 1"
peers() { rm -f "$folder/out/peer.done"; expect 0 "$folder/out"; tail -1 "$folder/calls"; }
echo torch >"$folder/bin/has"
[[ "$(peers)" = "peer --peer torch=$script --latentcl "* ]] || fail 'PyTorch did not run'
touch "$folder/bin/gpu"
[[ "$(peers)" = "peer --peer torch=$script --device cuda --peer torch-tf32=$script --device cuda --tf32 on --latentcl "* ]] || fail 'PyTorch did not run on a GPU'
rm "$folder/bin/has"

# Without a device nothing else makes sense.
echo doctor >"$folder/broken"
: >"$folder/calls"
expect 1 "$folder/none"
[ "$(count .)" = 1 ] && grep -q 'it is broken' "$folder/said" || fail 'it went on without a device'

for selector in doctor devices; do
  echo $selector >"$folder/broken"
  : >"$folder/calls"
  expect 1 --device x "$folder/none-$selector"
  ! grep -q '^\(bench\|tune\)' "$folder/calls" && grep -q 'it is broken' "$folder/said" || fail 'it went on without that device'
done

# Results of two devices do not mix.
: >"$folder/broken"
expect 1 --device 1:0 "$folder/out"
grep -q 'holds results with no --device' "$folder/said" || fail 'it mixed devices'
expect 1 "$folder/none-devices"
grep -q 'holds results with --device x' "$folder/said" || fail 'it mixed devices'

# The time is kept; it is a decimal number.
expect 0 --minutes 08 "$folder/eight"
: >"$folder/broken"
expect 1 --minutes 0 "$folder/late"
grep -q 'no time left' "$folder/late/summary.txt" || fail 'it has no end'

# Ctrl-C ends it and what it runs, at once, and the same command goes on.
cat >"$folder/latentcl" <<'W'
#!/bin/bash
[ "$1" != check ] || { touch "$(dirname "$0")/checking"; exec sleep 50; }
W
env --default-signal=INT setsid "$folder/gpu_day" "$folder/stopped" >"$folder/said" 2>&1 &
day=$!
until [ -e "$folder/checking" ]; do sleep 0.1; done
SECONDS=0 got=0
kill -INT -- "-$day" # to the group in front, as a terminal does
wait "$day" || got=$?
[ "$got" = 130 ] && [ $SECONDS -lt 20 ] || fail "Ctrl-C: exit code $got after $SECONDS s"
[ -z "$(pgrep -s "$day")" ] || fail 'what it ran is left'
[ -e "$folder/stopped/devices.done" ] && [ ! -e "$folder/stopped/check.done" ] || fail 'what was stopped counts as done'
grep -q 'the same command goes on' "$folder/said" || fail 'no word about going on'

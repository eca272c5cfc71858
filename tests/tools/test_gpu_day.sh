#!/bin/bash
# How tools/gpu_day goes on, stops and reports, with commands that only pretend: test_gpu_day.sh GPU_DAY
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp "$1" "$folder/gpu_day"
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

echo tune >"$folder/broken"
expect 1 "$folder/out"
grep -q 'tune .*FAILED (1): it is broken' "$folder/out/summary.txt" || fail 'a failure is not told'
grep -q 'test_skips .*skipped' "$folder/out/summary.txt" || fail 'a skipped test is not told'
grep -q 'peer torch: skipped: python3 has no torch here' "$folder/out/summary.txt" || fail 'nothing about the peer'
[ "$(count '^peer')" = 0 ] || fail 'a peer that is not there was asked'
[ "$(count '^bench')" = 3 ] && [ "$(count '^train')" = 5 ] && [ "$(count "^dag $folder/out/tuning")" = 1 ] || fail 'something did not run'

# It goes on with what failed, and only with that.
: >"$folder/broken"
expect 0 --peer 'a peer' "$folder/out"
[ "$(count '^bench')" = 3 ] && [ "$(count '^tune')" = 2 ] && [ "$(count '^dag')" = 1 ] || fail 'what was done was done again'
grep -q "^peer --peer a peer --latentcl $folder/latentcl" "$folder/calls" || fail 'the peer did not run'
script="python3 $folder/tools/peers/torch_steps.py --seconds 1"
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

# The time is kept.
: >"$folder/broken"
expect 1 --minutes 0 "$folder/late"
grep -q 'no time left' "$folder/late/summary.txt" || fail 'it has no end'

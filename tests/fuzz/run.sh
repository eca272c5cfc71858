#!/bin/sh
# usage: run.sh FUZZER FORMAT SEEDS SECONDS: fuzzes one format for some seconds, starting from the seed files; new
# inputs and a failing one stay in a folder of their own, which is named when something was found.
found=$(mktemp -d) || exit 1
mkdir "$found/inputs"
if LATENTCL_FUZZ=$2 "$1" "$found/inputs" "$3/$2" -max_total_time="$4" -timeout=10 -rss_limit_mb=2560 -max_len=20000 \
  -artifact_prefix="$found/" -verbosity=0 -print_final_stats=1; then
  rm -r "$found"
elif [ -n "$(ls "$found"/timeout-* 2>/dev/null)" ] && LATENTCL_FUZZ=$2 "$1" "$found"/timeout-* -timeout=10; then
  rm -r "$found" # not the input took that long: the machine stood still
else
  echo "failing input: $(ls "$found" | grep -v inputs) in $found"
  exit 1
fi

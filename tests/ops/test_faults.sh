#!/bin/bash
# Usage: test_faults.sh LATENTCL KERNELS  -- plants faults in a copy of the kernels and expects `latentcl check` to find each:
# a loop that is one short, a missing barrier, a write past the end of a buffer, a wrong constant.
latentcl=$1 kernels=$2
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
export LATENTCL_CACHE=$work/cache LATENTCL_KERNELS=$work/cl
failed=0

# check OP: a few cases, output kept.
check() { "$latentcl" check --op "$1" --cases "$2" --seconds 0 >"$work/out" 2>&1 </dev/null; }

complain() {
  echo "FAILED: $1"
  sed 's/^/  /' "$work/out" | head -10
  failed=1
}

# sound OP: the kernels as they are pass.
sound() {
  rm -rf "$LATENTCL_KERNELS"
  cp -r "$kernels" "$LATENTCL_KERNELS"
  check "$1" 8 || complain "$1 without a fault"
}

# fault NAME FILE SED-SCRIPT OP PATTERN: the edit changes the file, the check fails, and says so with a matching line.
fault() {
  rm -rf "$LATENTCL_KERNELS"
  cp -r "$kernels" "$LATENTCL_KERNELS"
  sed -i "$3" "$LATENTCL_KERNELS/$2"
  if cmp -s "$kernels/$2" "$LATENTCL_KERNELS/$2"; then
    echo "FAILED: $1: the edit found nothing to change in $2"
    failed=1
    return
  fi
  check "$4" 8
  [ $? -eq 1 ] && grep -qE -- "$5" "$work/out" && grep -q "repeat: latentcl check --op $4" "$work/out" || complain "$1 was not found"
}

sound max_pool2d
fault 'a loop one short' pool.cl '0,/iy < last_y; iy++/s//iy < last_y - 1; iy++/' max_pool2d 'FAILED .*max_pool2d'
fault 'a write past the end' pool.cl \
  '0,/y\[out\] = best;/s//y[out] = best; if (row == planes * size.z - 1 \&\& ox == size.w - 1) y[out + 1] = best;/' \
  max_pool2d 'wrote outside its buffers'
fault 'a write before the beginning' pool.cl '0,/y\[out\] = best;/s//y[out] = best; if (out == 0) y[-1] = best;/' \
  max_pool2d 'wrote outside its buffers'
sound random_uniform
fault 'a wrong constant' random.cl 's/0x[dD]2511[fF]53/0xD2511F55/' random_uniform 'FAILED .*random_uniform'

export LATENTCL_DISABLE=packed,clblast # the kernel that shares tiles in local memory
sound matmul
fault 'a missing barrier' gemm_tiled.cl 's/barrier(CLK_LOCAL_MEM_FENCE);//' matmul 'FAILED .*matmul'
exit $failed

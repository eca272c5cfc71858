#!/bin/sh
# What a LatentCL without its optional libraries says where it would need them: test_without_features.sh SOURCE BUILD
# The files that know of them are compiled as such a build compiles them, warnings being errors, and take the place of
# theirs in the command of this build: linked without those libraries, it shows that no other file needs one.
set -e
source=$1 build=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() { echo "$*" >&2; exit 1; }

meson setup "$folder/build" "$source" -Ddefault_library=static -Dtests=false -Dwerror=true -Doptimization=0 -Ddebug=false \
  -Donnx=disabled -Dmpi=disabled -Dclblast=disabled -Dclfft=disabled >"$folder/log" || { cat "$folder/log"; exit 1; }
cd "$source"
objects=
for file in src/onnx/without.c $(grep -rlE 'LCL_HAVE_|lcl_config\.h|cli_(onnx|ranks)\.h' --include='*.c' src tools); do
  case $file in
    src/*) objects="$objects liblatentcl.a.p/$(echo "$file" | tr / _).o" ;;
    *) objects="$objects tools/latentcl.p/${file#tools/}.o" ;;
  esac
done
ninja -C "$folder/build" $objects >"$folder/log" || { cat "$folder/log"; exit 1; }
for object in "$build"/tools/latentcl.p/*.o; do
  name=tools/latentcl.p/${object##*/}
  [ -e "$folder/build/$name" ] || objects="$objects $object"
done
latentcl=$folder/build/latentcl
(cd "$folder/build" && cc -rdynamic -o latentcl $objects "$build/liblatentcl.a" \
  $(pkg-config --libs OpenCL libxxhash libcjson zlib libpng libjpeg) -lm -ldl -lpthread)

# says CODE SENTENCE ARGUMENT...: ends with this code and one line
says() {
  code=0 want=$1 sentence=$2
  shift 2
  (cd "$folder" && "$latentcl" "$@") >"$folder/out" 2>"$folder/err" || code=$?
  [ $code = "$want" ] && [ ! -s "$folder/out" ] && [ "$(wc -l <"$folder/err")" = 1 ] && grep -q "$sentence" "$folder/err" ||
    fail "latentcl $*: $code $(cat "$folder/out" "$folder/err")"
}
onnx='built without ONNX (protobuf-c, the meson option onnx)'
says 1 "$onnx" run none.onnx
says 1 "$onnx" run none.onnx --in none.npy --out out.npy
says 1 "$onnx" run --operators
says 1 "$onnx" explain none.onnx
says 1 "$onnx" bench none.onnx
says 1 "$onnx" bench none.onnx --list
says 1 "$onnx" export none --onnx out.onnx
mpi='this build has no MPI, so one process trains alone: build it with -Dmpi=enabled'
says 1 "$mpi" train vae --devices 0:0,0:0
says 1 "$mpi" reproduce imsat/clusters --devices 0:0,0:0
export OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_RANK=0
says 1 "$mpi" train vae
says 1 "$mpi" reproduce imsat/clusters
unset OMPI_COMM_WORLD_SIZE OMPI_COMM_WORLD_RANK
clblast='cannot compute it: this LatentCL was built without CLBlast (the meson option clblast)'
says 1 "clblast $clblast" explain vae --algorithm matmul=clblast
says 1 "im2col-clblast $clblast" explain semantic-noise --algorithm conv2d=im2col-clblast
[ ! -e "$folder/runs" ] || fail "a run folder was begun"

"$latentcl" explain vae --algorithm matmul=clblast/auto >"$folder/out" || fail "no other algorithm"
for command in run bench explain export; do
  "$latentcl" $command --help | grep -q 'built without ONNX' || fail "$command --help says nothing of ONNX"
done
for command in train reproduce; do
  "$latentcl" $command --help | grep -q 'built without MPI' || fail "$command --help says nothing of MPI"
done
"$latentcl" version | grep -q 'with CLBlast none, clFFT none, protobuf-c none, MPI none' || fail "$("$latentcl" version)"

#!/bin/bash
# Gets the GPU compilers that check.py needs into a folder of their own: compilers.sh FOLDER [full]
# full: Intel's too.
# Nothing is installed: Debian's libclc-19 would push its mesa-opencl-icd out. From Debian come clang and libclc (NVIDIA, AMD) and
# what makes and checks SPIR-V, from PyPI NVIDIA's assembler. What cannot be had is named; check.py then skips its target.
set -u
{ [ $# -eq 1 ] || { [ $# -eq 2 ] && [ "$2" = full ]; }; } || { echo 'usage: compilers.sh FOLDER [full]' >&2; exit 2; }
folder=$1 which=${2-}
mkdir -p "$folder/root" && cd "$folder" || exit 1

missing() { echo "compilers.sh: $*" >&2; }

# unpack PACKAGE...: Debian packages that are not there yet, into root/.
unpack() {
  local p
  for p in "$@"; do
    [ ! -e "$p.done" ] || continue
    rm -f "${p}"_*.deb
    if apt-get download -q "$p" >/dev/null 2>"$p.log" && dpkg -x "${p}"_*.deb root; then
      mv "$p.log" "$p.done"
    else
      missing "no package $p: $(tail -1 "$p.log")"
    fi
    rm -f "${p}"_*.deb
  done
}

if command -v apt-get >/dev/null; then
  unpack clang-19 libclang-cpp19 libllvm19 libclang-common-19-dev libclc-19 libz3-4 spirv-tools
  # The translator has to read what clang of the same version writes.
  for version in 19 15; do
    apt-cache show "llvm-spirv-$version" >/dev/null 2>&1 || continue
    unpack "llvm-spirv-$version" "libllvmspirvlib$version"
    [ "$version" = 19 ] || unpack "clang-$version" "libclang-cpp$version" "libllvm$version" "libclang-common-$version-dev"
    break
  done
  [ -z "$which" ] || unpack intel-opencl-icd libigc1 libigdfcl1 libigdgmm12 libopencl-clang14 libllvmspirvlib14 libclang-cpp14 libllvm14
else
  missing 'no apt-get here'
fi

if [ ! -e python.done ]; then
  if /usr/bin/python3 -m pip install -q --no-deps --target python --upgrade nvidia-cuda-nvcc==13.5.37 nvidia-cuda-nvdisasm==13.5.37 >pip.log 2>&1; then
    touch python.done
  else
    missing "no assembler from PyPI: $(tail -1 pip.log)"
  fi
fi
exit 0

#!/bin/bash
# What is installed: programs build against it by pkg-config, meson's way, and CMake's; every command has a manual page and its
# words are completed. test_install.sh BUILD_FOLDER PREFIX
set -eu
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
fail() { echo "$*" >&2; exit 1; }
DESTDIR=$root/root meson install -C "$1" --no-rebuild --quiet
prefix=$root/root$2
export PATH="$prefix/bin:$PATH"
LD_LIBRARY_PATH=$(dirname "$(find "$prefix" -name 'liblatentcl.so.0')")
export LD_LIBRARY_PATH
[ "$(command -v latentcl)" = "$prefix/bin/latentcl" ] || fail 'the command is not installed'

mkdir "$root/use"
cat >"$root/use/main.c" <<'C'
#include <latentcl/latentcl.h>
#include <stdio.h>
#include <string.h>
int main(void) {
  printf("%s, %zu models\n", lcl_version(), lcl_model_count());
  return strcmp(lcl_version(), LCL_VERSION_STRING) != 0 || lcl_model_count() == 0;
}
C
config=$(find "$prefix" -name latentcl.pc)
flags=$(PKG_CONFIG_PATH=$(dirname "$config") PKG_CONFIG_SYSROOT_DIR=$root/root pkg-config --cflags --libs latentcl)
# shellcheck disable=SC2086
cc "$root/use/main.c" -o "$root/use/by-pkg-config" $flags
"$root/use/by-pkg-config" >/dev/null || fail 'a program by pkg-config does not run'

if command -v cmake >/dev/null; then
  cat >"$root/use/CMakeLists.txt" <<'C'
cmake_minimum_required(VERSION 3.16)
project(use C)
find_package(LatentCL 0.1 REQUIRED)
add_executable(by-cmake main.c)
target_link_libraries(by-cmake LatentCL::latentcl)
C
  cmake -S "$root/use" -B "$root/use/cmake" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
  cmake --build "$root/use/cmake" >/dev/null
  "$root/use/cmake/by-cmake" >/dev/null || fail 'a program by CMake does not run'
  sed -i 's/LatentCL 0.1/LatentCL 0.2/' "$root/use/CMakeLists.txt"
  ! cmake -S "$root/use" -B "$root/use/cmake2" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null 2>&1 || fail 'CMake takes it for another version'
else
  echo 'CMake is not here: not tried'
fi

commands=$(latentcl --help | sed -n 's/^  \([a-z]\{1,\}\)  .*/\1/p')
[ "$(wc -w <<<"$commands")" -gt 15 ] || fail 'the commands are not listed'
for command in '' $commands; do
  page=$prefix/share/man/man1/latentcl${command:+-$command}.1
  [ -s "$page" ] || fail "there is no page $page"
  [ -z "$command" ] || latentcl help "$command" | grep -o '^  --[a-z-]*' | while read -r option; do
    grep -qF -- "${option//-/\\-}" "$page" || fail "$page lacks $option"
  done
  ! command -v groff >/dev/null || [ -z "$(groff -man -Tutf8 -ww "$page" 2>&1 >/dev/null)" ] || fail "groff complains about $page"
done

# complete WORD...: what is offered for the last word.
complete_words() {
  COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
  _latentcl
  echo "${COMPREPLY[*]}"
}
. "$prefix/share/bash-completion/completions/latentcl"
offers() {
  local want=$1
  shift
  [ "$(complete_words "$@")" = "$want" ] || fail "completion of '$*': $(complete_words "$@"), not $want"
}
offers 'report reproduce' latentcl rep
offers 'reconstruct' latentcl help rec
offers '--epochs' latentcl train --ep
offers '--no-test' latentcl train ladder --no-te
offers 'vae vae-ladder vae-ladder-control' latentcl train vae
offers 'gemm-1024' latentcl bench gemm-102
offers 'categorical_kl' latentcl op categorical

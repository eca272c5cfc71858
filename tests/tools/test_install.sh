#!/bin/bash
# What is installed: programs build against it by pkg-config, by meson and by CMake, with the shared library and with
# the static one, and with LatentCL as a meson subproject; every command has a manual page, and bash, zsh and fish
# complete its words.
# test_install.sh SOURCE_FOLDER BUILD_FOLDER PREFIX
set -eu -o pipefail
source=$1 build=$2 given_prefix=$3
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
fail() { echo "$*" >&2; exit 1; }
unset LD_LIBRARY_PATH PKG_CONFIG_PATH
export HOME=$root

mkdir -p "$root/use/subprojects"
ln -s "$source" "$root/use/subprojects/latentcl"
cat >"$root/use/main.c" <<'C'
#include <latentcl/latentcl.h>
#include <stdio.h>
#include <string.h>
int main(void) {
  printf("%s, %zu models\n", lcl_version(), lcl_model_count());
  return strcmp(lcl_version(), LCL_VERSION_STRING) != 0 || lcl_model_count() == 0;
}
C
cat >"$root/use/meson.build" <<'C'
project('use', 'c')
latentcl = dependency('latentcl', version: '>=0.1', fallback: ['latentcl', 'latentcl_dep'])
executable('by-meson', 'main.c', dependencies: latentcl)
C
cat >"$root/use/CMakeLists.txt" <<'C'
cmake_minimum_required(VERSION 3.16)
project(use C)
find_package(LatentCL ${WANTED} REQUIRED)
add_executable(by-cmake main.c)
target_link_libraries(by-cmake LatentCL::latentcl)
C

# try PROGRAM WHICH-LIBRARY: it runs, and has the library inside (static) or not (shared).
try() {
  "$1" >/dev/null || fail "${1#"$root/"} does not run"
  local inside=static
  [[ $(ldd "$1") != *liblatentcl* ]] || inside=shared
  [ "$inside" = "$2" ] || fail "${1#"$root/"} has the library $inside, not $2"
}

# consumers WHICH-LIBRARY PREFIX: programs that use what lies there.
consumers() {
  local which=$1 prefix=$2 config=$root/$1-pkgconfig static=
  [ "$which" = shared ] || static=--static
  mkdir "$config"
  sed "s|^prefix=.*|prefix=$prefix|" "$(find "$prefix" -name latentcl.pc)" >"$config/latentcl.pc"
  # shellcheck disable=SC2046
  cc "$root/use/main.c" -o "$root/by-pkg-config-$which" \
    $(PKG_CONFIG_PATH=$config pkg-config $static --cflags --libs latentcl)
  try "$root/by-pkg-config-$which" "$which"
  PKG_CONFIG_PATH=$config meson setup --wrap-mode=nofallback "$root/use" "$root/meson-$which" >/dev/null
  ninja -C "$root/meson-$which" >/dev/null
  try "$root/meson-$which/by-meson" "$which"
  command -v cmake >/dev/null || { echo "CMake is not here: not tried with the $which library"; return 0; }
  cmake -S "$root/use" -B "$root/cmake-$which" -DCMAKE_PREFIX_PATH="$prefix" -DWANTED=0.1 >/dev/null
  cmake --build "$root/cmake-$which" >/dev/null
  try "$root/cmake-$which/by-cmake" "$which"
}

# As a subproject, with the static library alone; that is then installed.
meson setup "$root/use" "$root/subproject" -Doptimization=0 -Ddebug=false --wrap-mode=forcefallback \
  --prefix=/usr/local --libdir=lib -Dlatentcl:default_library=static >/dev/null
nice ninja -C "$root/subproject" >"$root/log" || fail "$(cat "$root/log")"
try "$root/subproject/by-meson" static
! meson test -C "$root/subproject" --list 2>/dev/null | grep latentcl ||
  fail 'as a subproject it brings its tests along'
DESTDIR=$root/static meson install -C "$root/subproject" --no-rebuild --quiet
[ -z "$(find "$root/subproject" "$root/static" -name '*.so*')" ] ||
  fail 'default_library=static builds a shared library'
"$root/static/usr/local/bin/latentcl" --version >/dev/null
consumers static "$root/static/usr/local"

DESTDIR=$root/shared meson install -C "$build" --no-rebuild --quiet
prefix=$root/shared$given_prefix
export PATH="$prefix/bin:$PATH"
LD_LIBRARY_PATH=$(dirname "$(find "$prefix" -name 'liblatentcl.so.0')")
export LD_LIBRARY_PATH
[ "$(command -v latentcl)" = "$prefix/bin/latentcl" ] || fail 'the command is not installed'
consumers shared "$prefix"
! command -v cmake >/dev/null ||
  ! cmake -S "$root/use" -B "$root/cmake-2" -DCMAKE_PREFIX_PATH="$prefix" -DWANTED=0.2 >/dev/null 2>&1 ||
  fail 'CMake takes it for another version'

packaged=$(sed -n '1s/^latentcl (\(.*\)-[^-]*) .*/\1/p' "$source/debian/changelog")
[ "latentcl $packaged" = "$(latentcl --version | head -1)" ] || fail "debian/changelog is of version $packaged"

doc=$prefix/share/doc/latentcl
cmp "$source/LICENSE" "$doc/LICENSE"
for page in "$doc"/*.md "$doc"/docs/*.md; do
  { grep -oE '\]\([^):#]+|src="[^":]+' "$page" || true; } | sed 's/^](//; s/^src="//' | while read -r target; do
    # A header lies elsewhere than in the project's folder.
    [ "${target#../include/}" = "$target" ] || target=../../../../include/${target#../include/}
    [ -e "$(dirname "$page")/$target" ] || fail "${page#"$prefix/"}: the link $target leads nowhere"
  done
done

commands=$(latentcl --help | sed -n 's/^  \([a-z]\{1,\}\)  .*/\1/p')
[ "$(wc -w <<<"$commands")" -gt 15 ] || fail 'the commands are not listed'
for command in '' $commands; do
  page=$prefix/share/man/man1/latentcl${command:+-$command}.1
  [ -s "$page" ] || fail "there is no page $page"
  [ -z "$command" ] || latentcl help "$command" | grep -o '^  --[a-z-]*' | while read -r option; do
    grep -qF -- ".B ${option//-/\\-}" "$page" || fail "$page lacks $option"
  done
  ! command -v groff >/dev/null || [ -z "$(groff -man -Tutf8 -ww "$page" 2>&1 >/dev/null)" ] ||
    fail "groff complains about $page"
done

# ---- completion ----

# The commands and what --help lists of each, but for internal options: lines "COMMAND --OPTION".
for command in $commands; do
  latentcl help "$command" | sed -n "/ internal: /d
    s/^  \(--[a-z-]*\).*; \(--no-[a-z-]*\)).*/$command \1\n$command \2/p; t
    s/^  \(--[a-z-]*\).*/$command \1/p"
done | sort >"$root/options"
[ "$(wc -l <"$root/options")" -gt 150 ] || fail 'the options are not listed'
same_options() { sort | diff "$root/options" - || fail "$1 completes other options than --help lists"; }

# complete_words WORD...: what bash offers for the last word.
complete_words() {
  COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
  _latentcl
  printf '%s\n' "${COMPREPLY[@]}"
}
. "$prefix/share/bash-completion/completions/latentcl.bash"
for command in $commands; do complete_words latentcl "$command" -- | sed "s/^/$command /"; done | same_options bash

# What zsh's own functions are told; they need a terminal.
told_by_zsh() {
  zsh -f -c 'compdef() {}; _describe() { print -rl -- ${(P)2%%:*} }
    _arguments() { print -rl -- "$@" }
    words=("${@[2,-1]}") CURRENT=$(($# - 1)); source "$1"' zsh "$prefix/share/zsh/site-functions/_latentcl" "$@"
}
if command -v zsh >/dev/null; then
  [ "$(told_by_zsh latentcl '')" = "$commands"$'\nhelp\nversion' ] ||
    fail "zsh completes other commands: $(told_by_zsh latentcl '')"
  for command in $commands; do
    told_by_zsh latentcl "$command" -- | sed -n "s/^\*\{0,1\}\(--[a-z-]*\).*/$command \1/p"
  done | same_options zsh
  [[ $(told_by_zsh latentcl train '') == *'1:argument:(semantic-noise imsat '*' vae-ladder-control)'* ]] ||
    fail 'zsh does not complete models'
else
  echo 'zsh is not here: not tried'
fi

told_by_fish() {
  fish --no-config -c 'source $argv[1]; for line in $argv[2..-1]; complete -C $line; end' \
    "$prefix/share/fish/vendor_completions.d/latentcl.fish" "$@"
}
if command -v fish >/dev/null; then
  [ "$(told_by_fish 'latentcl ' | cut -f1)" = "$(printf '%s\n' $commands help version | sort)" ] ||
    fail 'fish completes other commands'
  for command in $commands; do
    told_by_fish "latentcl $command --" | sed "s/\t.*//; s/^/$command /"
  done | same_options fish
else
  echo 'fish is not here: not tried'
fi

# offers WANTED WORD...: by each shell that can be asked.
offers() {
  local want=$1 got
  shift
  got=$(complete_words "$@" | xargs)
  [ "$got" = "$want" ] || fail "bash: completion of '$*': $got, not $want"
  # fish 4 also lists words that are only similar.
  ! command -v fish >/dev/null || got=$(told_by_fish "$*" | cut -f1 | { grep -- "^${!#}" || true; } | xargs)
  [ "$got" = "$want" ] || fail "fish: completion of '$*': $got, not $want"
}
offers 'report reproduce' latentcl rep
offers 'reconstruct' latentcl help rec
offers '--epochs' latentcl train --ep
offers '--no-test' latentcl train ladder --no-te
offers 'vae vae-ladder vae-ladder-control' latentcl train vae
offers 'read-128K' latentcl bench read-12
offers 'read-128K' latentcl bench copy read-12
offers 'categorical_kl' latentcl op categorical
offers 'quick' latentcl train ladder --find q
offers 'stat' latentcl cache st
offers 'relu' latentcl check --op rel
offers '' latentcl eval runs/first --split rel
offers '' latentcl models --plug-in rel
offers 'imsat/hash imsat/hash-cifar10' latentcl reproduce imsat/h

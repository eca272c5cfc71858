#!/bin/bash
# sudo tools/demo leaves nothing that belongs to root: test_demo.sh SOURCES  -- with builds and trainings that only pretend.
# Who runs the test is root (77 otherwise: skipped); the user is nobody.
set -eu
[ "$(id -u)" -eq 0 ] || exit 77
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
user=$(id -u nobody) group=$(id -g nobody)
mkdir "$folder/tree" "$folder/bin" "$folder/tree/tools"
cp "$1/tools/demo" "$1/tools/setup.sh" "$folder/tree/tools"
cat >"$folder/bin/meson" <<'W'
#!/bin/sh
mkdir -p build-demo/tools && touch build-demo/build.ninja
W
cat >"$folder/bin/ninja" <<'W'
#!/bin/sh
cat >build-demo/tools/latentcl <<'L'
#!/bin/sh
echo "$@" >>calls
case $1 in
train) while [ $# -gt 1 ]; do [ "$1" != --out ] || mkdir -p "$2"; shift; done; [ "$1" != --no-such-option ] || exit 2 ;;
eval) printf '{\n\t"split":\t"test",\n\t"error_percent":\t1.5\n}\n' ;; # as cJSON prints it
esac
L
chmod +x build-demo/tools/latentcl
W
printf '#!/bin/sh\necho "install ok installed"\n' >"$folder/bin/dpkg-query"
chmod +x "$folder"/bin/*
mkdir "$folder/tree/runs" # of an earlier run as root
touch "$folder/tree/runs/old"
chown "$user:$group" "$folder/tree"
SUDO_UID=$user SUDO_GID=$group PATH="$folder/bin:$PATH" "$folder/tree/tools/demo" --quiet >"$folder/said" 2>&1 ||
  { cat "$folder/said"; exit 1; }
grep -q 'train semantic-noise .* --quiet' "$folder/tree/calls" || { echo 'the options are lost'; exit 1; }
grep -q '1.50 %' "$folder/said" || { cat "$folder/said"; exit 1; }
left=$(cd "$folder/tree" && find . -user 0 ! -path './tools*')
[ -z "$left" ] || { echo "these belong to root: $left"; exit 1; }
# A wrong option of `latentcl train` ends it as that does.
status=0
SUDO_UID=$user SUDO_GID=$group PATH="$folder/bin:$PATH" "$folder/tree/tools/demo" --no-such-option >"$folder/said" 2>&1 || status=$?
[ $status -eq 2 ] || { echo "a wrong option ends with $status"; exit 1; }
# Root without sudo stays root.
rm -r "$folder/tree/build-demo" "$folder/tree/calls"
env -u SUDO_UID PATH="$folder/bin:$PATH" "$folder/tree/tools/demo" >"$folder/said" 2>&1
[ "$(stat -c %u "$folder/tree/calls")" -eq 0 ]

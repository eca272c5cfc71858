"""Every C file is laid out as clang-format does it, and no line of a kernel is over 100 columns.

The first part is skipped (exit code 77) without clang-format 14: other versions lay out a few things
differently.
Usage: check_format.py ROOT"""
import re
import subprocess
import sys
from pathlib import Path

root = Path(sys.argv[1])
FOLDERS = ["docs", "include", "src", "tests", "tools"]


def clang_format():
    """The name of clang-format 14, or None."""
    for name in ["clang-format-14", "clang-format"]:
        try:
            version = subprocess.run([name, "--version"], capture_output=True, text=True).stdout
        except OSError:
            continue
        if re.search(r"version 14\.", version):
            return name
    return None


kernels = sorted((root / "cl").glob("*.cl"))
assert len(kernels) > 15, f"only {len(kernels)} kernel files found below {root}"
long = [f"{path}:{number}: {len(line)} columns" for path in kernels
        for number, line in enumerate(path.read_text().splitlines(), 1) if len(line) > 100]
if long:
    sys.exit("lines over 100 columns:\n" + "\n".join(long))

program = clang_format()
if not program:
    print("skipped: clang-format 14 is not installed")
    sys.exit(77)
files = sorted(str(path) for folder in FOLDERS for end in ["c", "h"]
               for path in (root / folder).rglob("*." + end))
assert len(files) > 200, f"only {len(files)} files found below {root}"
result = subprocess.run([program, "--dry-run", "-Werror", *files], capture_output=True, text=True)
wrong = sorted(set(re.findall(r"^(\S+?):\d+:\d+: error", result.stderr, re.M)))
if wrong or result.returncode:
    sys.exit("run clang-format -i on:\n" + "\n".join(wrong or [result.stderr]))
print(f"{len(files)} files")

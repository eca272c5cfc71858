"""Every C file is laid out as clang-format does it.

Skipped (exit code 77) without clang-format 14: other versions lay out a few things differently.
Usage: check_format.py ROOT"""
import re
import subprocess
import sys
from pathlib import Path

root = Path(sys.argv[1])
FOLDERS = ["include", "src", "tests", "tools"]


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

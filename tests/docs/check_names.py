"""Functions and tables that programs may use are called lcl_NAME, those shared within the library lcl__NAME, and what one
file keeps to itself is static and has no prefix.

Usage: check_names.py SHARED-LIBRARY STATIC-LIBRARY"""
import subprocess
import sys

library, archive = sys.argv[1:]


def names(*arguments):
    """Names of what nm finds defined and visible beyond its file."""
    lines = subprocess.run(["nm", "--defined-only", "--extern-only", *arguments], check=True, capture_output=True,
                           text=True).stdout.splitlines()
    return {line.split()[2] for line in lines if len(line.split()) == 3}


public = names("--dynamic", library)
shared = names(archive) - public
assert len(public) > 200 and len(shared) > 200, f"only {len(public)} public and {len(shared)} shared names"
wrong = [f"{name} is public: lcl_..." for name in sorted(public) if not name.startswith("lcl_") or name[4] == "_"]
wrong += [f"{name} is not public: lcl__..." for name in sorted(shared) if not name.startswith("lcl__")]
if wrong:
    sys.exit("\n".join(wrong))
print(f"{len(public)} public names, {len(shared)} shared within the library")

#!/usr/bin/env python3
"""kernels_ran.py CL_FOLDER LOG_FOLDER LIBRARY: every kernel of cl/*.cl was run by some device test of this build.

Runs after all other tests. Logs that are older than the library do not count."""
import glob
import os
import re
import sys

KERNEL = re.compile(r"\b(?:__)?kernel\b[^;{}]*?\bvoid\b[^;{}(]*?(?:__attribute__\s*\(\([^;{}]*?\)\)\s*)?\b(\w+)\s*\(", re.S)


def shipped(folder):
    names = {}
    for path in glob.glob(os.path.join(folder, "*.cl")):
        with open(path) as f:
            text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", f.read(), flags=re.S)
        for name in KERNEL.findall(text):
            names[name] = os.path.basename(path)
    return names


def main(cl_folder, log_folder, library):
    built = os.path.getmtime(library)
    logs = [log for log in glob.glob(os.path.join(log_folder, "*")) if os.path.getmtime(log) >= built]
    if not logs:
        print("no device test of this build has run yet")
        return 77
    ran = set()
    for log in logs:
        with open(log) as f:
            ran.update(f.read().split())
    names = shipped(cl_folder)
    missing = {n: f for n, f in names.items() if n not in ran}
    for name, file in sorted(missing.items()):
        print(f"{file}: {name} was never run")
    print(f"{len(names) - len(missing)} of {len(names)} kernels ran")
    return 1 if missing or not names else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

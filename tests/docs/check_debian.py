#!/usr/bin/env python3
"""What a program needs to be linked with the static library, Debian's -dev package brings along: the pkg-config file's
Requires.private beside the Depends and Build-Depends of debian/control.

Usage: check_debian.py ROOT PKG-CONFIG-FILE"""
import re
import sys
from pathlib import Path

root, text = Path(sys.argv[1]), Path(sys.argv[2]).read_text()
PACKAGES = {"OpenCL": {"ocl-icd-opencl-dev", "opencl-headers"}, "libxxhash": {"libxxhash-dev"}, "libcjson": {"libcjson-dev"},
            "zlib": {"zlib1g-dev"}, "libpng": {"libpng-dev"}, "libjpeg": {"libjpeg-dev", "libjpeg62-turbo-dev"},
            "clblast": {"libclblast-dev"}, "clFFT": {"libclfft-dev"}, "libprotobuf-c": {"libprotobuf-c-dev"}, "ompi-c": set()}


def packages(paragraph, field):
    value = re.search(rf"^{field}:(.*(?:\n[ \t].*)*)", paragraph, re.M)[1]
    return {re.split(r"[\s(\[<]", entry.strip())[0] for entry in value.split(",") if entry.strip()} - {"${misc:Depends}", "liblatentcl0"}


source, *binary = (root / "debian/control").read_text().split("\n\n")
depends = packages(next(p for p in binary if re.search("^Package: liblatentcl-dev$", p, re.M)), "Depends")
build = packages(source, "Build-Depends")
needed = re.split(r"[,\s]+", re.search(r"^Requires\.private:\s*(.*\S)", text, re.M)[1])
wrong = [f"{name} of {sys.argv[2]} has no package in this check's table" for name in needed if name not in PACKAGES]
for name in [n for n in needed if n in PACKAGES and PACKAGES[n]]:
    for where, there in (("liblatentcl-dev's Depends", depends), ("Build-Depends", build)):
        if not PACKAGES[name] & there:
            wrong.append(f"{name} needs one of {', '.join(sorted(PACKAGES[name]))}, which {where} in debian/control lacks")
for package in depends - set().union(*PACKAGES.values()):
    wrong.append(f"liblatentcl-dev depends on {package}, which the pkg-config file does not require")
if "ompi-c" in needed and "-Dmpi=disabled" not in (root / "debian/rules").read_text():
    wrong.append("debian/rules does not build without MPI, whose package liblatentcl-dev does not bring")
if wrong:
    sys.exit("\n".join(wrong))
print(f"{len(needed)} requirements, {len(depends)} packages")

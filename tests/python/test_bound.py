#!/usr/bin/env python3
"""Every function of the C headers is used by the Python package, or docs/python.md says that it is not, and why.

Usage: test_bound.py PAGE FOLDER-OF-THE-PACKAGE"""
import re
import sys
from pathlib import Path

page, package = Path(sys.argv[1]), Path(sys.argv[2])
sys.path.insert(0, str(package.parent))
from latentcl import _api  # noqa: E402

code = "".join(p.read_text() for p in package.glob("*.py") if p.name != "_api.py")
used = set(re.findall(r"\blibrary\.(lcl_\w+)", code))
used |= {"lcl_" + name for name in re.findall(r'\d: "(\w+)"', re.search(r"functions = \{.*\}", code)[0])}  # those of powers, by name
listed: dict = {}
for row in re.findall(r"^\| (`lcl_.*?) \| (.*?) \|$", page.read_text(), re.M):
    for name in re.findall(r"`(lcl_\w+)\(\)`", row[0]):
        assert name not in listed, f"{page.name} lists {name} twice"
        listed[name] = row[1]
there = set(_api.FUNCTIONS)
faults = [f"{name} is no function of the headers" for name in sorted((used | set(listed)) - there)]
faults += [f"{name} is neither used by the package nor listed in {page.name} under what it leaves out" for name in sorted(there - used - set(listed))]
faults += [f"{page.name} lists {name}, which the package uses" for name in sorted(set(listed) & used)]
print("\n".join(faults) or f"{len(used)} of {len(there)} functions are used, {len(listed)} are listed as left out")
sys.exit(bool(faults))

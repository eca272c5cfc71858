#!/usr/bin/env python3
"""The package's types hold together: mypy finds nothing. Skipped without mypy.

Usage: check_types.py FOLDER-OF-THE-PACKAGE"""
import shutil
import subprocess
import sys
import tempfile

if not shutil.which("mypy"):
    print("skipped: mypy is not installed")
    sys.exit(77)
with tempfile.TemporaryDirectory() as cache:
    result = subprocess.run(["mypy", "--cache-dir", cache, "-p", "latentcl"], cwd=sys.argv[1], capture_output=True, text=True)
print(result.stdout + result.stderr)
sys.exit(result.returncode)

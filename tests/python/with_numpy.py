#!/usr/bin/env python3
"""Runs a test, or skips it where NumPy is not installed: with_numpy.py TEST ARGUMENTS..."""
import runpy
import sys

try:
    import numpy  # noqa: F401
except ImportError:
    print("skipped: NumPy is not installed (Debian: python3-numpy)")
    sys.exit(77)
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")

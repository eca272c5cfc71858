#!/usr/bin/env python3
"""Runs the Python code of a page, block by block in one process, in an empty folder: test_tutorial.py PAGE"""
import os
import re
import sys
import tempfile
from pathlib import Path

page = Path(sys.argv[1]).resolve()
text = page.read_text()
names: dict = {"__name__": "__main__"}
blocks = list(re.finditer(r"^```python\n(.*?)^```$", text, re.M | re.S))
assert len(blocks) > 8, f"only {len(blocks)} blocks of code in {page}"
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    for block in blocks:
        line = text[:block.start()].count("\n") + 1
        exec(compile("\n" * line + block[1], str(page), "exec"), names)

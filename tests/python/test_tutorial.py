#!/usr/bin/env python3
"""Runs the Python code of a page, block by block in one process, in an empty folder: test_tutorial.py PAGE [OPTION=VALUE ...]

Each training gets the options too, so that it is short."""
import os
import re
import sys
import tempfile
from pathlib import Path

import latentcl as lcl

page = Path(sys.argv[1]).resolve()
text = page.read_text()
whole_train, options = lcl.train, dict(o.split("=") for o in sys.argv[2:])
lcl.train = lambda *args, **given: whole_train(*args, **{**given, **options})
names: dict = {"__name__": "__main__"}
blocks = list(re.finditer(r"^```python\n(.*?)^```$", text, re.M | re.S))
assert len(blocks) >= text.count("```python") > 0, f"{len(blocks)} of {text.count('```python')} blocks of code in {page}"
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    for block in blocks:
        if "onnx" in block[1] and not lcl.onnx_operators():
            print("a block is left out: built without ONNX")
            continue
        line = text[:block.start()].count("\n") + 1
        exec(compile("\n" * line + block[1], str(page), "exec"), names)

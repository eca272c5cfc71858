#!/usr/bin/env python3
"""Every script of tools/ answers --help with its usage and refuses an option that it does not know, before it does anything; in
Python every option has a help, also of the scripts that the manual names: test_scripts.py ROOT"""
import ast
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

tools = Path(sys.argv[1]).resolve() / "tools"
scripts = sorted(f for f in tools.iterdir() if f.is_file() and os.access(f, os.X_OK) and not f.suffix)
names = [f.name for f in scripts]
assert {"bundle", "check", "demo", "mutate", "scaling"} <= set(names), names

with tempfile.TemporaryDirectory() as folder:
    for script in scripts:
        def said(*words):
            return subprocess.run([script, *words], capture_output=True, text=True, timeout=60, cwd=folder, stdin=subprocess.DEVNULL)
        help_ = said("--help")
        assert help_.returncode == 0 and not help_.stderr, (script.name, help_)
        assert re.search(rf"usage:\s.*\b{script.name}\b", help_.stdout, re.I | re.S), (script.name, help_.stdout)
        if script.name != "demo":  # hands its options on to `latentcl train`: test_demo.sh
            wrong = said("--no-such-option")
            assert wrong.returncode == 2 and not wrong.stdout and wrong.stderr, (script.name, wrong)
        assert not os.listdir(folder), (script.name, os.listdir(folder))
tests = tools.parent / "tests"
for script in [*scripts, *sorted((tools / "peers").glob("*.py")), tests / "codegen/check.py", tests / "onnx/node_tests.py"]:
    text = script.read_text()
    for call in ast.walk(ast.parse(text if "python" in text.splitlines()[0] or script.suffix else "")):
        if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "add_argument":
            assert any(k.arg == "help" for k in call.keywords), (script.name, ast.unparse(call))
print("asked:", *names)

#!/usr/bin/env python3
"""The programs of docs/examples, compiled by the command that each names: test_examples.py LATENTCL ROOT BUILD CLBLAST

CLBLAST: whether it is there (true, false). own_model.c has a test of its own, test_plugin.py."""
import os
import re
import sys
from pathlib import Path

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import call, in_folder, run

ROOT, BUILD = (Path(p).resolve() for p in sys.argv[2:4])
os.environ.update(PKG_CONFIG_PATH=str(BUILD / "meson-uninstalled"), LD_LIBRARY_PATH=str(BUILD))


def compiled(name):
    source = ROOT / "docs/examples" / (name + ".c")
    line = re.search(r"^ \*   (cc .*?)(?: \*/)?$", source.read_text(), re.M)[1]
    assert f"{name}.c -o {name} " in line, line
    Path(name + ".c").write_text(source.read_text())
    call("sh", "-c", line.replace("cc ", "cc -std=c11 -Wall -Wextra -Werror -Wno-deprecated-declarations ", 1) + " -lm")
    return "./" + name


def one_queue():
    assert call(compiled("one_queue")).stdout == "tanh of the sums: 0.2913 0.8337 0.9705 0.9951\n"


def samples():
    run("train", "vae", "--max-steps", "2", "--quiet", "--out", "run")
    call(compiled("samples"), "run", "samples.png")
    assert Path("samples.png").read_bytes()[1:4] == b"PNG"
    run("sample", "run", "--n", "40", "--seed", "1", "--out", "same.png")
    assert Path("samples.png").read_bytes() == Path("same.png").read_bytes()
    told = call("./samples", "nowhere", "samples.png", code=1).stderr
    assert told.count("\n") == 1 and "not a run folder" in told, told
    call("./samples", code=2)


names = {p.stem for p in (ROOT / "docs/examples").glob("*.c")}
assert names == {"one_queue", "own_model", "samples"}, names
in_folder(*[one_queue] * (sys.argv[4] == "true"), samples)

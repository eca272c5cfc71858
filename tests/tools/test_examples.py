#!/usr/bin/env python3
"""The programs of docs/examples, compiled by the command that each names: test_examples.py ROOT LATENTCL BUILD CLBLAST

CLBLAST: whether it is there (true, false). own_model.c has a test of its own, test_plugin.py."""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT, LATENTCL, BUILD = (Path(p).resolve() for p in sys.argv[1:4])
ENV = dict(os.environ, PKG_CONFIG_PATH=str(BUILD / "meson-uninstalled"), LD_LIBRARY_PATH=str(BUILD))


def run(*command, code=0):
    p = subprocess.run(command, capture_output=True, text=True, timeout=250, env=ENV)
    if p.returncode != code:
        sys.exit(f"{' '.join(map(str, command))}: exit code {p.returncode}, not {code}\n{p.stdout}{p.stderr}")
    return p


def compiled(name):
    source = ROOT / "docs/examples" / (name + ".c")
    line = re.search(r"^ \*   (cc .*?)(?: \*/)?$", source.read_text(), re.M)[1]
    assert f"{name}.c -o {name} " in line, line
    Path(name + ".c").write_text(source.read_text())
    run("sh", "-c", line.replace("cc ", "cc -std=c11 -Wall -Wextra -Werror -Wno-deprecated-declarations ", 1) + " -lm")
    return "./" + name


def one_queue():
    assert run(compiled("one_queue")).stdout == "tanh of the sums: 0.2913 0.8337 0.9705 0.9951\n"


def samples():
    run(LATENTCL, "train", "vae", "--max-steps", "2", "--quiet", "--out", "run")
    run(compiled("samples"), "run", "samples.png")
    assert Path("samples.png").read_bytes()[1:4] == b"PNG"
    run(LATENTCL, "sample", "run", "--n", "40", "--seed", "1", "--out", "same.png")
    assert Path("samples.png").read_bytes() == Path("same.png").read_bytes()
    told = run("./samples", "nowhere", "samples.png", code=1).stderr
    assert told.count("\n") == 1 and "not a run folder" in told, told
    run("./samples", code=2)


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    names = {p.stem for p in (ROOT / "docs/examples").glob("*.c")}
    assert names == {"one_queue", "own_model", "samples"}, names
    if sys.argv[4] == "true":
        one_queue()
    samples()

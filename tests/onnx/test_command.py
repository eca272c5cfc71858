#!/usr/bin/env python3
"""The commands about ONNX files from outside, and docs/onnx.md: its list of operators, its command lines.

Usage: test_command.py LATENTCL ROOT"""
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import LATENTCL as latentcl, onnx_node, onnx_tensor, onnx_value, read_npy, write_npy, write_onnx

root = pathlib.Path(sys.argv[2])
failures = []


# ---- expectations ----

def expect(code, pattern, *args):
    done = subprocess.run([latentcl, *map(str, args)], capture_output=True, text=True)
    said = done.stdout + done.stderr
    if done.returncode != code or not re.search(pattern, said):
        failures.append(f"{shlex.join(map(str, args))}: exit code {done.returncode}, expected {code} and {pattern!r}:\n{said}")
    return done


def check(what, right):
    if not right:
        failures.append(what)


with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    net, two, x, y = folder / "net.onnx", folder / "two.onnx", folder / "x.npy", folder / "y.npy"
    write_onnx(net, [onnx_value("x", 1, ["batch", 2])], [onnx_value("y", 1, ["batch", 2])],
            [onnx_node("MatMul", ["x", "w"], ["h"]), onnx_node("Relu", ["h"], ["y"])], [onnx_tensor("w", [2, 2], [1, 2, 3, 4])])
    write_onnx(two, [onnx_value("a", 1, [2]), onnx_value("i", 7, [1])], [onnx_value("s", 1, [2]), onnx_value("g", 1, [1]), onnx_value("t", 9, [2])],
            [onnx_node("Neg", ["a"], ["s"]), onnx_node("Gather", ["a", "i"], ["g"]), onnx_node("IsNaN", ["a"], ["t"])])
    write_npy(x, "<f4", (3, 2), [1, 1, 0, -1, 2, 0])
    write_npy(folder / "double.npy", "<f8", (3, 2), [0] * 6)
    write_npy(folder / "a.npy", "<f4", (2,), [5, 6])
    write_npy(folder / "i.npy", "<i8", (1,), [-1])
    write_npy(folder / "wide.npy", "<f4", (3, 3), [0] * 9)
    write_npy(folder / "large.npy", "<i8", (1,), [2**40])

    done = expect(0, r"input   x  float32  1x2\noutput  y  float32  1x2", "run", net)
    check("open dimensions are said", "taken as 1: batch" in done.stderr)
    expect(0, r"output  y  float32  4x2", "run", net, "--dim", "batch=4")
    expect(0, "^$", "run", net, "--in", x, "--out", y)
    check(f"run: {read_npy(y)}", read_npy(y) == ((3, 2), [4, 6, 0, 0, 2, 4]))
    expect(0, "^$", "run", two, "--in", f"a={folder}/a.npy", "--in", f"i={folder}/i.npy", "--out", f"g={y}",
           "--out", f"t={folder}/t.npy")
    check("a number by index from the end", read_npy(y) == ((1,), [6]))
    check("truth values are bool", b"|b1" in (folder / "t.npy").read_bytes())

    # What is wrong is said in one line, and nothing is written.
    for code, pattern, args in [
            (1, r'holds float64, input "x" takes float32', [net, "--in", folder / "double.npy"]),
            (1, r'input "x" has 2 in dimension 1, 3x3 is given', [net, "--in", folder / "wide.npy"]),
            (1, r'the file has no input "z"', [net, "--in", f"z={x}"]),
            (1, r'input "i" \(int64, 1\) is missing: --in i=FILE.npy', [two, "--in", f"a={folder}/a.npy"]),
            (1, r"the file has 2 inputs: say which", [two, "--in", folder / "a.npy"]),
            (1, r'large.npy holds 1099511627776, which 32 bits do not hold',
             [two, "--in", f"a={folder}/a.npy", "--in", f"i={folder}/large.npy"]),
            (1, r'the model has 3 outputs, say which: .* "s", "g", "t"', [two, "--out", folder / "no.npy"]),
            (1, r'the model has no output "z"', [two, "--out", f"z={folder}/no.npy"]),
            (1, r"no open dimension that \"width=3\" would set", [net, "--dim", "width=3"]),
            (2, r"--dim wants NAME=N with a whole number in \[0,2147483647\], not 'batch=x'", [folder / "no_such.onnx", "--dim", "batch=x"]),
            (2, r"--dim wants NAME=N .* not 'batch'", [folder / "no_such.onnx", "--dim", "batch"]),
            (1, r"gone.onnx", [folder / "gone.onnx"]),
            (1, r"no ONNX file, or cut short or damaged", [x]),
            (1, r"gone.npy", [net, "--in", folder / "gone.npy"]),
            (1, r"two results|same file|both", [two, "--out", f"s={folder}/no.npy", "--out", f"g={folder}/no.npy"]),
            (2, r"which file", []),
            (2, r"FILE or NAME=FILE is expected", [net, "--in", "x="])]:
        done = expect(code, pattern, "run", *args, *([] if "--out" in map(str, args) or code == 2 else
                                                     ["--out", folder / "no.npy"] if args[0] == net else []))
        check(f"one line: {done.stderr}", len([l for l in done.stderr.splitlines() if "taken as 1" not in l]) == 1)
    check("nothing is written after an error", not (folder / "no.npy").exists())

    results = folder / "r.json"
    expect(0, r"net\.onnx .* parts", "bench", net, "--dim", "batch=8", "--seconds", "0.01", "--verify", "--quick", "--json", results)
    row = json.loads(results.read_text())["results"][0]
    check(f"bench: {row}", row["suite"] == "onnx" and row["verified"] is True)
    expect(1, r"no open dimension", "bench", net, "--dim", "width=8", "--seconds", "0.01", "--quick")
    expect(2, r"--dim belongs to a file MODEL.onnx", "bench", "gemm-64", "--dim", "batch=8")
    expect(0, r"matmul 1x2x2", "explain", net)
    relu = folder / "relu.onnx"
    write_onnx(relu, [onnx_value("x", 1, [4, 2])], [onnx_value("y", 1, [4, 2])],
               [onnx_node("Relu", ["x"], ["h"]), onnx_node("Neg", ["h"], ["y"])], [])
    expect(0, r"^3 nodes in 1 launch, 1 fused group\n[^$]*Queues: 1 queue \(1 launch, 0 waits between them\)", "explain", relu)
    expect(2, r"--dim belongs to a file MODEL.onnx", "tune", "gemm-64", "--dim", "batch=8")
    expect(0, r"\ngemm 8x2x2 ", "tune", net, "--dim", "batch=8", "--show")
    deep = folder / ("deep" * 16) / "net.onnx"  # a row's name holds the end of its path alone
    deep.parent.mkdir()
    deep.write_bytes(net.read_bytes())
    expect(0, r"eep/net\.onnx", "bench", deep, "--seconds", "0.01", "--quick")
    expect(1, r"no ONNX file", "explain", results.rename(folder / "bad.onnx"))

    # The page.
    page = (root / "docs/onnx.md").read_text()
    operators = expect(0, "Conv", "run", "--operators").stdout.split()
    told = re.search(r"lists the operators:\n\n(.*?)\n\n", page, re.S)[1].split()
    check(f"docs/onnx.md lists the operators: {set(told) ^ set(operators)}", told == operators)
    lines = re.findall(r"^    (latentcl (?:run|bench|explain|tune) net\.onnx.*)", page, re.M)
    check("docs/onnx.md has command lines", len(lines) >= 6)
    for line in lines:
        words = shlex.split(line, comments=True)
        more = {"bench": ["--seconds", "0.01", "--quick"], "tune": ["--budget", "0"]}.get(words[1], [])
        done = subprocess.run([latentcl, *words[1:], *more], capture_output=True, text=True, cwd=folder)
        check(f"{line}: {done.stderr}", done.returncode == 0)

if failures:
    sys.exit("\n".join(failures))
print(f"{len(lines)} command lines of docs/onnx.md, {len(operators)} operators")

#!/usr/bin/env python3
"""The commands about ONNX files from outside, and docs/onnx.md: its list of operators, its command lines.

Usage: test_command.py LATENTCL ROOT"""
import json
import pathlib
import re
import shlex
import struct
import subprocess
import sys
import tempfile

latentcl, root = str(pathlib.Path(sys.argv[1]).resolve()), pathlib.Path(sys.argv[2])
failures = []


# ---- files, without the package onnx ----

def varint(n):
    out = bytearray()
    while True:
        out.append(n & 127 | (128 if n > 127 else 0))
        n >>= 7
        if not n:
            return bytes(out)


def field(number, value):
    """A field of a message: whole number, text or bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def info(name, element, dims):
    shape = b"".join(field(1, field(2 if isinstance(d, str) else 1, d)) for d in dims)
    return field(1, name) + field(2, field(1, field(1, element) + field(2, shape)))


def tensor(name, dims, values):
    return (b"".join(field(1, d) for d in dims) + field(2, 1) + field(8, name)
            + field(9, struct.pack(f"<{len(values)}f", *values)))


def node(op, inputs, outputs):
    return b"".join(field(1, i) for i in inputs) + b"".join(field(2, o) for o in outputs) + field(4, op)


def network(path, inputs, outputs, nodes, weights=()):
    graph = (b"".join(field(1, n) for n in nodes) + field(2, "g") + b"".join(field(5, w) for w in weights)
             + b"".join(field(11, i) for i in inputs) + b"".join(field(12, o) for o in outputs))
    path.write_bytes(field(1, 8) + field(7, graph) + field(8, field(2, 13)))


def npy(path, kind, shape, values):
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {tuple(shape)!r}, }}"
    head = head.ljust(117) + "\n"
    code = {"<f4": "f", "<f8": "d", "<i8": "q"}[kind]
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode()
                     + struct.pack(f"<{len(values)}{code}", *values))


def read_npy(path, code="f"):
    data = path.read_bytes()
    head = 10 + struct.unpack("<H", data[8:10])[0]
    body = data[head:]
    return re.search(r"'shape': (\(.*?\))", data[:head].decode("latin1"))[1], list(
        struct.unpack(f"<{len(body) // struct.calcsize(code)}{code}", body))


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
    network(net, [info("x", 1, ["batch", 2])], [info("y", 1, ["batch", 2])],
            [node("MatMul", ["x", "w"], ["h"]), node("Relu", ["h"], ["y"])], [tensor("w", [2, 2], [1, 2, 3, 4])])
    network(two, [info("a", 1, [2]), info("i", 7, [1])], [info("s", 1, [2]), info("g", 1, [1]), info("t", 9, [2])],
            [node("Neg", ["a"], ["s"]), node("Gather", ["a", "i"], ["g"]), node("IsNaN", ["a"], ["t"])])
    npy(x, "<f4", (3, 2), [1, 1, 0, -1, 2, 0])
    npy(folder / "double.npy", "<f8", (3, 2), [0] * 6)
    npy(folder / "a.npy", "<f4", (2,), [5, 6])
    npy(folder / "i.npy", "<i8", (1,), [-1])
    npy(folder / "wide.npy", "<f4", (3, 3), [0] * 9)
    npy(folder / "large.npy", "<i8", (1,), [2**40])

    done = expect(0, r"input   x  float32  1x2\noutput  y  float32  1x2", "run", net)
    check("open dimensions are said", "taken as 1: batch" in done.stderr)
    expect(0, r"output  y  float32  4x2", "run", net, "--dim", "batch=4")
    expect(0, "^$", "run", net, "--in", x, "--out", y)
    check(f"run: {read_npy(y)}", read_npy(y) == ("(3, 2)", [4, 6, 0, 0, 2, 4]))
    expect(0, "^$", "run", two, "--in", f"a={folder}/a.npy", "--in", f"i={folder}/i.npy", "--out", f"g={y}",
           "--out", f"t={folder}/t.npy")
    check("a number by index from the end", read_npy(y) == ("(1,)", [6]))
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
    expect(1, r"no ONNX file", "explain", results.rename(folder / "bad.onnx"))

    # The page.
    page = (root / "docs/onnx.md").read_text()
    operators = expect(0, "Conv", "run", "--operators").stdout.split()
    told = re.search(r"lists the operators:\n\n(.*?)\n\n", page, re.S)[1].split()
    check(f"docs/onnx.md lists the operators: {set(told) ^ set(operators)}", told == operators)
    lines = re.findall(r"^    (latentcl (?:run|bench|explain) net\.onnx.*)", page, re.M)
    check("docs/onnx.md has command lines", len(lines) >= 5)
    for line in lines:
        words = shlex.split(line, comments=True)
        more = ["--seconds", "0.01", "--quick"] if words[1] == "bench" else []
        done = subprocess.run([latentcl, *words[1:], *more], capture_output=True, text=True, cwd=folder)
        check(f"{line}: {done.stderr}", done.returncode == 0)

if failures:
    sys.exit("\n".join(failures))
print(f"{len(lines)} command lines of docs/onnx.md, {len(operators)} operators")

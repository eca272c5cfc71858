#!/usr/bin/env python3
"""Runs as ONNX files: docs/onnx.md's export lines, and the same numbers through `latentcl run` as the run itself gives; in
onnxruntime too, where Python has it.

Usage: test_export.py LATENTCL ROOT"""
import os
import pathlib
import random
import re
import shlex
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import common
from common import read_npy, run as said, write_npy

root = pathlib.Path(sys.argv[2])
failures, compared = [], []
try:
    import numpy
    import onnxruntime
except ImportError as missing:
    numpy = onnxruntime = None
    print(f"{missing.name} is not installed: only latentcl's own numbers are compared")


def refused(code, pattern, *args):
    told = common.refused(*args, code=code)
    if not re.search(pattern, told):
        failures.append(f"{shlex.join(map(str, args))}: {told}, not {pattern!r}")


def read(path):
    return read_npy(path)[1]


def same(what, got, want, tolerance):
    size = max(map(abs, want), default=0)
    apart = max((abs(a - b) for a, b in zip(got, want)), default=0)
    if len(got) != len(want) or not want or not apart <= tolerance * max(size, 1e-3):
        failures.append(f"{what}: {len(got)} and {len(want)} numbers, {apart:g} apart of {size:g}")
    compared.append(what)


def in_onnxruntime(what, file, inputs, outputs):
    if not onnxruntime:
        return
    session = onnxruntime.InferenceSession(str(file))
    results = session.run(list(outputs), {name: numpy.load(path) for name, path in inputs.items()})
    for path, result in zip(outputs.values(), results):
        same(f"{what} in onnxruntime", [float(x) for x in result.ravel()], read(path), 1e-4)


with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    root = root.resolve()
    os.chdir(folder)
    random.seed(1)
    data = folder / "data"
    data.mkdir()  # of 0 and 1, which binarisation leaves as they are
    for part, n in [("train", 40), ("test", 12)]:
        write_npy(data / f"{part}_features.npy", "<f4", (n, 1, 12, 12), [float(random.getrandbits(1)) for _ in range(n * 144)])
        write_npy(data / f"{part}_labels.npy", "<i4", (n,), [i % 3 for i in range(n)])
    images = data / "test_features.npy"

    # The page's lines, in its order: a run, its parts, and what they compute.
    page = (root / "docs/onnx.md").read_text()
    section = re.search(r"^## From LatentCL\n(.*?)(?=^## |\Z)", page, re.M | re.S)
    lines = re.findall(r"^    (latentcl .*)", section[1] if section else "", re.M)
    (folder / "images.npy").write_bytes(images.read_bytes())
    for line in lines:
        words = shlex.split(line, comments=True)
        if words[1] == "train":
            words += ["--data", str(data), "--epochs", "1", "--batch", "20", "--no-test"]
        if words[1] == "bench":
            words += ["--seconds", "0.01", "--quick"]
        said(*words[1:])
    run = folder / "runs/first"
    said("encode", run, "--split", "test", "--out", folder / "want")
    labels = [int(line.split(",")[1]) for line in (folder / "want.csv").read_text().splitlines()[1:]]
    same("the encoder", read(folder / "codes.npy"), read(folder / "want.npy"), 1e-5)
    if read(folder / "labels.npy") != labels:
        failures.append(f"predictions {read(folder / 'labels.npy')}, not {labels}")
    in_onnxruntime("the classifier", folder / "digits.onnx", {"image": images},
                   {"scores": folder / "scores.npy", "prediction": folder / "labels.npy"})
    in_onnxruntime("the encoder", folder / "encoder.onnx", {"image": images}, {"features": folder / "codes.npy"})
    in_onnxruntime("the decoder", folder / "decoder.onnx", {"features": folder / "codes.npy"},
                   {"image": folder / "decoded.npy"})
    for word in [b"semantic-noise", b"classifier", b"runs/first", b"commit"]:
        if word not in (folder / "digits.onnx").read_bytes():
            failures.append(f"digits.onnx has no {word} in its metadata")
    said("export", run, "--onnx", "fixed.onnx", "--part", "encoder", "--batch", 12)
    said("run", "fixed.onnx", "--in", images, "--out", folder / "fixed.npy")
    same("a fixed batch", read(folder / "fixed.npy"), read(folder / "codes.npy"), 1e-6)

    refused(2, "where to", "export", run)
    refused(2, "--part wants classifier, encoder or decoder, not 'head'", "export", "no_such", "--onnx", "x.onnx", "--part", "head")
    refused(1, "no-such-folder", "export", run, "--onnx", "no-such-folder/x.onnx")
    refused(2, "onnx", "export", run, "--onnx", "x.txt")
    if (folder / "x.onnx").exists() or (folder / "x.txt").exists():
        failures.append("a file is left of an export that failed")

if failures:
    sys.exit("\n".join(failures))
print(f"{len(compared)} comparisons, {len(lines)} command lines")

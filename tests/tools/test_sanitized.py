#!/usr/bin/env python3
"""Everything that the command writes of a run, and what it makes of damaged files, in a build under AddressSanitizer and
UBSan: test_sanitized.py LATENTCL

Each command is run once on a small model; each damaged file is refused by one line. What a sanitizer reports is a line of
its own, and ends the command."""
import json
import os
import re
import shutil
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import common
from common import field, in_folder, read, write, write_idx, write_npy

WITH_ONNX = json.loads(common.run("version", "--json").stdout)["protobuf_c"] != "none"
counts = {"commands": 0, "damaged": 0}


def run(*args, code=0):
    p = common.run(*args, code=code, errors="replace", timeout=250)
    if re.search("Sanitizer|runtime error", p.stderr):
        sys.exit(f"latentcl {' '.join(args)}:\n{p.stdout}{p.stderr}")
    counts["commands"] += code == 0
    return p


def refused(*args):
    told = run(*args, code=1).stderr
    if told.count("\n") != 1:
        sys.exit(f"latentcl {' '.join(args)}: {told}")
    counts["damaged"] += 1
    return told


def header(shape, descr="<f4", fortran="False", version=1, length=None):
    text = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode()
    size = len(text) if length is None else length
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", size) + text


# ---- what is written of a run ----

def train():
    for part, n in (("train", 160), ("t10k", 40)): # images of 8x8 in four classes
        pixels = [(k * 37 + i * 11) % 100 + (100 if k % 4 == i % 4 else 0) for i in range(n) for k in range(64)]
        write_idx(f"data/{part}-images-idx3-ubyte", (n, 8, 8), pixels)
        write_idx(f"data/{part}-labels-idx1-ubyte", (n,), [i % 4 for i in range(n)])
    write_npy("images.npy", "<f4", (40, 1, 8, 8), [v / 255 for v in pixels])
    run("train", "semantic-noise", "--set", "arch=mlp", "--set", "validation=40", "--data", "data", "--batch", "30", "--epochs", "1", "--out", "mlp",
        "--quiet", "--tensorboard", "events", "--trace", "trace.json")
    json.loads(read("trace.json"))
    assert os.listdir("events"), "no events"
    run("train", "vae", "--set", "arch=mlp", "--set", "hidden=8", "--set", "latent_size=3", "--set", "validation=40", "--data", "data", "--max-steps", "2",
        "--out", "vae", "--quiet")


def outputs():
    run("eval", "mlp", "--predictions", "predicted")
    run("eval", "mlp", "--predictions", "no/such/folder", code=1)
    run("eval", "mlp", "--json", "--split", "all")
    run("encode", "mlp", "--out", "codes")
    layers = json.loads(run("encode", "mlp", "--layers", "--json").stdout)
    run("encode", "mlp", "--layer", layers[0]["name"], "--out", "layer", "--split", "validation")
    run("reconstruct", "mlp", "--out", "grid.png", "--npy", "grid.npy", "--csv", "grid.csv", "--columns", "3")
    run("sample", "vae", "--out", "samples.png", "--npy", "samples.npy", "--csv", "samples.csv", "--count", "5")
    run("tsne", "mlp", "--out", "map.png", "--npy", "map.npy", "--csv", "map.csv", "--rounds", "3", "--perplexity", "5", "--quiet")
    run("cluster", "mlp", "--method", "k-means", "--quiet")
    run("hash", "mlp", "--method", "pca-itq", "--queries", "2", "--bits", "4")
    run("report", "mlp")
    run("report", "mlp", "vae", "--out", "both.html")
    run("data", "data", "--sheet", "sheet.png")
    for path in ("predicted.npy", "codes.npy", "layer.npy", "grid.npy", "samples.npy", "map.npy"):
        assert read(path).startswith(b"\x93NUMPY"), path


def networks():
    for part in ("classifier", "encoder", "decoder"):
        run("export", "mlp", "--onnx", part + ".onnx", "--part", part)
    run("run", "classifier.onnx", "--in", "images.npy", "--out", "prediction=labels.npy", "--out", "scores=scores.npy")
    run("bench", "encoder.onnx", "--seconds", "0.001", "--quick", "--json", "bench.json", "--html", "bench.html", "--csv", "bench.csv")
    run("explain", "decoder.onnx", "--json")


# ---- damaged files ----

def checkpoints():
    """What `eval` makes of a checkpoint: cut short, or with a header that lies."""
    whole = read("mlp/best.safetensors")
    length = struct.unpack("<Q", whole[:8])[0]
    head, body = json.loads(whole[8:8 + length]), whole[8 + length:]
    name = next(n for n in head if n != "__metadata__" and len(head[n]["shape"]) == 2)

    def changed(**what):
        text = json.dumps({**head, name: {**head[name], **what}}).encode()
        return struct.pack("<Q", len(text)) + text + body

    shutil.copytree("mlp", "damaged")
    for data in (b"", whole[:7], whole[:8 + length // 2], whole[:-1], whole + b"0", struct.pack("<Q", 2**63 + 1) + whole[8:],
                 struct.pack("<Q", len(whole)) + whole[8:], changed(data_offsets=[0, 2**62]), changed(data_offsets=[2**63 - 1, 2**63 - 1]),
                 changed(data_offsets=[8, 4]), changed(shape=[2**32, 2**32]), changed(shape=[-1, -1]), changed(shape=[0.5]), changed(shape=[1] * 99),
                 changed(dtype="F64"), changed(dtype=7), changed(shape=list(reversed(head[name]["shape"])))):
        write("damaged/best.safetensors", data)
        refused("eval", "damaged")


def configurations():
    config = json.loads(read("mlp/config.json"))
    write("damaged/best.safetensors", read("mlp/best.safetensors"))
    text = json.dumps(config)
    for broken in ("", "[", "[" * 5000, text[:-1], text + "}", "{}", json.dumps({**config, "model": "none"}), json.dumps({**config, "seed": 1}),
                   json.dumps({**config, "set": [1]}), json.dumps({**config, "set": {"hidden": "0"}}), json.dumps({**config, "set": {"arch": "\ud800"}}),
                   json.dumps({**config, "data": {**config["data"], "path": 1e300}}), json.dumps({**config, "data": None})):
        write("damaged/config.json", broken.encode("utf-8", "surrogatepass"))
        refused("eval", "damaged")


def arrays():
    values = b"\0" * 64
    for data in (b"", b"\x93NUMPY", header("(16,)")[:20], header("(16,)") + values[:-1], header("(16,)") + values + b"0", header("(4611686018427387904,)"),
                 header("(4294967296, 4294967296)"), header("(65536, 65536, 65536, 65536)"), header("(-1,)"), header("(1" + "0" * 40 + ",)"), header("(1,) * 3"),
                 header("(" + "1, " * 64 + ")") + values, header("(16,)", length=65535) + values, header("(16,)", version=2, length=2**32 - 1) + values,
                 header("(16,)", version=9) + values, header("(16,)", descr="|O") + values, header("(16,)", descr="<f4" * 99) + values,
                 header("(16,)", fortran="None") + values, header("(0, 4611686018427387904, 4)"), header("(4611686018427387904, 0)")):
        write("damaged.npy", data)
        refused("op", "relu", "--in", "damaged.npy", "--out", "relu.npy")


def model(*, dims=(2,), raw=b"\0" * 8, kind=1, op="Relu", shape=(2,), more=b""):
    """y = op(w), w an initialiser; x an input beside it."""
    weights = b"".join(field(1, d % 2**64) for d in dims) + field(2, kind) + field(8, "w") + field(9, raw)
    open_shape = b"".join(field(1, field(1, d % 2**64)) for d in shape)
    port = field(1, "x") + field(2, field(1, field(1, 1) + field(2, open_shape)))
    node = field(1, "w") + field(2, "y") + field(4, op) + more
    other = field(1, "x") + field(2, "z") + field(4, "Neg")
    graph = field(1, node) + field(1, other) + field(2, "g") + field(5, weights) + field(11, port) + field(12, field(1, "y")) + field(12, field(1, "z"))
    return field(1, 8) + field(7, graph) + field(8, field(2, 13))


def damaged_networks():
    whole = read("classifier.onnx")
    write("sound.onnx", model())
    run("run", "sound.onnx")
    for data in (b"", b"\xff" * 40, whole[:-1], whole[:len(whole) // 2], whole[:40], model(dims=(2**62, 4)), model(dims=(2**32, 2**32), raw=b""), model(dims=(-1,)),
                 model(dims=(1,) * 40), model(dims=(3,)), model(raw=b"\0" * 9), model(kind=99), model(kind=8), model(op="None"), model(op="Relu" * 500),
                 model(shape=(2**62, 2**62)), model(shape=(2**31, 2)), model(shape=(1,) * 40),
                 model(op="Transpose", more=field(5, field(1, "perm") + field(8, 2**63) + field(20, 7)))):
        write("damaged.onnx", data)
        refused("run", "damaged.onnx")


in_folder(train, outputs, checkpoints, configurations, arrays, *([networks, damaged_networks] if WITH_ONNX else []))
print(counts)

#!/usr/bin/env python3
"""Every command's --json against the table of keys in docs/manual.md: test_json.py LATENTCL MANUAL

A row of the table names the command, and the keys of the object that it prints, or of each object of a list; "metrics"
stands for numbers that depend on the model."""
import json
import os
import re
import sys
from pathlib import Path

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import in_folder, onnx_node, onnx_value, run, subcommands, write_digits, write_npy, write_onnx

MANUAL = Path(sys.argv[2]).resolve()


def output(*args):
    return run(*args).stdout


def table():
    """Row by row: command -> (whether it is a list, keys, whether metrics follow, keys and those of the objects in them)"""
    text = MANUAL.read_text()
    part = text[text.index("\n## For programs\n"):]
    part = part[:part.index("\n## ", 5)]
    rows = re.findall(r"^\| `([^`]+)` \| (.*) \|$", part, re.M)
    return {name: (what.startswith("a list"), re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", what)), what.endswith("metrics"),
                   [(re.findall(r"\w+", keys), re.findall(r"\w+", inner))
                    for keys, inner in re.findall(r"((?:`\w+`, )*`\w+`) \(of each: ([^)]*)\)", what)])
            for name, what in rows}


def commands():
    """How each row is tried, in an order in which what is needed is there."""
    os.environ["LATENTCL_CACHE"] = os.path.abspath("cache")
    write_npy("x.npy", "<f4", (2,), [1, -2])
    write_digits("data", {"train": 160, "t10k": 100})
    small = ["--set", "arch=mlp", "--set", "validation=40", "--data", "data", "--quiet"]
    yield "train", ["train", "semantic-noise", "--epochs", "1", *small, "--out", "run"]
    yield "version", ["version"]
    yield "models", ["models"]
    yield "data", ["data", "data"]
    yield "devices", ["devices"]
    yield "doctor", ["doctor"]
    yield "eval", ["eval", "run"]
    yield "encode", ["encode", "run"]
    yield "encode --layers", ["encode", "run", "--layers"]
    yield "cluster", ["cluster", "run", "--method", "k-means-features", "--split", "test", "--quiet"]
    yield "hash", ["hash", "run", "--method", "pca-itq", "--queries", "3", "--bits", "4", "--split", "test"]
    yield "tsne", ["tsne", "run", "--points", "60", "--perplexity", "5", "--marks", "2", "--rounds", "5", "--quiet", "--csv", "map.csv"]
    yield "report", ["report", "run"]
    yield "reproduce", ["reproduce"]
    yield "reproduce --list-cells", ["reproduce", "semantic-noise/table1-mnist", "--list-cells", "--out", "cells"]
    yield "results add", ["results", "add", "run", "--out", "figures", "--name", "own", "--title", "own"]
    yield "results table", ["results", "table", "figures"]
    yield "check", ["check", "--op", "relu", "--cases", "2", "--small"]
    yield "op --list", ["op", "--list"]
    yield "op", ["op", "relu", "--in", "x.npy", "--out", "y.npy"]
    if json.loads(output("version", "--json"))["protobuf_c"] != "none":
        write_onnx("relu.onnx", [onnx_value("x", 1, [2])], [onnx_value("y", 1, [2])], [onnx_node("Relu", ["x"], ["y"])])  # of two numbers
        yield "run", ["run", "relu.onnx", "--in", "x.npy", "--out", "z.npy"]
        yield "explain", ["explain", "relu.onnx"]
    yield "tune", ["tune", "gemm-64", "--budget", "0"]
    yield "tune --show", ["tune", "gemm-64", "--show"]
    yield "explain", ["explain", "semantic-noise", "--set", "arch=mlp"]
    yield "cache stat", ["cache", "stat"]
    yield "cache warm", ["cache", "warm"]
    yield "cache clear", ["cache", "clear"]


def objects(found, as_list):
    if not as_list:
        return [found]
    assert found and isinstance(found, list), found
    return [o for o in found if o.get("name", "") is not None]  # platforms without devices


def check_inner(name, o, keys, inner):
    """The objects in these keys, or in lists there, have the keys that the table tells."""
    for key in keys:
        for each in o[key] if isinstance(o[key], list) else [o[key]]:
            assert not isinstance(each, dict) or sorted(each) == sorted(inner), (name, key, "has", sorted(each), "told", sorted(inner))


def main():
    rows, tried = table(), {}
    for name, args in commands():
        as_list, keys, metrics, nested = rows[name]
        tried[name] = found = json.loads(output(*args, "--json"))
        for o in objects(found, as_list):
            missing, more = [k for k in keys if k not in o], [k for k in o if k not in keys]
            assert not missing, (name, "lacks", missing, o)
            assert not more or (metrics and all(isinstance(o[k], (int, float)) for k in more)), (name, "has also", more)
            for outer, inner in nested:
                check_inner(name, o, outer, inner)
    # `bench` writes its JSON to a file that is named, and the table of a reproduction takes long: tests of their own.
    listed = subcommands()
    with_option = {c for c in listed if re.search(r"^  --json", output(c, "--help"), re.M)}
    assert with_option == {name.split()[0] for name in rows} - {"version"} | {"bench"}, with_option
    assert set(listed) - with_option == {"sample", "reconstruct", "export"}, "what prints a result has --json"
    values(tried)


def values(tried):
    """What the numbers are, where another place tells them."""
    assert json.loads(output("cache", "stat", "--json"))["entries"] == 0 <= tried["cache clear"]["removed"]
    layers = tried["encode --layers"]
    assert layers[-1] == {"name": "enc.logits", "shape": [4], "features": False} and sum(o["features"] for o in layers) == 1
    assert tried["eval"]["n"] == tried["encode"]["n"] == 100 and tried["eval"]["error_percent"] == tried["train"]["test"]["error_percent"]
    assert tried["train"]["report"] == "run/report.html" == tried["report"]["report"] and tried["train"]["epochs"] == 1
    model, = [m for m in tried["models"] if m["name"] == "vae"]
    assert model["can"] == ["sample", "reconstruct"] and {"name", "type", "default", "help", "allowed", "when"} == set(model["options"][0])
    assert {"name": "imsat/hash", "title": "Retrieval by 16-bit codes on MNIST, 1,000 queries"} in tried["reproduce"]
    assert output("reproduce").splitlines() == [f"{o['name']:40} {o['title']}" for o in tried["reproduce"]]
    cells = json.loads(output("reproduce", "imsat/hash", "--rows", "spectral", "--list-cells", "--out", "cells", "--json"))
    assert [(o["cell"], o["column"], o["trial"], o["figures"]) for o in cells] == [(k, "map", k, 3) for k in (1, 2, 3)], cells  # of one run
    text = output("explain", "semantic-noise", "--set", "arch=mlp")
    told = tried["explain"]
    assert text.startswith(f"{told['nodes']} nodes in {len(told['launches'])} launches, {told['fused_groups']} fused groups\n"
                           f"{told['flops'] / 1e9:.3f} GFLOP and {told['bytes'] / 1e6:.1f} MB moved"), (text, told)
    assert all(set(launch) == {"what", "queue", "flops", "bytes"} for launch in told["launches"]) and len(told["choices"]) > 3
    recurrent = json.loads(output("explain", "pixelrnn", "--json"))
    for launch in told["launches"] + recurrent["launches"]:
        assert launch["bytes"] > 0, launch
    forward = [launch["bytes"] for launch in recurrent["launches"] if launch["what"] == "bilstm_forward 16x28x28x16"]
    assert max(forward) > 16 * 28 * 28 * 16 * 4 * (8 + 12), forward  # reads s, writes the records
    shown, = tried["tune --show"]["problems"]
    assert set(shown) == {"problem", "origin", "choice", "expected_seconds", "seconds", "usual_seconds"} and shown["problem"] == "gemm 64x64x64 b1 an bn", shown
    assert tried["check"]["cases"] == 2 and tried["check"]["failures"] == [] and tried["check"]["complete"] is True
    assert tried["op"]["out"] == [{"file": "y.npy", "dtype": "f32", "shape": [2]}] and Path("y.npy").exists()
    if "run" in tried:
        assert tried["run"] == {"inputs": [{"name": "x", "type": "float32", "shape": [2]}], "outputs": [{"name": "y", "type": "float32", "shape": [2]}]}
        assert Path("z.npy").read_bytes() == Path("y.npy").read_bytes() and "Relu" in json.loads(output("run", "--operators", "--json"))
    assert tried["cache stat"]["folder"] == os.environ["LATENTCL_CACHE"] and len(tried["cache warm"]) > 10
    doctor = tried["doctor"]
    assert doctor["working"] >= 1 and doctor["sections"][0]["title"] == "Software" and any("compute test" in line for s in doctor["sections"] for line in s["lines"])
    assert all(line in output("doctor") for line in doctor["asks"])


in_folder(main)

#!/usr/bin/env python3
"""docs/examples/own_model.py as its reader runs it: under 30 lines, a report, TensorBoard's files, an ONNX file with the same numbers, which
is measured as a workload. What needs onnxruntime or TensorBoard is left out by name without them.

Usage: test_own_model.py LATENTCL EXAMPLE"""
import json
import os
import runpy
import sys
import tempfile
from pathlib import Path

import numpy as np

import latentcl as lcl

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import run as latentcl

example = Path(sys.argv[2]).resolve()


def report():
    for run in ("digits", "mine"):
        page = Path(f"runs/{run}/report.html").read_text()
        assert "both-heads" in page and page.count("<img") >= 1, run
    losses = [json.loads(line)["validation"]["loss"] for line in open("runs/digits/log.jsonl") if '"event":"epoch"' in line.replace(" ", "")]
    assert len(losses) == 2 and losses[1] < losses[0], losses


def tensorboard():
    assert len(list(Path("board").glob("events.out.tfevents.*"))) == 1
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError:
        return print("TensorBoard is not installed: its own reader is not tried")
    seen = EventAccumulator("board")
    seen.Reload()
    assert [e.step for e in seen.Scalars("validation/loss")] == [100, 200] and "reconstructions" in seen.Tags()["images"], seen.Tags()
    assert seen.Histograms("encoder.weight")


def onnx(images):
    run = lcl.open_run(lcl.Context(), "runs/digits")
    codes, predicted = run.encode("test").values, run.encode("test").prediction
    run.export("encoder.onnx", "encoder", batch=len(images), metadata={"note": "a text"})
    assert b"a text" in Path("encoder.onnx").read_bytes()
    g = lcl.Graph(run.context)
    net = lcl.load_onnx(g, "encoder.onnx")
    assert np.allclose(g.compile(named=net.outputs)(image=images)["features"], codes, atol=1e-5)
    g = lcl.Graph(run.context)
    net = lcl.load_onnx(g, "digits.onnx", dims={"batch": len(images)})
    assert list(net.outputs) == ["scores", "prediction"] and net.assumed == "" and "encoder.weight" in g.store
    ours = g.compile(named=net.outputs)(image=images)
    assert (ours["prediction"] == predicted).all()
    try:
        import onnxruntime
    except ImportError:
        return print("onnxruntime is not installed: its numbers are not compared")
    session = onnxruntime.InferenceSession("digits.onnx")
    scores, prediction = session.run(["scores", "prediction"], {"image": images})
    assert np.allclose(scores, ours["scores"], rtol=1e-4, atol=1e-4) and (prediction == predicted).all()
    print("onnxruntime gives the same")


def benchmark():
    told = json.loads(latentcl("bench", "digits.onnx", "--dim", "batch=4", "--seconds", "0.01", "--quick", "--json", "-").stdout)
    assert [r["name"] for r in told["results"]] == ["digits.onnx"] and told["results"][0]["seconds"]["median"] > 0, told


if not lcl.onnx_operators():
    print("skipped: built without ONNX")
    sys.exit(77)
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    lines = [line for line in example.read_text().splitlines() if line.strip()]
    assert len(lines) < 30, len(lines)
    runpy.run_path(str(example))
    for check in (report, tensorboard, lambda: onnx(lcl.open_data().test.images), benchmark):
        check()

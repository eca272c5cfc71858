#!/usr/bin/env python3
"""Runs from Python: data, training, callbacks, Ctrl-C, what is made of a run, models of one's own."""
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

import latentcl as lcl

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import in_folder, raises, write_png

rng = np.random.default_rng(3)
ctx = lcl.Context()


def data():
    images = rng.integers(0, 256, (30, 2, 5, 6), np.uint8)
    labels = np.arange(30) % 3
    ds = lcl.Dataset.from_arrays(images, labels)
    assert len(ds) == 30 and ds.shape == (2, 5, 6) and ds.classes == 3 and ds.class_names == ["0", "1", "2"]
    assert np.allclose(ds[-1], images[-1] / 255, atol=1e-6) and ds.images.shape == (30, 2, 5, 6) and (ds.labels == labels).all()
    view = ds.subset(np.array([4, 2]))
    del ds
    assert np.allclose(view[1], images[2] / 255, atol=1e-6) and view.labels.tolist() == [1, 2]
    raises(IndexError, "no example 2 of 2", lambda: view[2])
    raises(TypeError, "positions must be a row of whole numbers", lambda: view.subset(np.array([False, True])))  # not examples 0 and 1
    raises(TypeError, "not float64 (1,)", lambda: view.subset([0.9]))
    raises(TypeError, "uint8 or float32, not int64", lambda: lcl.Dataset.from_arrays(images.astype(int)))
    raises(ValueError, "labels must be 30", lambda: lcl.Dataset.from_arrays(images, labels[:3]))
    raises(ValueError, "labels has numbers that int32 does not hold", lambda: lcl.Dataset.from_arrays(images, labels + 2**32))
    assert lcl.Dataset.from_arrays(np.zeros((4, 7), np.float32)).shape == (1, 1, 7)
    ds = lcl.Dataset.from_arrays(images, labels)
    prep = lcl.Prep(ds, centre="mean_image", crop=4)
    assert prep.shape == (2, 4, 4) and prep(ds[0]).shape == (2, 4, 4)
    raises(ValueError, "'no' is none of none, mean_image", lambda: lcl.Prep(ds, centre="no"))
    raises(ValueError, "there is no 'crops'", lambda: lcl.Prep(ds, crops=4))
    batches = lcl.Batches(ds, 8, prep=prep, seed=1)
    seen = [b for b in batches]
    assert len(seen) == len(batches) == 3 and len(set(np.concatenate([b.position for b in seen]))) == 24
    assert all((labels[b.position] == b.label).all() and np.allclose(b.x[0], prep(ds[b.position[0]])) for b in seen)
    last = list(lcl.Batches(ds, 8, mode="sequential"))[-1]
    assert last.valid == 6 and last.position[:6].tolist() == [24, 25, 26, 27, 28, 29]
    assert ds.class_counts == [10, 10, 10]
    raises(lcl.LatentCLError, "label", lambda: lcl.Dataset.from_arrays(images).class_counts)
    mean = lcl.Prep(ds, centre="mean_image")
    assert np.allclose(mean.to_image(mean(ds[3])), ds[3], atol=1e-6) and lcl.Prep(ds).range == (0, 1)
    assert lcl.Prep(ds, contrast="gcn").range is None
    raises(ValueError, "the example must have the shape (2, 5, 6), not (1, 5, 6)", lambda: mean(ds[3][:1]))
    raises(ValueError, "the example must have the shape (2, 5, 6)", lambda: mean.to_image(ds[3][0]))
    b = lcl.Batches(ds, 8, prep=prep, seed=1)
    for one in b:
        break
    assert b.state == (0, 1) and [x.position.tolist() for x in b] == [x.position.tolist() for x in seen[1:]]  # the rest of the epoch
    assert b.state == (1, 0)
    later = [x.position.tolist() for x in b]
    b.state = (1, 1)
    assert [x.position.tolist() for x in b] == later[1:] and later != [x.position.tolist() for x in seen]
    raises(lcl.LatentCLError, "", lambda: setattr(b, "state", (0, 99)))
    raises(TypeError, "step must be a whole number", lambda: setattr(b, "state", (0, 0.5)))
    for mode in ("cycle", "fresh"):
        b = lcl.Batches(ds, 8, mode=mode)
        assert [len(list(b)) for _ in range(3)] == [len(b)] * 3, mode
    parts = lcl.open_data(synthetic_train=50, synthetic_test=20, valid=10)
    assert [len(p) for p in parts[:3]] == [50, 10, 20] and parts.format == "synthetic", parts
    raises(lcl.LatentCLError, "no_such_folder", lambda: lcl.open_data("no_such_folder"))
    lcl.save_data("arrays", images, labels, images[:9], labels[:9])
    assert lcl.open_data("arrays", valid=-1).test.files is None
    for c in ("cat", "d\u00f6g"):
        for i in range(10):
            write_png(f"photographs/{c}/{i}.png", 8, [20 * i] * 64)
    parts, names = lcl.open_data("photographs", image_size=8, grey=True)[:3], []
    for part in parts:
        assert all(round(255 * float(x[0, 0, 0])) == 20 * int(Path(f).stem) for x, f in zip(part.images, part.files)), part.files
        names += part.files
    assert sorted(names) == sorted(f"{c}/{i}.png" for c in ("cat", "d\u00f6g") for i in range(10)), names
    parts = lcl.open_data("arrays", valid=-1)
    assert len(parts.train) == 30 and len(parts.test) == 9 and np.allclose(parts.test[3], images[3] / 255, atol=1e-6)
    # What would not be the same numbers is refused before anything is written; a set with other parts is replaced whole.
    raises(ValueError, "labels must have the shape", lambda: lcl.save_data("refused", images, labels[:-1]))
    raises(TypeError, "labels must be an array of int32, not of float64", lambda: lcl.save_data("refused", images, labels * 0.5))
    raises(TypeError, "test_images must be an array of float32, not of complex128", lambda: lcl.save_data("refused", images, labels, images * 1j))
    raises(ValueError, "not finite", lambda: lcl.save_data("refused", images * np.nan))
    raises(ValueError, "must be (N,C,H,W) or", lambda: lcl.save_data("refused", images[0]))
    raises(ValueError, "test_labels without test_images", lambda: lcl.save_data("refused", images, labels, test_labels=labels))
    assert not Path("refused").exists()
    lcl.save_data("arrays", images[:20], labels[:20])
    assert sorted(p.name for p in Path("arrays").iterdir()) == ["features.npy", "labels.npy"]
    raises(TypeError, "expected a text, not 5", lambda: lcl.Context(5))


def training():
    lines, steps = [], []
    r = lcl.train(ctx, "semantic-noise", out="run", epochs=1, labels_per_class=100, seed=7, progress=lines.append,
                  stepped=lambda step, of: steps.append((step, of)))
    assert r.out == "run" and r.epochs == 1 == r.best_epoch and r.steps == 10 and steps == [(i + 1, 10) for i in range(10)]
    assert r.test["n"] == 2000 and 0 < r.test["error_percent"] < 90 and any("epoch" in line for line in lines)
    assert Path("run/report.html").exists()
    raises(lcl.LatentCLError, "already holds a run", lambda: lcl.train(ctx, "semantic-noise", out="run"))
    assert lcl.train(ctx, "vae", out="below", seed=-1, max_steps=1).steps == 1  # all 64 bits of a seed count
    raises(lcl.LatentCLError, 'no option "epoch" (did you mean epochs?)', lambda: lcl.train(ctx, "vae", out="no", epoch=1))
    raises(lcl.LatentCLError, 'no model "vea"; there are', lambda: lcl.train(ctx, "vea", out="no"))
    raises(lcl.LatentCLError, "", lambda: lcl.train(ctx, "vae", out="no", data="no_such_folder"))
    assert not Path("no").exists()


def made_of_runs():
    run = lcl.open_run(ctx, "run")
    m = run.evaluate()
    assert m["n"] == 2000 and m["error_percent"] < 90
    test = lcl.open_data().test
    lcl.save_data("others", test.images[::2], test.labels[::2])
    others = lcl.open_run(ctx, "run", on="others").predict("all")
    assert (others.prediction == run.predict().prediction[::2]).all() and (others.labels == test.labels[::2]).all()
    raises(ValueError, "not both", lambda: lcl.open_run(ctx, "run", "others", on="others"))
    e = run.encode("train")
    assert e.values.shape == (1000, 128) and e.values.dtype == np.float32 and e.metrics["width"] == 128
    assert (run.encode("test").prediction != run.encode("test").labels).mean() * 100 - m["error_percent"] < 0.01
    assert np.bincount(e.labels).tolist() == [100] * 10
    k = run.cluster("test", method="k-means-features", k=10, prefix="found")
    assert (np.load("found.npy") == k.values).all() and Path("found.csv").exists()
    assert k.values.shape == (2000,) and set(k.values) == set(range(10)) and 10 < k.metrics["accuracy_percent"] <= 100
    h = run.hash("test", method="pca-itq", k=8)
    assert h.values.shape == (2000, 8) and set(np.unique(h.values)) == {0, 1}
    layers = run.layers()
    assert layers["enc.conv2.relu"] == (64, 7, 7) and list(layers)[-1] == "enc.logits", layers
    logits, relu = run.encode(layer="enc.logits"), run.encode(layer="enc.conv2.relu").values
    assert logits.values.shape == (2000, 10) and (logits.values.argmax(1) == logits.prediction).all()
    assert relu.shape == (2000, 64, 7, 7) and relu.min() == 0 and np.allclose(relu, np.maximum(run.encode(layer="enc.conv2").values, 0))
    assert (run.encode(layer="enc.fc4.relu").values == run.encode().values).all()
    raises(lcl.LatentCLError, 'no layer "enc.conv2.rel" (did you mean enc.conv2.relu?)', lambda: run.encode(layer="enc.conv2.rel"))
    p = run.predict()
    assert (p.prediction == logits.prediction).all() and (p.labels == logits.labels).all() and set(p.values) == {"loss", "correct"}
    z = logits.values.astype(float) - logits.values.max(1, keepdims=True)
    nll = np.log(np.exp(z).sum(1)) - z[np.arange(2000), p.labels]
    assert np.allclose(p.values["loss"], nll, atol=1e-4) and (p.values["correct"] == (p.prediction == p.labels)).all()
    assert np.isclose(p.values["loss"].mean(), m["loss"], rtol=1e-5)
    r = run.reconstruct("grid.png", columns=4)
    assert Path("grid.png").read_bytes()[1:4] == b"PNG"
    assert r.images.shape == (len(r.captions), 4, 1, 28, 28) and r.captions[0] == "original" and r.labels.tolist() == [0, 1, 2, 3]
    test = lcl.open_data().test
    assert all(np.allclose(r.images[0, k], test[int(i)], atol=1e-6) for k, i in enumerate(r.position)) and r.images.max() <= 1
    assert (run.reconstruct(columns=4).images == r.images).all() and (run.reconstruct(columns=4, seed=2).images != r.images).any()
    m = run.tsne("map.png", points=60, rounds=20, marks=2, perplexity=5)
    points = np.array(m.kind) == "example"
    assert m.places.shape == (len(m.kind), 2) and points.sum() == 60 and np.isfinite(m.places).all(), m
    assert (m.labels == run.encode().labels[m.position]).all() and Path("map.png").exists()
    before = Path("run/report.html").stat().st_mtime_ns
    assert run.report() == "run/report.html" and Path("run/report.html").stat().st_mtime_ns > before
    assert raises(lcl.LatentCLError, "does not sample", lambda: run.sample("no.png")).status == "unsupported"
    raises(lcl.LatentCLError, 'no split "all of it"', lambda: run.evaluate("all of it"))
    if lcl.onnx_operators():
        exported(run, test, logits)
    else:
        raises(lcl.LatentCLError, "built without ONNX", lambda: run.export("no.onnx"))
    raises(lcl.LatentCLError, "not a run folder", lambda: lcl.open_run(ctx, "arrays"))
    lcl.train(ctx, "vae", out="vae", max_steps=2)
    vae = lcl.open_run(ctx, "vae")
    images = vae.sample("samples.png", count=13, seed=2)
    assert Path("samples.png").read_bytes()[1:4] == b"PNG"
    assert images.shape == (13, 1, 28, 28) and images.dtype == np.float32 and 0 <= images.min() < images.max() <= 1
    assert (vae.sample(count=13, seed=2) == images).all() and (vae.sample(count=13, seed=3) != images).any()
    assert vae.evaluate() == vae.evaluate() and np.isclose(vae.predict().values["loss"].mean(), vae.evaluate()["loss"], rtol=1e-6)
    assert vae.predict().prediction is None and vae.predict().values["loss"].shape == (2000,)


def exported(run, test, logits):
    run.export("run.onnx", batch=3)
    g = lcl.Graph(ctx)
    net = lcl.load_onnx(g, "run.onnx")
    assert net.inputs["image"].shape == (3, 1, 28, 28) and list(net.outputs) == ["scores", "prediction"]
    assert np.allclose(g.compile(net.outputs["scores"])(image=test.images[:3]), logits.values[:3], atol=1e-3)
    raises(lcl.LatentCLError, "the part is classifier, encoder or decoder", lambda: run.export("no.onnx", "head"))
    raises(lcl.LatentCLError, "onnx", lambda: run.export("no.txt"))
    assert not Path("no.onnx").exists() and not Path("no.txt").exists()


def stopping():
    def error(step, of):
        if step == 3:
            raise LookupError("enough")

    def interrupt(step, of):
        if step == 4:
            os.kill(os.getpid(), signal.SIGINT)

    def late():  # when nothing asks any more
        os.kill(os.getpid(), signal.SIGINT)
        return 0
    handler = signal.getsignal(signal.SIGINT)
    raises(LookupError, "enough", lambda: lcl.train(ctx, "vae", out="stopped", stepped=error))
    assert "saved" in str(raises(KeyboardInterrupt, "after step 4", lambda: lcl.train(ctx, resume=True, out="stopped", stepped=interrupt)))
    raises(KeyboardInterrupt, "all was done", lambda: lcl.runs._supervised(ctx, lcl._api.lcl_train_desc(), None, late))
    assert signal.getsignal(signal.SIGINT) is handler
    stopped = lcl.train(ctx, resume=True, out="stopped", max_steps=6)
    straight = lcl.train(ctx, "vae", out="straight", max_steps=6)
    assert stopped.steps == straight.steps == 6
    assert Path("stopped/last.safetensors").stat().st_size > 0
    a, b = (lcl.open_run(ctx, r).evaluate("validation") for r in ("stopped", "straight"))
    assert a == b, (a, b)  # the same numbers, bit for bit
    found = []  # in a thread of its own, where Python does not deliver signals
    thread = threading.Thread(target=lambda: found.append(lcl.train(lcl.Context(), "vae", out="thread", max_steps=1).steps))
    thread.start()
    thread.join()
    assert found == [1]


class Own(lcl.Model):
    """Every kind of option, every callback."""
    name = "own"
    summary, reference = "a classifier", "this test"
    options = {"width": lcl.Option(16, "of the hidden layer", "[1,99]"), "act": lcl.Option("relu", "activation", ["relu", "tanh"]),
               "scale": lcl.Option(1.0, "of the loss", "(0,inf)"), "deep": lcl.Option(False, "one more layer"),
               "note": lcl.Option("", "any text", when="deep=true")}
    can = ("classify", "reconstruct", "classify")
    seen: list = []

    def defaults(self, options, data):
        self.seen.append(("defaults", options, data))
        if data.classes < 2:
            raise ValueError("the data must have labels")
        return {"epochs": 1, "batch": 50, "optimiser": "adam", "lr": 2e-3, "prep": {"centre": "mean_image"},
                "schedule": {"kind": "exponential", "factor": 0.5}}

    def build(self, b):
        if b.mode not in ("train", "eval", "reconstruct"):
            return
        act, label = getattr(lcl, b.options["act"]), b.label  # which reconstruction reads and does not use
        h = act(lcl.linear(lcl.flatten(b.image), "fc", b.options["width"]))
        again = lcl.linear(h, "back", b.image.size // b.batch)
        if b.mode == "reconstruct":
            return b.output("again", again.reshape(b.image.shape))
        logits = lcl.linear(act(lcl.linear(h, "more", 8)) if b.options["deep"] else h, "out", b.data.classes)
        loss = lcl.cross_entropy_rows(logits, label) * b.options["scale"] + lcl.l2_rows(again, lcl.flatten(b.image), "mean")
        if b.mode == "train":
            b.loss(loss.mean())
            b.term("double", loss.mean() * 2)
            b.correct(lcl.correct_rows(logits, label))
        else:
            b.example("loss", loss)
            b.example("correct", lcl.correct_rows(logits, label))
            b.prediction(lcl.argmax(logits, 1))
            b.features(h)

    def score(self, table):
        assert table.labels.shape == table.prediction.shape == table.features.shape[:1]
        return {"balanced": float(np.mean([(table.prediction[table.labels == k] == k).mean() for k in range(10)]))}


class Folded(Own):
    name = "folded"

    def build(self, b):
        x = lcl.flatten(b.image)
        y = (x @ b.graph.param("fold.weight", (784, 12))).reshape((1, b.batch, 3, 4)) + b.graph.param("fold.bias", (3, 4))
        logits = lcl.linear(y.reshape((b.batch, 12)), "out", b.data.classes)
        alike = (logits @ logits.T) * b.graph.param("alike.weight", (1, 1))  # rows as long as the batch: none of an example
        if b.mode == "train":
            b.loss(lcl.cross_entropy(logits, b.label) + alike.mean())
        if b.mode == "eval":
            b.example("loss", lcl.cross_entropy_rows(logits, b.label))
            b.features(lcl.tanh(logits))
            b.prediction(lcl.argmax(logits, 1))

    def score(self, table):
        return {}


def explained():
    told = {form: lcl.explain(ctx, "semantic-noise", "eval", form, batch=20) for form in ("text", "dot", "json")}
    assert "launches" in told["text"] and told["dot"].startswith("digraph") and json.loads(told["json"])["launches"]
    halved = type("Halved", (Own,), {"name": "halved", "defaults": lambda self, o, d: {"batch": 50, "optimiser": {"kind": "momentum", "beta1": 0.5}}})
    assert "momentum" in lcl.explain(ctx, halved)
    assert "adam" in lcl.explain(ctx, Own) and lcl.explain(ctx, "vae", "sample") != lcl.explain(ctx, "vae", "reconstruct")
    raises(ValueError, "'test' is none of train, eval", lambda: lcl.explain(ctx, "vae", "test"))
    raises(lcl.LatentCLError, 'no option "epoch" (did you mean epochs?)', lambda: lcl.explain(ctx, "vae", epoch=1))
    raises(lcl.LatentCLError, "nothing to sample from", lambda: lcl.explain(ctx, "semantic-noise", "sample"))


def compared():
    lcl.compare(["stopped", "straight"], "compared.html")
    page = Path("compared.html").read_text()
    assert "stopped" in page and "straight" in page
    raises(lcl.LatentCLError, "2 to 6", lambda: lcl.compare(["straight"], "no.html"))
    raises(lcl.LatentCLError, "not a run folder", lambda: lcl.compare(["straight", "arrays"], "no.html"))
    assert not Path("no.html").exists()


def published():
    assert "semantic-noise/table1-mnist" in lcl.tables() and all(lcl.tables().values())
    lines, few = [], lcl.open_data(synthetic_train=300, synthetic_test=50)
    lcl.save_data("small", few.train.images, few.train.labels, few.test.images, few.test.labels)

    def reproduce(progress):
        return lcl.reproduce(ctx, "generative/mnist", rows="mlp", trials=1, quick=True, data="small", out="table",
                             progress=progress, epochs=1)

    def enough(line):
        lines.append(line)
        raise LookupError(line)
    raises(LookupError, "", lambda: reproduce(enough))
    assert len(lines) == 1 and "MLP" in lines[0], lines
    markdown = reproduce(None)
    assert "MLP" in markdown and Path("table/table.md").read_text() == markdown, markdown
    before = Path("table/table.md").stat().st_mtime_ns
    assert reproduce(None) == markdown and Path("table/table.md").stat().st_mtime_ns >= before
    raises(lcl.LatentCLError, 'has no row "none"; it has: m2', lambda: lcl.reproduce(ctx, "generative/mnist", rows="none"))
    raises(lcl.LatentCLError, 'no table', lambda: lcl.reproduce(ctx, "none"))


def rates():
    found = lcl.find_rate(ctx, "vae", out="rates", batch=20)
    assert 1e-7 < found.rate < 10 and found.out == "rates" and 20 < found.steps <= 120, found
    assert Path("rates/find-lr.html").exists() and Path("rates/find-lr.json").exists()
    raises(lcl.LatentCLError, 'no option "epoch" (did you mean epochs?)', lambda: lcl.find_rate(ctx, "vae", out="none", epoch=1))
    assert not Path("none").exists()


def own_models():
    lines = []
    Own.seen.clear()  # explain() builds it, too
    r = lcl.train(ctx, Own, out="own", width=20, deep=True, act="tanh", scale=2.0, note="x y", progress=lines.append, epochs=2)
    assert 0 < r.test["balanced"] < 1 and r.test["error_percent"] < 60 and r.epochs == 2
    assert "double" in Path("own/log.jsonl").read_text()
    options = Own.seen[0][1]
    assert options == {"width": 20, "act": "tanh", "scale": 2.0, "deep": True, "note": "x y"} and type(options["deep"]) is bool, options
    assert Own.seen[0][2].shape == (1, 28, 28) and Own.seen[0][2].classes == 10
    run = lcl.open_run(ctx, "own")
    assert run.encode().values.shape == (2000, 20) and run.evaluate() == r.test
    run.reconstruct("own.png")
    assert run.layers() == {"fc": (20,), "fc.tanh": (20,), "back": (784,), "more": (8,), "more.tanh": (8,), "out": (10,)}, run.layers()
    lcl.train(ctx, Folded, out="folded", max_steps=1)
    assert lcl.open_run(ctx, "folded").layers() == {"fold": (3, 4), "out": (10,), "out.tanh": (10,)}  # a view does not end a layer; axes of one element are none of an example's
    known = lcl.models()["own"]
    assert known.summary == "a classifier" and known.can == ["classify", "reconstruct"] and known.options["act"]["allowed"] == "relu|tanh"
    assert known.options["note"]["when"] == "deep=true" and known.options["act"]["when"] is None
    raises(lcl.LatentCLError, "option note would change nothing here: it is for deep=true, and deep is false", lambda: lcl.train(ctx, Own, out="no", note="x"))
    raises(lcl.LatentCLError, "option width: expected a whole number in [1,99]", lambda: lcl.train(ctx, Own, out="no", width=100))

    def kind(word, error, pattern, /, **members):
        model = type(word, (Own,), {"name": word, **members})
        return raises(error, pattern, lambda: lcl.train(ctx, model, out="no"))
    kind("taken", lcl.LatentCLError, 'there is a model "vae" already', name="vae")
    kind("Upper", lcl.LatentCLError, "lower-case letters")
    kind("common", lcl.LatentCLError, 'two options "epochs"', options={"epochs": lcl.Option(1, "passes")})
    kind("can", ValueError, "a model can classify", can=["fly"])
    kind("divides", ZeroDivisionError, "", build=lambda self, b: 1 / 0)
    kind("shapes", lcl.LatentCLError, "matmul: inner dimensions differ", build=lambda self, b: lcl.flatten(b.image) @ lcl.flatten(b.image))
    kind("empty", lcl.LatentCLError, "the training graph has no loss", build=lambda self, b: None)
    kind("word", ValueError, "'adams' is none of sgd", defaults=lambda self, o, d: {"optimiser": "adams"})
    kind("fields", ValueError, "there is no 'epoch'", defaults=lambda self, o, d: {"epoch": 1})
    assert not Path("no").exists()
    lcl.save_data("unlabelled", rng.uniform(size=(60, 1, 28, 28)))
    raises(ValueError, "the data must have labels", lambda: lcl.train(ctx, Own, out="no", data="unlabelled"))
    kind("default", TypeError, "the default of option o must be", options={"o": lcl.Option([], "a list")})
    kind("large", ValueError, "epochs = 1099511627776 is out of its range", defaults=lambda self, o, d: {"epochs": 1 << 40})
    kind("compiles", TypeError, "compiled by the training loop", build=lambda self, b: b.graph.compile())
    # What build() gets ends with it.
    kept = []
    kind("keeps", lcl.LatentCLError, "no loss", build=lambda self, b: kept.extend([b, b.image, b.graph]))
    for use in (lambda: kept[0].image, lambda: kept[1] + 1, lambda: lcl.relu(kept[1]), lambda: 1 - kept[1]):
        raises(ValueError, "ends with the call of build()", use)
    raises(lcl.LatentCLError, "", lambda: kept[2].input("x", 1))
    # A class that is made again, as in a notebook, takes the place of the first one.
    again = type("Again", (Own,), {"name": "own", "summary": "another", "options": {**Own.options, "new": lcl.Option(3, "more")},
                                   "score": lambda self, table: {"constant": 5.0}})
    assert lcl.train(ctx, again, out="again", max_steps=1, new=4).steps == 1 and lcl.models()["own"].summary == "another"
    assert lcl.open_run(ctx, "again").evaluate()["constant"] == 5
    kind("own", lcl.LatentCLError, 'two options "epochs"', options={"epochs": lcl.Option(1, "passes")})
    kind("own", lcl.LatentCLError, "option width: expected a whole number", options={"width": lcl.Option(5, "w", "[1,2]")})
    assert lcl.models()["own"].summary == "another"
    lcl.register(Own)
    assert lcl.models()["own"].summary == "a classifier"
    # Another process says what is missing.
    code = "import latentcl as lcl; lcl.open_run(lcl.Context(), 'own')"
    p = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert p.returncode and 'model "own", which the program that trained it registered' in p.stderr, p.stderr


def plugins():
    root = Path(__file__).resolve().parents[2]
    subprocess.run(["cc", "-shared", "-fPIC", root / "docs/examples/own_model.c", "-o", "own_model.so", *os.environ["INCLUDES"].split()], check=True)
    raises(lcl.LatentCLError, 'no model "own-autoencoder"', lambda: lcl.train(ctx, "own-autoencoder", out="no"))
    raises(lcl.LatentCLError, "no_such.so", lambda: lcl.load_plugin("no_such.so"))
    os.environ["LATENTCL_PLUGINS"] = ":no_such.so"
    raises(lcl.LatentCLError, "no_such.so", lambda: lcl.train(ctx, "own-autoencoder", out="no"))
    os.environ["LATENTCL_PLUGINS"] = "own_model.so"
    lcl.train(ctx, "own-autoencoder", out="plugin", max_steps=1)
    del os.environ["LATENTCL_PLUGINS"]
    # All models of a plug-in or none.
    both = (root / "docs/examples/own_model.c").read_text().replace("LCL_PLUGIN_ABI, 1,", "LCL_PLUGIN_ABI, 2,")
    both = both.replace("{ &own_autoencoder }", "{ &own_autoencoder, &own_autoencoder }").replace('"own-autoencoder"', '"twice"')
    Path("twice.c").write_text(both)
    subprocess.run(["cc", "-shared", "-fPIC", "twice.c", "-o", "twice.so", *os.environ["INCLUDES"].split()], check=True)
    raises(lcl.LatentCLError, 'twice.so: there is a model "twice" already', lambda: lcl.load_plugin("twice.so"))
    assert "twice" not in lcl.models() and "own-autoencoder" in lcl.models()
    lcl.load_plugin("own_model.so")  # it is there already
    assert lcl.open_run(ctx, "plugin").encode().values.shape == (2000, 32)


in_folder(*[t for t in (data, training, made_of_runs, stopping, compared, explained, published, rates, own_models, plugins)
            if not sys.argv[1:] or t.__name__ in sys.argv[1:]])

#!/usr/bin/env python3
"""The Python package below training: variables, gradients, optimisers, programs, halves, onnx, errors, lifetimes, interop."""
import gc
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from ctypes import sizeof

import numpy as np

import latentcl as lcl

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import raises

rng = np.random.default_rng(2)


def devices(ctx):
    assert re.fullmatch(r"\d+\.\d+\.\d+", lcl.__version__), lcl.__version__
    found = lcl.devices()
    assert found and all(d.name and d.kind in ("GPU", "CPU", "accelerator") and d.memory > 0 for d in found)
    chosen = [d for d in found if d.chosen]
    assert len(chosen) == 1 and lcl.Context(chosen[0]).device_name == ctx.device_name
    raises(lcl.LatentCLError, "no OpenCL device matches 'no such'", lambda: lcl.Context("no such"))
    assert raises(lcl.LatentCLError, "feature", lambda: lcl.Context(disable="nonsense")).status == "argument"


def gradients(ctx):
    g = lcl.Graph(ctx)
    x = g.param("x", 3)
    g.store["x"] = [1.0, 2.0, 3.0]
    y = (x**2 * x).sum()  # x^3
    first, = lcl.gradients(y, [x])
    second, = lcl.vjp(first, np.ones(3), [x])
    values = g.compile(y, first, second)()
    assert np.allclose(values[0], 36) and np.allclose(values[1], [3, 12, 27]) and np.allclose(values[2], [6, 12, 18])
    z = g.input("z", 3)
    raises(TypeError, "a list of tensors", lambda: lcl.gradients(y, x))  # not of its rows
    raises(TypeError, "a list of tensors", lambda: lcl.vjp(first, np.ones(3), x))
    nothing, = lcl.gradients(y, [z])
    assert not g.compile(nothing)().any()


def optimisers(ctx):
    def steps(rule, n=3, **options):
        g = lcl.Graph(ctx)
        x = g.param("x", 2)
        g.store["x"] = [1.0, -2.0]
        rule((x**2).sum() * 0.5, 0.1, **options)  # the gradient is x
        p = g.compile()
        for _ in range(n):
            p()
        return g.store["x"]
    start = np.array([1.0, -2.0])
    assert np.allclose(steps(lcl.sgd), start * 0.9**3)
    assert np.allclose(steps(lcl.sgd, weight_decay=1.0), start * 0.8**3)
    velocity, x = np.zeros(2), start.copy()
    for _ in range(3):
        velocity = 0.5 * velocity + x
        x = x - 0.1 * velocity
    assert np.allclose(steps(lcl.momentum, beta1=0.5), x)
    assert np.allclose(steps(lcl.adam, 1), start - 0.1 * np.sign(start), atol=1e-5)
    for rule in (lcl.nesterov, lcl.rmsprop, lcl.adadelta):
        assert 0 < abs(steps(rule) - start).max() < 2, rule
    g = lcl.Graph(ctx)  # a rate that changes, of one parameter of two
    x, y, rate = g.param("x", 1, lcl.Init("constant", 1)), g.param("y", 1, lcl.Init("constant", 1)), g.input("rate", ())
    lcl.sgd((x * y).sum(), rate, params=[x])
    p = g.compile()
    p(rate=np.float32(0.5))
    p(rate=np.float32(0.25))
    assert g.store["x"] == 0.25 and g.store["y"] == 1
    assert p.store is g.store


def updates(ctx):
    g = lcl.Graph(ctx)
    n, mean = g.state("n", (), "i32"), g.state("mean", 2)
    x = g.input("x", 2)
    lcl.assign(n, (n + 2).astype(np.int32))
    lcl.ema(mean, x, 0.75)
    step, look = g.compile(n), g.compile(n, no_updates=True)
    assert [int(step(x=np.ones(2))) for _ in range(3)] == [0, 2, 4] and int(look()) == 6
    assert np.allclose(g.store["mean"], 1 - 0.75**3)


def variables(ctx):
    g = lcl.Graph(ctx, seed=5)
    w = g.param("w", (2, 3), lcl.Init("uniform", scale=0.5))
    g.state("seen", 4, np.uint8)
    store = g.store
    assert list(store) == ["w", "seen"] and store.trainable == ["w"] and len(store) == 2
    assert store["w"].shape == (2, 3) and store["w"].any() and abs(store["w"]).max() <= 0.5 and store["seen"].dtype == np.uint8
    other = lcl.Graph(ctx, seed=5)
    other.param("w", (2, 3), lcl.Init("uniform", scale=0.5))
    assert np.array_equal(other.store["w"], store["w"])  # the same seed
    store["w"] = np.arange(6).reshape(2, 3)
    assert store["w"][1, 2] == 5
    raises(KeyError, "v", lambda: store["v"])
    raises(ValueError, "w must have the shape (2, 3), not (3, 2)", lambda: store.update(w=np.zeros((3, 2))))
    raises(TypeError, "seen must be an array of uint8, not of float64", lambda: store.update(seen=np.zeros(4)))
    raises(ValueError, "seen has numbers that uint8 does not hold", lambda: store.update(seen=np.full(4, 256)))
    raises(TypeError, "as long as their store", lambda: store.pop("w"))
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/v.safetensors"
        store.save(path)
        store["w"] = np.zeros((2, 3))
        store.load(path)
        assert store["w"][1, 2] == 5
        raises(lcl.LatentCLError, "1 tensors that the model does not have", lambda: other.store.load(path))
        other.store.load(path, partial=True)
        assert other.store["w"][1, 2] == 5
        assert raises(lcl.LatentCLError, "no_such", lambda: store.load(folder + "/no_such")).status == "io"
    shared = lcl.Graph(store=store, name="shared")
    assert np.array_equal(shared.compile(shared.param("w", (2, 3)) + 1)(), store["w"] + 1)


def programs(ctx):
    g = lcl.Graph(ctx)
    x, i = g.input("x", (2, 3)), g.input("i", 2, "i32")
    double = x * 2
    data = rng.normal(size=(2, 3)).astype(np.float32)
    one, two, named = g.compile(double), g.compile(double, i + i), g.compile(named={"double": double, "both": i + i})
    assert np.array_equal(one(x=data), 2 * data)
    assert np.array_equal(one(x=data.T.copy().T), 2 * data)  # not row-major
    assert np.array_equal(one(x=data.astype(np.float64)), 2 * data) and np.array_equal(one(), 2 * data)
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:  # mapped, and not to be written
        np.save(file, data)
        file.flush()
        assert np.array_equal(one(x=np.load(file.name, mmap_mode="r")), 2 * data)
    assert [v.tolist() for v in two(x=data, i=np.array([3, 4]))] == [(2 * data).tolist(), [6, 8]]
    assert named(x=data, i=[1, 2])["both"].tolist() == [2, 4]
    raises(ValueError, "x must have the shape (2, 3), not (3, 2)", lambda: one(x=data.T))
    raises(TypeError, "i must be an array of int32, not of float64", lambda: two(i=np.zeros(2)))
    raises(ValueError, "i has numbers that int32 does not hold", lambda: two(i=np.array([1, 1 << 40])))
    raises(TypeError, "x must be an array of float32, not of complex", lambda: one(x=data * 1j))
    raises(TypeError, "x must be an array of float32, not of <U1", lambda: one(x=np.full((2, 3), "a")))
    for lost in (np.full((2, 3), 2**24 + 1), np.full((2, 3), 2**63 - 1), np.full((2, 3), -1e39)):
        raises(ValueError, "x has numbers that float32 does not hold", lambda: one(x=lost))
    assert one(x=np.full((2, 3), 2**40)).max() == 2.0**41 and one(x=np.array([[1e-50, np.inf, 0], [1, 2, -np.inf]])).max() == np.inf
    raises(ValueError, "a constant has numbers that float16 does not hold", lambda: lcl._convert.to_array("a constant", np.full(1, 7e4), np.dtype("f2"), (1,)))
    same, other = g.compile(x == 1, 1 != x)(x=[[1, 2, 1], [0, np.nan, 1]])
    assert same.tolist() == [[1, 0, 1], [0, 0, 1]] and (other == 1 - same).all()
    assert not x == None and x != "x" and len({x, x, double}) == 2  # noqa: E711
    raises(ValueError, "there is no input 'y'; there are x, i", lambda: one(y=1))
    raises(lcl.LatentCLError, "i", lambda: one(i=[1, 2]))  # not in this program
    two.run()
    assert np.array_equal(two.fetch()[0], 2 * data)
    assert one.stats["launches"] == 1 and "scale" in one.explain() and one.explain("dot").startswith("digraph")
    assert json.loads(one.explain("json"))["flops"] == one.stats["flops"]
    raises(ValueError, "'html' is none of text, dot, json", lambda: one.explain("html"))
    check = g.compile(lcl.log(x), check_numerics=True)
    assert raises(lcl.LatentCLError, "NaN", lambda: check(x=-np.ones((2, 3)))).status == "numeric"
    buffer = lcl.Buffer(ctx, data.nbytes)
    buffer.write(data + 1)
    assert np.array_equal(buffer.read((2, 3)), data + 1) and buffer.nbytes == data.nbytes
    buffer.write((data + 1).astype(">f4"))
    assert np.array_equal(buffer.read((2, 3)), data + 1)
    raises(TypeError, "Python objects", lambda: buffer.write(np.array([1, None])))
    raises(TypeError, "offset must be a whole number", lambda: buffer.write(data, 2**64))
    raises(TypeError, "offset must be a whole number", lambda: buffer.read((2, 3), offset=2**64))
    raises(ValueError, "queues = 4294967297 is out of its range", lambda: lcl.Context(queues=2**32 + 1))
    raises(ValueError, "memory_limit = -1 is out of its range", lambda: lcl.Context(memory_limit=-1))
    one.feed_buffer("x", buffer)
    assert np.array_equal(one(), 2 * (data + 1))
    raises(lcl.LatentCLError, "", lambda: buffer.write(data, 4))
    result = lcl.Buffer(ctx, data.nbytes + 8)
    named(x=data, i=[1, 2])
    named.fetch_buffer("double", result, 8)
    assert np.array_equal(result.read((2, 3), offset=8), 2 * data)
    named.fetch_buffer(1, result)
    assert result.read(2).tolist() == [2, 4]
    raises(lcl.LatentCLError, "the buffer 20 behind 12", lambda: named.fetch_buffer("double", result, 12))
    raises(ValueError, "no output 'triple'", lambda: named.fetch_buffer("triple", result))
    assert ctx.memory["current"] > 0
    ctx.finish()


def algorithms(ctx):
    own = lcl.Context(os.environ.get("LATENTCL_DEVICE"))
    own.algorithm_find("off")

    def chosen(text):
        own.algorithm_force(text)
        g = lcl.Graph(own)
        return g.compile(lcl.conv2d(g.input("x", (1, 8, 12, 12)), g.input("w", (8, 8, 3, 3)))).explain()
    assert "winograd" in chosen("conv2d=winograd") and "winograd" not in chosen("conv2d=implicit-gemm") and chosen(None)
    assert raises(lcl.LatentCLError, "winograd", lambda: own.algorithm_force("conv2d=no_such")).status == "argument"
    raises(ValueError, "'never' is none of off, quick, full", lambda: own.algorithm_find("never"))


def log(ctx):
    lines = []
    lcl.set_log(lambda level, line: lines.append((level, line)), "info")
    lcl.Context(os.environ.get("LATENTCL_DEVICE"))
    assert lines and all(level == "info" and isinstance(line, str) for level, line in lines), lines
    n = len(lines)
    lcl.set_log(level="warn")
    lcl.Context(os.environ.get("LATENTCL_DEVICE"))
    assert len(lines) == n
    raises(ValueError, "'loud' is none of off, error, warn, info, debug", lambda: lcl.set_log(level="loud"))
    code = "import latentcl as lcl; lcl.set_log(lambda *said: None, 'debug'); ctx = lcl.Context()"  # the process ends without a crash
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def bench(ctx):
    known = lcl.workloads()
    assert known["gemm-64"].suite == "gemm" and all(w.description for w in known.values())
    rows = lcl.bench(ctx, "gemm-64", "semantic-conv1", seconds=0.02, verify=True, roofline=False)
    assert [r.name for r in rows] == ["gemm-64", "semantic-conv1"]
    assert rows[0].name == "gemm-64" and rows[0].flops == 2 * 64**3 and rows[0].runs >= 5 and 0 < rows[0].best <= rows[0].median
    assert rows[0].verified is True and rows[0].error < 1 and rows[0].roofline is None and rows[0].device is None
    raises(lcl.LatentCLError, "no workload", lambda: lcl.bench(ctx, "gemm-no"))
    if not lcl.onnx_operators():
        return
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/n.onnx"
        g = lcl.Graph(ctx)
        lcl.save_onnx(path, {"y": g.input("x", (10007, 30)) @ g.param("w", (30, 20), "he_normal")}, batch=10007)
        flops = [lcl.bench(ctx, path, dims={"batch": n}, seconds=-1, roofline=False)[0].flops for n in (1, 8, 8, 3)]
        assert flops == [2 * 30 * 20 * n for n in (1, 8, 8, 3)], flops  # the same file again, with other sizes


def halves(ctx):
    a, b = rng.normal(size=(3, 5)).astype(np.float32), rng.normal(size=(5, 2)).astype(np.float32)
    g = lcl.Graph(ctx, precision="f16")
    got = g.compile(g.input("a", (3, 5)) @ g.input("b", (5, 2)))(a=a, b=b)
    rounded = a.astype(np.float16).astype(np.float32) @ b.astype(np.float16).astype(np.float32)
    assert np.allclose(got, rounded, atol=1e-5) and not np.allclose(got, a @ b, atol=1e-5)
    raises(lcl.LatentCLError, "precision", lambda: lcl.Graph(ctx, precision="i32"))


def onnx(ctx):
    if not lcl.onnx_operators():
        raises(lcl.LatentCLError, "built without ONNX", lambda: lcl.load_onnx(lcl.Graph(ctx), "n.onnx"))
        g = lcl.Graph(ctx)
        raises(lcl.LatentCLError, "built without ONNX", lambda: lcl.save_onnx("n.onnx", {"x": g.input("x", 1)}))
        return print("built without ONNX: its files are not tried")
    assert {"Conv", "Gemm"} < set(lcl.onnx_operators()) and len(lcl.onnx_operators()) > 90
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/n.onnx"
        g = lcl.Graph(ctx, seed=4)
        x = g.input("x", (10007, 3))
        y = lcl.relu(x @ g.param("w", (3, 2), "he_normal")) + 1
        lcl.save_onnx(path, {"y": y, "sum": y.sum(1)}, batch=10007, metadata={"who": "a test"})
        data = rng.normal(size=(4, 3)).astype(np.float32)
        expected = np.maximum(data @ g.store["w"], 0) + 1
        loaded = lcl.Graph(ctx)
        net = lcl.load_onnx(loaded, path, shapes={"x": (4, 3)}, prefix="net.")
        assert net.graph is loaded and net.inputs["x"].shape == (4, 3) and "net.w" in loaded.store.trainable, list(loaded.store)
        values = loaded.compile(named=net.outputs)(x=data)
        assert np.allclose(values["y"], expected, atol=1e-5) and np.allclose(values["sum"], expected.sum(1), atol=1e-5)
        alone = lcl.load_onnx(lcl.Graph(ctx), path)
        assert alone.assumed and alone.outputs["y"].shape == (1, 2)
        half = lcl.Graph(ctx)  # a tensor inside becomes the input
        h = half.input("h", (2, 3))
        middle = h * 2
        lcl.save_onnx(path, {"out": middle + 1}, {"middle": middle})
        net = lcl.load_onnx(lcl.Graph(ctx), path)
        assert list(net.inputs) == ["middle"] and net.graph.compile(net.outputs["out"])(middle=np.ones((2, 3))).tolist() == [[2] * 3] * 2
        raises(lcl.LatentCLError, "no_such", lambda: lcl.load_onnx(lcl.Graph(ctx), folder + "/no_such.onnx"))
        raises(lcl.LatentCLError, "", lambda: lcl.load_onnx(lcl.Graph(ctx), __file__))
        raises(lcl.LatentCLError, 'no input "z"', lambda: lcl.load_onnx(lcl.Graph(ctx), path, shapes={"z": 1}))
        raises(lcl.LatentCLError, "depth", lambda: lcl.load_onnx(lcl.Graph(ctx), path, dims={"depth": 2}))
        raises(TypeError, "batch must be a whole number", lambda: lcl.load_onnx(lcl.Graph(ctx), path, dims={"batch": 1.5}))
        raises(ValueError, "at least one output", lambda: lcl.save_onnx(path, {}))
        g = lcl.Graph(ctx)
        x = g.input("x", 2)
        y = x * g.param("w", 2)
        for twice in ("x", "w"):
            raises(lcl.LatentCLError, f'"{twice}" would name two values of the file', lambda: lcl.save_onnx(folder + "/two.onnx", {twice: y}))
        raises(lcl.LatentCLError, '"x" would name two', lambda: lcl.save_onnx(folder + "/two.onnx", {"x": x}))
        assert not os.path.exists(folder + "/two.onnx")


def errors(ctx):
    g = lcl.Graph(ctx)
    x = g.input("x", (2, 3))
    raises(TypeError, "one operand at least must be a tensor", lambda: lcl.relu(3.0))
    raises(ValueError, "axis 2 is none of a tensor with 2", lambda: x.sum(2))
    raises(ValueError, "'other' is none of sum, half_sum, mean", lambda: lcl.l2(x, x, "other"))
    raises(ValueError, "'none' is none of zero, constant", lambda: g.param("p", 1, "none"))
    raises(ValueError, "start must have 2 numbers, not 1", lambda: lcl.slice(x, [0], [1]))
    raises(ValueError, "stride must be one number or 2, not 3", lambda: lcl.conv2d(x, x, stride=(1, 2, 3)))
    raises(ValueError, "groups = 1099511627776 is out of its range", lambda: lcl.conv2d(x, x, groups=1 << 40))
    raises(ValueError, "at most 6 dimensions, not 7", lambda: g.input("y", (1,) * 7))
    raises(TypeError, "shape must be a whole number", lambda: g.input("y", (1.5,)))
    raises(TypeError, "no tensor of type complex64", lambda: g.input("y", 1, np.complex64))
    raises(ValueError, "NUL", lambda: g.input("a\0b", 1))
    raises(TypeError, "no value before a program runs", lambda: bool(x > 0))
    raises(IndexError, "index 2 is outside an axis of 2", lambda: x[2])
    raises(IndexError, "too many indices", lambda: x[0, 0, 0])
    raises(IndexError, "step", lambda: x[::2])
    raises(ValueError, "powers are", lambda: x**3)
    raises(TypeError, "a context or on a store", lcl.Graph)
    y = lcl.Graph(ctx).input("y", (2, 3))
    raises(ZeroDivisionError, "", lambda: lcl.semantic_noise(y, y, None, lambda y: 1 / 0, 0.1))
    assert raises(lcl.LatentCLError, "matmul: inner dimensions differ: 2x3 times 2x3", lambda: x @ x).status == "shape"
    raises(lcl.LatentCLError, "matmul: inner", lambda: x + 1)  # an error ends the graph
    raises(lcl.LatentCLError, "matmul: inner", g.compile)
    raises(TypeError, "either in a row or named", lambda: g.compile(x, named={"x": x}))
    other = lcl.Graph(ctx)
    raises(lcl.LatentCLError, "another graph", lambda: other.input("x", (2, 3)) + lcl.Graph(ctx).input("y", (2, 3)))


def threads(ctx):
    """Several threads on one context: each gets its own numbers, while others build, run and end programs."""
    def work(k, found):
        for round in range(5):
            g = lcl.Graph(ctx, seed=k)
            p = g.compile(g.input("x", 64) * float(k) + g.param("w", 64, lcl.Init("constant", round)))
            for i in range(20):
                found.append((p(x=np.full(64, i)) == k * i + round).all())
    found = []
    workers = [threading.Thread(target=work, args=(k, found)) for k in range(4)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert len(found) == 400 and all(found)


def lifetimes(ctx):
    def program():
        own = lcl.Context(os.environ.get("LATENTCL_DEVICE"))
        g = lcl.Graph(own)
        return g.compile(g.input("x", 2) + g.param("one", 2, lcl.Init("constant", 1)))
    p = program()  # its context, store and graph have no other name
    gc.collect()
    assert p(x=np.zeros(2)).tolist() == [1, 1]
    buffer = lcl.Buffer(lcl.Context(os.environ.get("LATENTCL_DEVICE")), 8)
    gc.collect()
    buffer.write(np.ones(2, np.float32))
    assert buffer.read(2).tolist() == [1, 1]
    before = ctx.memory["buffers"]
    for _ in range(3):
        g = lcl.Graph(ctx)
        g.compile(g.param("w", (100, 100)) * 2)()
    del g
    gc.collect()
    assert ctx.memory["buffers"] == before
    circle = [lcl.Graph(ctx)]
    circle.append(circle)


def dlpack(ctx):
    g = lcl.Graph(ctx)
    x = g.input("x", 3)
    p = g.compile(x + 1)

    class Foreign:
        def __init__(self, device):
            self.device, self.array = device, np.arange(3, dtype=np.float32)

        def __dlpack_device__(self):
            return (self.device, 0)

        def __dlpack__(self, **options):
            return self.array.__dlpack__(**options)
    assert p(x=Foreign(1)).tolist() == [1, 2, 3]
    raises(TypeError, "x is on another device", lambda: p(x=Foreign(2)))
    assert np.from_dlpack(p()).tolist() == [1, 2, 3]  # and outputs are arrays that others take


def pyopencl(ctx):
    try:
        import pyopencl as cl
        import pyopencl.tools
    except ImportError:
        return print("pyopencl is not installed: its queues and buffers are not tried")
    device = next(d for q in cl.get_platforms() for d in q.get_devices() if d.name == ctx.device_name)
    queue = cl.CommandQueue(cl.Context([device]))
    ours = lcl.Context.from_pyopencl(queue)
    data = np.arange(4, dtype=np.float32)
    buffer = cl.Buffer(queue.context, cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR, hostbuf=data)
    g = lcl.Graph(ours)
    p = g.compile(g.input("x", 4) * 2)
    p.feed_buffer("x", lcl.Buffer.from_pyopencl(ours, buffer))
    assert p().tolist() == [0, 2, 4, 6]
    result = cl.Buffer(queue.context, cl.mem_flags.READ_WRITE, data.nbytes + 4)
    p.fetch_buffer(0, lcl.Buffer.from_pyopencl(ours, result), 4)
    host = np.zeros(4, np.float32)
    cl.enqueue_copy(queue, host, result, src_offset=4)  # in order behind the run
    assert host.tolist() == [0, 2, 4, 6]
    # The other way: a queue and a buffer of ours.
    own = lcl.Context(os.environ.get("LATENTCL_DEVICE"))
    theirs, memory = own.to_pyopencl(), lcl.Buffer(own, data.nbytes)
    assert theirs.device.name == own.device_name
    cl.enqueue_copy(theirs, memory.to_pyopencl(), data + 5)
    assert memory.read(4).tolist() == [5, 6, 7, 8]
    kernel = cl.Program(theirs.context, "kernel void twice(global float *x) { x[get_global_id(0)] *= 2; }").build().twice
    g = lcl.Graph(own)
    p = g.compile(g.input("x", 4) + 1)
    p.feed_buffer("x", memory)
    kernel(theirs, (4,), None, memory.to_pyopencl())
    assert p().tolist() == [11, 13, 15, 17]
    done = p.run_async([cl.enqueue_fill_buffer(theirs, memory.to_pyopencl(), np.float32(3), 0, data.nbytes)])
    done.wait()
    assert done.command_execution_status == cl.command_execution_status.COMPLETE and p.fetch().tolist() == [4] * 4
    p.run_async().wait()
    raises(TypeError, "a pyopencl.Event, not CommandQueue", lambda: p.run_async([queue]))
    foreign = cl.Buffer(cl.Context([device]), cl.mem_flags.READ_WRITE, 16)  # of another cl_context
    raises(lcl.LatentCLError, "context", lambda: lcl.Buffer.from_pyopencl(ours, foreign))
    raises(TypeError, "a pyopencl.MemoryObjectHolder, not CommandQueue", lambda: lcl.Buffer.from_pyopencl(ours, queue))
    image = cl.Image(queue.context, cl.mem_flags.READ_ONLY, cl.ImageFormat(cl.channel_order.RGBA, cl.channel_type.FLOAT), (2, 2))
    raises(lcl.LatentCLError, "it must be a buffer, not an image", lambda: lcl.Buffer.from_pyopencl(ours, image))
    pool = cl.tools.MemoryPool(cl.tools.ImmediateAllocator(queue))
    assert lcl.Buffer.from_pyopencl(ours, pool.allocate(64)).nbytes >= 64
    raises(TypeError, "a pyopencl.CommandQueue, not ndarray", lambda: lcl.Context.from_pyopencl(data))


def overhead(ctx):
    """What Python adds to a call: microseconds, the least of as many rounds as a machine needs that does other things too."""
    def best(call, n=500, rounds=100):
        least = 1e9
        for done in range(rounds):
            start = time.perf_counter()
            for _ in range(n):
                call()
            least = min(least, (time.perf_counter() - start) / n * 1e6)
            if done > 6 and least < 8:
                break
        return least
    g = lcl.Graph(ctx)
    x = g.input("x", 4)
    y = x + 1
    p = g.compile(y)
    data = np.zeros(4, np.float32)
    p(x=data)
    # The driver's own time is left out: the library's functions are stood for by ones that do nothing, plus a call of C.
    core, call = lcl.graph, best(lambda: lcl._core.library.lcl_tensor_dtype(y.pointer))
    kept, core._feed, core._run, core._fetch = (core._feed, core._run, core._fetch), *[lambda *_: 0] * 3
    added = {"feed": best(lambda: p.feed(x=data)) + call, "run": best(p.run) + call, "fetch": best(p.fetch) + call,
             "a call": best(lambda: p(x=data)) + 3 * call}
    core._feed, core._run, core._fetch = kept
    image, filters = g.input("image", (1, 4, 8, 8)), g.param("filters", (4, 4, 3, 3))
    operations = {"x + y": lambda: x + y, "2 / x": lambda: 2 / x, "slice": lambda: image[0, 1:3], "sum": lambda: image.sum((1, 2)),
                  "relu": lambda: lcl.relu(x), "concat": lambda: lcl.concat([x, y], 0), "conv2d": lambda: lcl.conv2d(image, filters, stride=2)}
    took = {name: best(operation) for name, operation in operations.items()}
    print(f"a call of C {call:.2f} us; " + ", ".join(f"{name} adds {us:.1f} us" for name, us in added.items()) + "; " +
          ", ".join(f"{name} takes {us:.1f} us" for name, us in took.items()))
    most = max(10, 40 * call)  # of a slow machine
    slow = [name for name, us in {**added, **took}.items() if us >= most]
    assert not slow, slow


def layout(ctx):
    """Structures as ctypes lays them out and as the compiler does."""
    api = lcl._api
    names = [n for n in vars(api) if n.startswith("lcl_") and hasattr(vars(api)[n], "_fields_")]
    assert len(names) > 40
    lines = ["#include <latentcl/latentcl.h>", "#include <stddef.h>", "#include <stdio.h>", "int main(void) {"]
    expected = []
    for n in names:
        lines.append(f'printf("{n} %zu\\n", sizeof({"struct " if n == "lcl_model_class" else ""}{n}));')
        expected.append(f"{n} {sizeof(vars(api)[n])}")
        for field, *_ in vars(api)[n]._fields_:
            lines.append(f'printf("{n}.{field} %zu\\n", offsetof({n}, {field}));')
            expected.append(f"{n}.{field} {getattr(vars(api)[n], field).offset}")
    lines.append("return 0; }")
    with tempfile.TemporaryDirectory() as folder:
        with open(folder + "/layout.c", "w") as file:
            file.write("\n".join(lines))
        subprocess.run(["cc", folder + "/layout.c", "-o", folder + "/layout", *os.environ["INCLUDES"].split()], check=True)
        got = subprocess.run([folder + "/layout"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert got == expected, set(got) ^ set(expected)


def main():
    wanted = sys.argv[1:]
    ctx = lcl.Context()
    for test in (devices, gradients, optimisers, updates, variables, programs, algorithms, log, bench, halves, onnx, errors, threads, lifetimes, dlpack, pyopencl, overhead, layout):
        if not wanted or test.__name__ in wanted:
            test(ctx)



main()

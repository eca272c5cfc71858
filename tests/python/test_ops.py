#!/usr/bin/env python3
"""Every function of latentcl.ops beside NumPy: the right operands arrive in the right
places. The numbers themselves are held by the tests in C."""
import sys

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import latentcl as lcl

rng = np.random.default_rng(1)
ctx = lcl.Context()
g = lcl.Graph(ctx, seed=3)
feeds, expected, results = {}, {}, {}


def given(name, array):
    feeds[name] = np.ascontiguousarray(array)
    return g.input(name, feeds[name].shape, feeds[name].dtype)


def f32(*shape, low=-1.0, high=1.0):
    return rng.uniform(low, high, shape).astype(np.float32)


def case(name, result, reference):
    """reference: an array, or a function of the variables; a result of several is a case for each."""
    results[name], expected[name] = result, reference


A, B, P = f32(4, 6), f32(4, 6), f32(4, 6, low=0.1)
a, b, p = given("a", A), given("b", B), given("p", P)
I = rng.integers(0, 6, 4).astype(np.int32)
i = given("i", I)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


# ---- element by element ----

ONE = {"neg": (a, -A), "abs": (a, np.abs(A)), "sign": (a, np.sign(A)), "exp": (a, np.exp(A)), "log": (p, np.log(P)),
       "sqrt": (p, np.sqrt(P)), "rsqrt": (p, P**-0.5), "square": (a, A * A), "recip": (p, 1 / P), "relu": (a, np.maximum(A, 0)),
       "sigmoid": (a, sigmoid(A)), "tanh": (a, np.tanh(A)), "softplus": (a, np.log1p(np.exp(A)))}
for name, (x, reference) in ONE.items():
    case(name, getattr(lcl.ops, name)(x), reference)
TWO = {"add": A + B, "sub": A - B, "mul": A * B, "div": A / B, "maximum": np.maximum(A, B), "minimum": np.minimum(A, B),
       "greater": A > B, "less": A < B, "equal": A == B}
for name, reference in TWO.items():
    case(name, getattr(lcl.ops, name)(a, b), reference.astype(np.float32))
case("leaky_relu", lcl.leaky_relu(a, 0.25), np.where(A < 0, A / 4, A))
case("scale", lcl.scale(a, 3), 3 * A)
case("shift", lcl.shift(a, 3), A + 3)
case("cast", lcl.cast(a * 10, "i32"), (A * 10).astype(np.int32))
case("select", lcl.select(a > 0, a, b), np.where(A > 0, A, B))
case("floor", lcl.floor(a * 5), np.floor(A * 5))
case("sin", lcl.sin(a), np.sin(A))
case("cos", lcl.cos(a), np.cos(A))

# ---- operators of Tensor ----

row = f32(6)
OPERATORS = {
    "x + y": (a + b, A + B), "x + 2": (a + 2, A + 2), "2 + x": (2 + a, 2 + A), "x - y": (a - b, A - B), "x - 2": (a - 2, A - 2),
    "2 - x": (2 - a, 2 - A), "x * y": (a * b, A * B), "3 * x": (3 * a, 3 * A), "x / 4": (a / 4, A / 4), "2 / x": (2 / p, 2 / P),
    "x / y": (a / p, A / P), "-x": (-a, -A), "abs(x)": (abs(a), np.abs(A)), "x ** 2": (a**2, A**2), "x ** 0.5": (p**0.5, P**0.5),
    "x ** -1": (p**-1, 1 / P), "x > y": (a > b, A > B), "x < 0": (a < 0, A < 0), "array + x": (row + a, row + A),
    "x - array": (a - row, A - row), "array - x": (row - a, row - A), "float32 * x": (np.float32(2) * a, 2 * A),
    "x @ y": (a @ b.T, A @ B.T), "array @ x": (A.T @ a, A.T @ A), "x[1]": (a[1], A[1]), "x[1:3, -1]": (a[1:3, -1], A[1:3, -1]),
    "x[..., 2:]": (a[..., 2:], A[..., 2:]), "x[-2:]": (a[-2:], A[-2:]), "x[2, 3]": (a[2, 3], A[2, 3]), "x[3:2]": (a[3:2], A[3:2]),
    "reshape": (a.reshape(2, -1), A.reshape(2, -1)), "sum(-1)": (a.sum(-1), A.sum(-1)), "mean()": (a.mean(), A.mean()),
    "sum(keepdims)": (a.sum(0, keepdims=True), A.sum(0, keepdims=True)), "astype": (i.astype(np.float32), I.astype(np.float32)),
    "stop_gradient": (a.stop_gradient(), A), "transpose(1, 0)": (a.transpose(1, 0), A.T), "int + int": (i + i, I + I)}
for name, (x, reference) in OPERATORS.items():
    case("operator " + name, x, np.asarray(reference))

# ---- reductions and shapes ----

C = f32(2, 3, 4, 5)
c = given("c", C)
case("sum", lcl.sum(c, (1, -1)), C.sum((1, 3)))
case("mean", lcl.mean(c, 2, True), C.mean(2, keepdims=True))
case("max", lcl.max(c, 0), C.max(0))
case("min", lcl.min(c), C.min())
case("argmax", lcl.argmax(c, -1), C.argmax(-1).astype(np.int32))
case("broadcast", lcl.broadcast(c[:, :1], (2, 7, 4, 5)), np.broadcast_to(C[:, :1], (2, 7, 4, 5)))
case("batch_mean", lcl.batch_mean(c, (0, 2), True), C.mean((0, 2), keepdims=True))
case("batch_moments", lcl.batch_moments(c, (0, 2)), (C.mean((0, 2), keepdims=True), C.var((0, 2), keepdims=True)))
case("moments", lcl.moments(c, (0, 2)), (C.mean((0, 2), keepdims=True), C.var((0, 2), keepdims=True)))
case("reshape", lcl.reshape(c, (6, 20)), C.reshape(6, 20))
case("transpose", lcl.transpose(c, (3, 0, 2, 1)), C.transpose(3, 0, 2, 1))
case("slice", lcl.slice(c, (0, 1, 1, 2), (1, 3, 4, 5)), C[:1, 1:, 1:, 2:])
case("slice_axis", lcl.slice_axis(c, 1, 1, 3), C[:, 1:3])
case("pad", lcl.pad(a, (1, 0), (0, 2)), np.pad(A, ((1, 0), (0, 2))))
case("concat", lcl.concat([a, b, a], 1), np.concatenate([A, B, A], 1))
case("flip", lcl.flip(a, 1), A[:, ::-1])
T = f32(6, 3)
t = given("t", T)
case("gather", lcl.gather(t, i), T[I])
scattered = np.zeros((6, 6), np.float32)
np.add.at(scattered, I, A)
case("scatter_add", lcl.scatter_add(a, i, 6), scattered)
case("one_hot", lcl.one_hot(i, 6), np.eye(6, dtype=np.float32)[I])
S = np.zeros((2, 3, 4, 8), np.float32)
for r in range(4):
    S[:, :, r, r:r + 5] = C[:, :, r]
case("skew", lcl.skew(c), S)
case("unskew", lcl.unskew(given("s", S)), C)
case("flatten", lcl.flatten(c), C.reshape(2, -1))
case("matmul", lcl.matmul(a, b, transpose_b=True), A @ B.T)

# ---- convolution and pooling ----


def conv2d(x, w, bias=None, stride=(1, 1), pad=(0, 0, 0, 0)):
    x = np.pad(x, ((0, 0), (0, 0), pad[:2], pad[2:]))
    windows = sliding_window_view(x, w.shape[2:], (2, 3))[:, :, ::stride[0], ::stride[1]]
    y = np.einsum("nchwij,ocij->nohw", windows, w)
    return y if bias is None else y + bias[:, None, None]


def conv2d_input_grad(gy, w, shape, pad):
    padded = np.zeros((shape[0], shape[1], shape[2] + pad[0] + pad[1], shape[3] + pad[2] + pad[3]))
    for y in range(gy.shape[2]):
        for x in range(gy.shape[3]):
            padded[:, :, y:y + w.shape[2], x:x + w.shape[3]] += np.einsum("no,ocij->ncij", gy[:, :, y, x], w)
    return padded[:, :, pad[0]:pad[0] + shape[2], pad[2]:pad[2] + shape[3]]


W, bias = f32(4, 3, 3, 3), f32(4)
w, bw = given("w", W), given("bw", bias)
case("conv2d", lcl.conv2d(c, w, bw, stride=(2, 1), pad=(1, 0)), conv2d(C, W, bias, (2, 1), (1, 1, 0, 0)))
case("fft_conv2d", lcl.fft_conv2d(c, w, pad=1), conv2d(C, W, pad=(1, 1, 1, 1)))
GY = f32(2, 4, 2, 4)
gy = given("gy", GY)
case("conv2d_input_grad", lcl.conv2d_input_grad(gy, w, (2, 3, 4, 5), pad=[0, 0, 1, 0]), conv2d_input_grad(GY, W, C.shape, (0, 0, 1, 0)))
padded = np.pad(C, ((0, 0), (0, 0), (0, 0), (1, 0)))
case("conv2d_filter_grad", lcl.conv2d_filter_grad(c, gy, W.shape, pad=[0, 0, 1, 0]),
     np.einsum("nohw,nchwij->ocij", GY, sliding_window_view(padded, (3, 3), (2, 3))[:, :, :2, :4]))
case("conv_transpose2d", lcl.conv_transpose2d(gy, w), conv2d_input_grad(GY, W, (2, 3, 4, 6), (0, 0, 0, 0)))
mask = np.ones((3, 3), np.float32)
mask[1, 1:], mask[2] = 0, 0
case("masked_conv2d", lcl.masked_conv2d(c, w, type="a", pad=1), conv2d(C, W * mask, pad=(1, 1, 1, 1)))
windows = sliding_window_view(C, (2, 2), (2, 3))[:, :, ::2, ::2]
flat = windows.reshape(*windows.shape[:4], 4)
where = flat.argmax(-1)
rows, columns = np.arange(2)[:, None] * 2 + where // 2, np.arange(2) * 2 + where % 2
index = (rows * 5 + columns).astype(np.int32)
pooled, indices = lcl.max_pool2d(c, kernel=2, with_indices=True)
case("max_pool2d", (pooled, indices), (flat.max(-1), index))
unpooled = np.zeros((2, 3, 20), np.float32)
np.put_along_axis(unpooled, index.reshape(2, 3, -1), flat.max(-1).reshape(2, 3, -1), 2)
case("max_unpool2d", lcl.max_unpool2d(pooled, indices, C.shape), unpooled.reshape(C.shape))
case("argmax_gather2d", lcl.argmax_gather2d(c * 2, indices), flat.max(-1) * 2)
case("avg_pool2d", lcl.avg_pool2d(c, kernel=2), flat.mean(-1))
spread = np.zeros_like(C)
spread[:, :, :4, :4] = np.repeat(np.repeat(flat.mean(-1), 2, 2), 2, 3) / 4
case("avg_unpool2d", lcl.avg_unpool2d(lcl.avg_pool2d(c, kernel=2), C.shape, kernel=2), spread)

# ---- softmax, recurrent, random ----

case("softmax", lcl.softmax(a, -1), softmax(A))
case("log_softmax", lcl.log_softmax(a, 1), np.log(softmax(A)))
G, C0 = f32(2, 12), f32(2, 3)
o, f, u, v = np.split(G, 4, 1)
C1 = sigmoid(f) * C0 + sigmoid(u) * np.tanh(v)
case("lstm_cell", lcl.lstm_cell(given("gates", G), given("c0", C0)), (sigmoid(o) * np.tanh(C1), C1))
SL, SR = f32(1, 8, 1, 1), f32(1, 8, 1, 1)  # one pixel: no neighbour, so that k does not matter
K = f32(2, 8, 2)


def first_pixel(s):
    o, f, u, v = np.split(s.reshape(-1), 4)
    return sigmoid(o) * np.tanh(sigmoid(f) * 0 + sigmoid(u) * np.tanh(v))


sl, sr, k = given("sl", SL), given("sr", SR), given("k", K)
case("diagonal_bilstm", lcl.diagonal_bilstm(sl, sr, k, k), (first_pixel(SL)).reshape(1, 2, 1, 1))
both = lcl.concat([sl, sr], 1).reshape(1, 1, 1, 16)
case("diagonal_bilstm_nhwc", lcl.diagonal_bilstm_nhwc(both, k, k), first_pixel(SL).reshape(1, 1, 1, 2))


def looks(check):
    return lambda value, store: bool(check(value)) or "is not what it should look like"


case("random_uniform", lcl.random_uniform(g, (50, 60)), looks(lambda r: 0 <= r.min() and r.max() < 1 and abs(r.mean() - 0.5) < 0.03))
case("random_normal", lcl.random_normal(g, 3000), looks(lambda r: abs(r.mean()) < 0.1 and abs(r.std() - 1) < 0.1))
case("random_bernoulli", lcl.random_bernoulli(lcl.broadcast(g.const(0.25), 3000)),
     looks(lambda r: set(np.unique(r)) == {0, 1} and abs(r.mean() - 0.25) < 0.05))
case("dropout", lcl.dropout(lcl.broadcast(g.const(1.0), 3000), 0.5), looks(lambda r: set(np.unique(r)) == {0, 2} and abs(r.mean() - 1) < 0.1))
case("gaussian_noise", lcl.gaussian_noise(lcl.broadcast(g.const(5.0), 3000), 2), looks(lambda r: abs(r.mean() - 5) < 0.2 and abs(r.std() - 2) < 0.2))
case("minmax_noise", lcl.minmax_noise(lcl.broadcast(g.const(row), (500, 6)), 0.1) - row,
     looks(lambda r: abs(r.std() / np.ptp(row) - 0.1) < 0.01))
case("reparameterise", lcl.reparameterise(lcl.broadcast(g.const(1.0), 3000), lcl.broadcast(g.const(np.log(4.0)), 3000)),
     looks(lambda r: abs(r.mean() - 1) < 0.2 and abs(r.std() - 2) < 0.2))
unit = A / np.linalg.norm(A, axis=1, keepdims=True)
case("unit_rows", lcl.unit_rows(a), unit)
case("random_direction", lcl.random_direction(a, 2.0), looks(lambda r: np.allclose(np.linalg.norm(r, axis=1), 2, atol=1e-4)))

# ---- functions that call Python ----

V = f32(6, 3)
weight = given("v", V)
case("semantic_noise", lcl.semantic_noise(a @ weight, a, None, lambda y: y @ weight, 0.0), A @ V)
case("vat_direction", lcl.vat_direction(a, 3.0, 1e-2, 1, lambda x: x @ weight, lambda x, y: lcl.kl_categorical(x, y)),
     looks(lambda r: np.allclose(np.linalg.norm(r, axis=1), 3, atol=1e-3)))

# ---- layers, whose variables are in the store ----

case("linear", lcl.linear(a, "fc", 3, bias=lcl.Init("normal", scale=1)), lambda s: A @ s["fc.weight"].T + s["fc.bias"])
case("linear_weight", lcl.linear_weight(g, "fc", 3, 6), lambda s: s["fc.weight"])
case("linear_tied", lcl.linear_tied(given("v3", f32(4, 3)), lcl.linear_weight(g, "fc", 3, 6), "tied"),
     lambda s: feeds["v3"] @ s["fc.weight"] + s["tied.bias"])
case("conv", lcl.conv(c, "cv", out=2, kernel=(3, 2), stride=2, no_bias=True, weight="glorot_uniform"),
     lambda s: conv2d(C, s["cv.weight"], stride=(2, 2)))
case("conv_weight", lcl.conv_weight(g, "cv", 3, out=2, kernel=(3, 2)), lambda s: s["cv.weight"])
case("conv_tied", lcl.conv_tied(gy, w, (2, 3, 4, 6), "ct"), lambda s: conv2d_input_grad(GY, W, (2, 3, 4, 6), (0, 0, 0, 0)) + s["ct.bias"][:, None, None])
case("add_bias", lcl.add_bias(c, "fresh"), C)
case("batch_norm", lcl.batch_norm(a, "bn", mode="no_update", eps=1e-3), (A - A.mean(0)) / np.sqrt(A.var(0) + 1e-3))
case("normalise", lcl.normalise(a, 1e-3), ((A - A.mean(0)) / np.sqrt(A.var(0) + 1e-3), A.mean(0, keepdims=True), A.var(0, keepdims=True)))
case("combine", lcl.combine(a, b, "cb", kind="linear"), A)

# ---- losses ----

D, E = f32(4, 6), f32(4, 6, low=0.05, high=0.95)
d, e = given("d", D), given("e", E)
ce = -np.log(softmax(A))[np.arange(4), I]
bce = (np.log1p(np.exp(A)) - E * A).sum(1)
kl = 0.5 * (np.exp(D) + A**2 - 1 - D).sum(1)
q, r = softmax(A) + 1e-8, softmax(D) + 1e-8
klc = (softmax(A) * np.log(q / r)).sum(1)
sa, sd = sigmoid(A), sigmoid(D)
klb = (sa * np.log(sa / sd) + (1 - sa) * np.log((1 - sa) / (1 - sd))).sum(1)


def entropy(x):
    return -x * np.log(x) - (1 - x) * np.log(1 - x)


for name, operands, reference in [("cross_entropy", (a, i), ce), ("bce_logits", (a, e), bce), ("kl_gauss", (a, d), kl),
                                  ("kl_categorical", (a, d), klc), ("kl_bernoulli", (a, d), klb)]:
    case(name + "_rows", getattr(lcl.ops, name + "_rows")(*operands), reference)
    case(name, getattr(lcl.ops, name)(*operands), reference.mean())
case("l2_rows", lcl.l2_rows(a, b, "half_sum"), ((A - B)**2).sum(1) / 2)
case("l2", lcl.l2(a, b, "mean"), ((A - B)**2).mean())
case("entropy_rows", lcl.entropy_rows(a), -(softmax(A) * np.log(softmax(A))).sum(1))
m = softmax(A).mean(0)
case("marginal_entropy", lcl.marginal_entropy(lcl.softmax(a, 1), 1e-8), -(m * np.log(m + 1e-8)).sum())
case("bernoulli_entropy_rows", lcl.bernoulli_entropy_rows(e), entropy(E).sum(1))
case("bernoulli_marginal_entropy", lcl.bernoulli_marginal_entropy(e), entropy(E.mean(0)).sum())
information = 0.0
for x in range(6):
    for y in range(x):
        for px, mx in ((E[:, x], E[:, x].mean()), (1 - E[:, x], 1 - E[:, x].mean())):
            for py, my in ((E[:, y], E[:, y].mean()), (1 - E[:, y], 1 - E[:, y].mean())):
                joint = (px * py).mean()
                information += joint * np.log(joint / (mx * my))
case("pairwise_information", lcl.pairwise_information(e), information)
case("correct_rows", lcl.correct_rows(a, i), (A.argmax(1) == I).astype(np.float32))
hot, sm = np.eye(6)[I], softmax(A)
case("bernoulli_softmax_rows", lcl.bernoulli_softmax_rows(a, lcl.one_hot(i, 6)), -(hot * np.log(sm) + (1 - hot) * np.log(1 - sm)).sum(1))
case("log_sigmoid_share", lcl.log_sigmoid_share(a), np.log(sa / sa.sum(1, keepdims=True)))

# ---- one program gives them all ----

elsewhere = {"assign", "ema", "minimise"}  # test_graph.py: they change variables
missing = set(lcl.ops.__all__) - {name for name in results} - elsewhere
assert not missing, f"no case for {sorted(missing)}"
flat_results = {f"{name}/{n}": x for name, r in results.items() for n, x in enumerate(r if isinstance(r, tuple) else (r,))}
program = g.compile(named=flat_results, no_updates=True)
values = program(**feeds)
wrong = []
for name, value in values.items():
    name, n = name.rsplit("/", 1)
    reference = expected[name]
    if callable(reference) and reference.__code__.co_argcount == 2:
        said = reference(value, g.store)
    else:
        reference = reference(g.store) if callable(reference) else reference
        reference = np.asarray(reference[int(n)] if isinstance(reference, tuple) else reference)
        same = value.shape == reference.shape and np.allclose(value, reference, rtol=2e-4, atol=2e-5)
        said = True if same else f"{value} is not {reference}"
    if said is not True:
        wrong.append(f"{name}: {said}")
if wrong:
    sys.exit("\n".join(wrong))
print(f"{len(values)} values of {len(results)} cases agree with NumPy")

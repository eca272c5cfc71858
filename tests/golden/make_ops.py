#!/usr/bin/env python3
"""Makes tests/golden/ops with PyTorch and NumPy in double precision: run once, the files are kept.

Usage: make_ops.py [FOLDER]. Each line of ops/cases.txt is a `latentcl op` command line without `latentcl op`; the files it
reads and the files it is expected to write are beside it. Inputs hold values that float32 holds exactly."""
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F

folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "ops")
random = np.random.RandomState(7)
lines = []


def real(*shape, low=-2.0, high=2.0):
    return random.uniform(low, high, shape).astype(np.float32).astype(np.float64)


def save(name, array):
    array = np.asarray(array)
    if array.dtype.kind == "f":
        # What the test compares with keeps its double precision; inputs are float32 numbers anyway.
        as_single = array.astype(np.float32)
        array = as_single if np.array_equal(as_single.astype(np.float64), array) else array
    if array.dtype == np.int64:
        array = array.astype(np.int32)
    np.save(os.path.join(folder, name), array)
    return name + ".npy"


def case(op, function, inputs, attributes="", gradients=None, outputs=1):
    """function: torch tensors -> tensor(s). gradients: which inputs get one (default: every float input)."""
    key = f"{len(lines):02d}_{op}"
    tensors = [None if a is None else torch.tensor(a) for a in inputs]
    if gradients is None:
        gradients = [t is not None and t.is_floating_point() for t in tensors]
    for t, g in zip(tensors, gradients):
        if g:
            t.requires_grad_()
    results = function(*tensors)
    results = results if isinstance(results, tuple) else (results,)
    words = [op]
    if attributes:
        words += ["--attr"] + attributes.split()
    names = "abcdefghi"
    if inputs:
        words.append("--in")
        words += ["-" if a is None else save(f"{key}_{names[i]}", a) for i, a in enumerate(inputs)]
    words.append("--out")
    words += [save(f"{key}_y{i}", r.detach().numpy()) for i, r in enumerate(results[:outputs])]
    if any(gradients):
        incoming = [torch.tensor(real(*r.shape)) if r.is_floating_point() else None for r in results[:outputs]]
        total = sum((r * g).sum() for r, g in zip(results, incoming) if g is not None)
        total.backward()
        words.append("--grad-in")
        words += ["-" if g is None else save(f"{key}_gy{i}", g.numpy()) for i, g in enumerate(incoming)]
        words.append("--grad-out")
        words += [save(f"{key}_g{names[i]}", t.grad.numpy()) if g else "-" for i, (t, g) in enumerate(zip(tensors, gradients))]
    lines.append(" ".join(words))


# ---- GEMMs and convolutions ----
case("matmul", lambda a, b: a @ b, [real(5, 7), real(7, 3)])
case("matmul", lambda a, b: a.mT @ b.mT, [real(2, 7, 5), real(2, 3, 7)], "transpose_a=1 transpose_b=1")
case("matmul", lambda a, b: a @ b, [real(2, 3, 4, 5), real(5, 6)])
case("conv2d", lambda x, w: F.conv2d(x, w), [real(2, 3, 6, 5), real(4, 3, 3, 3)])
case("conv2d", lambda x, w, b: F.conv2d(x, w, b, stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2),
     [real(1, 4, 7, 8), real(6, 2, 3, 2), real(6)], "stride=2,1 pad=1,2 dilation=1,2 groups=2")
case("conv2d", lambda x, w: F.conv2d(F.pad(x, (2, 0, 0, 1)), w, stride=3), [real(1, 2, 8, 9), real(3, 2, 4, 3)],
     "stride=3 pad=0,1,2,0")
# same: out = ceil(in/stride), the odd one behind. 7 -> 4 (total 2: 1,1), 8 -> 4 (total 1: 0,1).
case("conv2d", lambda x, w, b: F.conv2d(F.pad(x, (0, 1, 1, 1)), w, b, stride=2), [real(1, 2, 7, 8), real(3, 2, 3, 3), real(3)],
     "stride=2 pad=same")
case("conv2d", lambda x, w: F.conv1d(x[:, :, 0], w[:, :, 0], stride=4)[:, :, None], [real(2, 1, 1, 21), real(3, 1, 1, 8)], "stride=1,4")
case("conv_transpose2d", lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2, padding=1, output_padding=(1, 0)),
     [real(2, 3, 4, 3), real(3, 2, 3, 4), real(2)], "stride=2 pad=1 output_pad=1,0")
case("conv_transpose2d", lambda x, w: F.conv_transpose2d(x, w, stride=(3, 2), dilation=2, groups=2),
     [real(1, 4, 3, 2), real(4, 3, 2, 3)], "stride=3,2 dilation=2 groups=2")


def mask(o, c, k, kind, colours):
    m = np.zeros((o, c, k, k))
    half = k // 2
    group = lambda i, n: max(0, (i - n % colours) // (n // colours))
    for i in range(o):
        for j in range(c):
            for y in range(k):
                for x in range(k):
                    if y < half or (y == half and x < half):
                        m[i, j, y, x] = 1
                    elif y == half and x == half:
                        a, b = group(i, o), group(j, c)
                        m[i, j, y, x] = a > b if kind == "A" else a >= b
    return torch.tensor(m)


for kind, colours, o, c in (("A", 1, 2, 1), ("B", 1, 3, 2), ("A", 3, 7, 3), ("B", 3, 7, 8)):
    m = mask(o, c, 3, kind, colours)
    case("masked_conv2d", lambda x, w, b, m=m: F.conv2d(x, w * m, b, padding=1), [real(1, c, 4, 5), real(o, c, 3, 3), real(o)],
         f"type={kind} colours={colours} pad=1")

# ---- pooling ----
case("max_pool2d", lambda x: F.max_pool2d(x, (3, 2), stride=2, padding=(1, 1), return_indices=True), [real(2, 2, 7, 6)],
     "kernel=3,2 stride=2 pad=1", outputs=2)
case("max_pool2d", lambda x: F.max_pool2d(x, 2, stride=3, ceil_mode=True), [real(1, 3, 7, 8)], "kernel=2 stride=3 ceil=1")
case("avg_pool2d", lambda x: F.avg_pool2d(x, 3, stride=2, padding=1), [real(1, 2, 6, 5)], "kernel=3 stride=2 pad=1 count_include_pad=1")
case("avg_pool2d", lambda x: F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False), [real(1, 2, 6, 5)],
     "kernel=3 stride=2 pad=1 count_include_pad=0")
case("avg_pool2d", lambda x: F.avg_pool2d(x, (1, 4)), [real(1, 2, 3, 9)], "kernel=1,4")

# ---- element-wise ----
for op, f, low, high in (("relu", F.relu, -2, 2), ("sigmoid", torch.sigmoid, -20, 20), ("tanh", torch.tanh, -5, 5),
                         ("softplus", F.softplus, -15, 15), ("exp", torch.exp, -9, 9), ("log", torch.log, 0.1, 9),
                         ("sqrt", torch.sqrt, 0.1, 9), ("abs", torch.abs, -2, 2), ("square", torch.square, -2, 2)):
    case(op, f, [real(3, 5, low=low, high=high)])
case("leaky_relu", lambda x: F.leaky_relu(x, 0.125), [real(4, 4)], "slope=0.125")
case("add", lambda a, b: a + b, [real(3, 1, 4), real(2, 1)])
case("sub", lambda a, b: a - b, [real(4), real(3, 4)])
case("mul", lambda a, b: a * b, [real(2, 3), real()])
case("div", lambda a, b: a / b, [real(2, 3), real(2, 1, low=0.5)])
case("maximum", torch.maximum, [real(3, 4), real(3, 4)])

# ---- reductions and losses ----
case("sum", lambda x: x.sum((0, 2)), [real(3, 4, 5)], "axis=0,2")
case("mean", lambda x: x.mean(-1, keepdim=True), [real(3, 4, 5)], "axis=-1 keepdims=1")
case("mean", lambda x: x.mean(), [real(3, 4)])
case("max", lambda x: torch.amax(x, (1,)), [real(3, 4, 2)], "axis=1")
case("argmax", lambda x: x.argmax(1), [real(3, 7)], "axis=1", gradients=[False])
case("argmax", lambda x: x.argmax(), [real(3, 7)], gradients=[False])
case("softmax", lambda x: F.softmax(x, 1), [real(2, 5, 3, low=-8, high=8)], "axis=1")
case("log_softmax", lambda x: F.log_softmax(x, -1), [real(4, 6, low=-8, high=8)])
case("cross_entropy", F.cross_entropy, [real(5, 4), np.array([0, 3, 1, 1, 2])])
case("bce_with_logits", F.binary_cross_entropy_with_logits, [real(3, 4, low=-9, high=9), real(3, 4, low=0, high=1)])
case("mse", F.mse_loss, [real(3, 4), real(3, 4)])
case("batch_norm", lambda x, g, b: F.batch_norm(x, None, None, g, b, training=True, eps=2.0**-10), [real(4, 3, 2, 5), real(3), real(3)],
     "eps=0.0009765625")
case("batch_norm", lambda x, g, b: F.batch_norm(x, None, None, g, b, training=True), [real(6, 3), real(3), real(3)])

# ---- shapes ----
case("transpose", lambda x: x.permute(2, 0, 1), [real(2, 3, 4)], "perm=2,0,1")
case("reshape", lambda x: x.reshape(4, -1), [real(2, 3, 4)], "shape=4,-1")
case("pad", lambda x: F.pad(x, (2, 0, 1, 3)), [real(2, 3)], "before=1,2 after=3,0")
case("slice", lambda x: x[1:3, :-2], [real(4, 5)], "start=1,0 stop=3,-2")
case("concat", lambda a, b: torch.cat((a, b), 1), [real(2, 3), real(2, 4)], "axis=1")
case("flip", lambda x: x.flip(0, 2), [real(2, 3, 4)], "axis=0,2")


def skew(x):
    n, c, h, w = x.shape
    return torch.stack([F.pad(x[:, :, i], (i, h - 1 - i)) for i in range(h)], 2)


case("skew", skew, [real(2, 1, 3, 4)])
case("unskew", lambda x: torch.stack([x[:, :, i, i:i + 4] for i in range(3)], 2), [real(2, 1, 3, 6)])

# ---- recurrent: PyTorch's gates are i,f,g,o; ours o,f,i,g ----


def lstm_cell(p, c_prev):
    o, f, i, g = p.chunk(4, 1)
    hidden = c_prev.shape[1]
    # PyTorch's own cell with the identity as weights, so that its pre-activations are ours.
    cell = torch.nn.LSTMCell(4 * hidden, hidden, bias=False, dtype=torch.float64)
    with torch.no_grad():
        cell.weight_ih.copy_(torch.eye(4 * hidden))
        cell.weight_hh.zero_()
    return cell(torch.cat((i, f, g, o), 1), (torch.zeros_like(c_prev), c_prev))


case("lstm_cell", lstm_cell, [real(3, 8), real(3, 2)], outputs=2)


def one_direction(s, k, h0, c0, pad=0, freeze=False):
    """The layer walked pixel by pixel: no skewed map, so that this is another way to the same numbers."""
    n, four_h, height, width = s.shape
    hidden = four_h // 4
    h, c = {}, {}
    for i in range(height):
        for x in range(-i, width):  # cells left of the image run with s = pad from the initial state on
            left_h, left_c = (h[i, x - 1], c[i, x - 1]) if x > -i else (h0[:, i].expand(n, hidden), c0[:, i].expand(n, hidden))
            if i == 0:
                above = torch.zeros(n, hidden, dtype=s.dtype)
            else:
                above = h[i - 1, x] if x > -i else h0[:, i - 1].expand(n, hidden)
            if x < 0 and freeze:
                h[i, x], c[i, x] = left_h, left_c
                continue
            p = above @ k[0].T + left_h @ k[1].T + (s[:, :, i, x] if x >= 0 else pad)
            o, f, j, g = p.chunk(4, 1)
            c[i, x] = torch.sigmoid(f) * left_c + torch.sigmoid(j) * torch.tanh(g)
            h[i, x] = torch.sigmoid(o) * torch.tanh(c[i, x])
    return torch.stack([torch.stack([h[i, x] for x in range(width)], 2) for i in range(height)], 2)


def bilstm(s_left, s_right, k_left, k_right, *beside, freeze=False):
    hidden, height = s_left.shape[1] // 4, s_left.shape[2]
    zero = torch.zeros(hidden, height, dtype=torch.float64)
    h0_left, c0_left, h0_right, c0_right = beside[:4] if beside else (zero,) * 4
    pad_left, pad_right = beside[4].chunk(2) if len(beside) > 4 else (0, 0)
    left = one_direction(s_left, k_left, h0_left, c0_left, pad_left, freeze)
    right = one_direction(s_right.flip(3), k_right, h0_right, c0_right, pad_right, freeze).flip(3)
    return left + F.pad(right, (0, 0, 1, 0))[:, :, :-1]


layer = [real(2, 8, 3, 4), real(2, 8, 3, 4), real(2, 8, 2, low=-0.6, high=0.6), real(2, 8, 2, low=-0.6, high=0.6)]
case("diagonal_bilstm", bilstm, layer)
case("diagonal_bilstm", bilstm, layer + [real(2, 3) for _ in range(4)])

# ---- divergences ----
D = torch.distributions
case("gaussian_kl", lambda m, s: D.kl_divergence(D.Normal(m, torch.exp(s / 2)), D.Normal(torch.zeros_like(m), 1.0)).sum() / 3,
     [real(3, 2, 4), real(3, 2, 4)])


def categorical_kl(p, q):
    kl = D.kl_divergence(D.Categorical(logits=p), D.Categorical(logits=q)).mean()
    p, q, guard = F.softmax(p, 1), F.softmax(q, 1), float(np.float32(1e-8))
    guarded = (p * ((p + guard) / (q + guard)).log()).sum(1).mean()
    assert abs(kl - guarded) < 1e-6
    return guarded


case("categorical_kl", categorical_kl, [real(4, 5), real(4, 5)], gradients=[False, True])

states = [real(2, 3) for _ in range(4)]
case("diagonal_bilstm", bilstm, layer + states + [real(16)])
case("diagonal_bilstm", lambda *a: bilstm(*a, freeze=True), layer + states, "freeze=true")

with open(os.path.join(folder, "cases.txt"), "w") as f:
    f.write("\n".join(lines) + "\n")
print(len(lines), "cases")

#!/usr/bin/env python3
"""Operations, layers, losses and optimisers that PyTorch has too: the same values, and the same gradients of a weighted sum of them.
Skipped without PyTorch."""
import sys

import numpy as np

import latentcl as lcl

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    print("skipped: PyTorch is not installed (Debian: python3-torch)")
    sys.exit(77)

rng = np.random.default_rng(4)
ctx = lcl.Context()
g = lcl.Graph(ctx, seed=1)


def f32(*shape, low=-1.0, high=1.0):
    return rng.uniform(low, high, shape).astype(np.float32)


A, B, P = f32(4, 6), f32(4, 6), f32(4, 6, low=0.2)
X, W, V = f32(2, 4, 7, 9), f32(6, 4, 3, 3), f32(6, 2, 3, 3)
Y, I = rng.integers(0, 6, 4).astype(np.int32), np.array([2, 0, 5, 2], np.int32)
EVEN = f32(2, 4, 8, 8)

# name: what LatentCL computes, what PyTorch computes, of these arrays; detach() where the headers say "a constant for the gradient"
CASES = {
    "neg": (lcl.neg, torch.neg, A), "abs": (lcl.abs, torch.abs, A), "sign": (lcl.sign, torch.sign, A), "exp": (lcl.exp, torch.exp, A),
    "log": (lcl.log, torch.log, P), "sqrt": (lcl.sqrt, torch.sqrt, P), "rsqrt": (lcl.rsqrt, torch.rsqrt, P),
    "square": (lcl.square, torch.square, A), "recip": (lcl.recip, torch.reciprocal, P), "relu": (lcl.relu, torch.relu, A),
    "sigmoid": (lcl.sigmoid, torch.sigmoid, A), "tanh": (lcl.tanh, torch.tanh, A), "softplus": (lcl.softplus, F.softplus, A),
    "floor": (lcl.floor, torch.floor, A * 3), "sin": (lcl.sin, torch.sin, A), "cos": (lcl.cos, torch.cos, A),
    "leaky_relu": (lambda x: lcl.leaky_relu(x, 0.2), lambda x: F.leaky_relu(x, 0.2), A),
    "scale": (lambda x: lcl.scale(x, 3), lambda x: x * 3, A), "shift": (lambda x: lcl.shift(x, 3), lambda x: x + 3, A),
    "add": (lcl.add, torch.add, A, B), "sub": (lcl.sub, torch.sub, A, B), "mul": (lcl.mul, torch.mul, A, B), "div": (lcl.div, torch.div, A, P),
    "maximum": (lcl.maximum, torch.maximum, A, B), "minimum": (lcl.minimum, torch.minimum, A, B),
    "add, broadcast": (lcl.add, torch.add, A, B[0]), "mul, broadcast": (lcl.mul, torch.mul, A, B[:, :1]),
    "greater": (lcl.greater, lambda x, y: (x > y).float() + 0 * x, A, B), "less": (lcl.less, lambda x, y: (x < y).float() + 0 * x, A, B),
    "equal": (lcl.equal, lambda x, y: (x == y).float() + 0 * x, A, A.round()),
    "select": (lambda x, y: lcl.select(x > 0, x, y), lambda x, y: torch.where(x > 0, x, y), A, B),
    "sum": (lambda x: lcl.sum(x, (1, 3)), lambda x: x.sum((1, 3)), X), "mean": (lambda x: lcl.mean(x, 2, True), lambda x: x.mean(2, True), X),
    "max": (lambda x: lcl.max(x, 1), lambda x: x.amax(1), X), "min": (lambda x: lcl.min(x, 3), lambda x: x.amin(3), X),
    "argmax": (lambda x: lcl.argmax(x, 1), lambda x: x.argmax(1), X),
    "broadcast": (lambda x: lcl.broadcast(x, (3, 4, 6)), lambda x: x.expand(3, 4, 6), A),
    "moments": (lambda x: lcl.moments(x, (0, 2, 3)), lambda x: (x.mean((0, 2, 3), True), x.var((0, 2, 3), unbiased=False, keepdim=True)), X),
    "reshape": (lambda x: lcl.reshape(x, (8, 3)), lambda x: x.reshape(8, 3), A), "flatten": (lcl.flatten, lambda x: x.flatten(1), X),
    "transpose": (lambda x: lcl.transpose(x, (3, 0, 2, 1)), lambda x: x.permute(3, 0, 2, 1), X),
    "slice": (lambda x: lcl.slice(x, (1, 2), (3, 6)), lambda x: x[1:3, 2:6], A),
    "slice_axis": (lambda x: lcl.slice_axis(x, 1, 2, 5), lambda x: x.narrow(1, 2, 3), A),
    "pad": (lambda x: lcl.pad(x, (1, 0), (0, 2)), lambda x: F.pad(x, (0, 2, 1, 0)), A),
    "concat": (lambda x, y: lcl.concat([x, y, x], 1), lambda x, y: torch.cat([x, y, x], 1), A, B),
    "flip": (lambda x: lcl.flip(x, 1), lambda x: x.flip(1), A),
    "gather": (lcl.gather, lambda x, i: x[i.long()], f32(6, 3), I),
    "scatter_add": (lambda x, i: lcl.scatter_add(x, i, 7), lambda x, i: torch.zeros(7, 6).index_add(0, i.long(), x), A, I),
    "one_hot": (lambda i: lcl.one_hot(i, 6), lambda i: F.one_hot(i.long(), 6).float(), I),
    "stop_gradient": (lambda x: x.stop_gradient() * x, lambda x: x.detach() * x, A),
    "matmul": (lcl.matmul, torch.matmul, A, f32(6, 5)), "matmul, transposed": (lambda x, y: lcl.matmul(x, y, True, True), lambda x, y: x.T @ y.T, f32(6, 4), f32(5, 6)),
    "matmul, batches": (lcl.matmul, torch.matmul, f32(3, 4, 5), f32(3, 5, 2)),
    "linear": (lambda x, w, b: x @ w.T + b, F.linear, A, f32(5, 6), f32(5)),
    "conv2d": (lambda x, w, b: lcl.conv2d(x, w, b, stride=(2, 1), pad=1), lambda x, w, b: F.conv2d(x, w, b, (2, 1), 1), X, W, f32(6)),
    "conv2d, groups": (lambda x, w: lcl.conv2d(x, w, groups=2), lambda x, w: F.conv2d(x, w, groups=2), X, V),
    "conv2d, dilated": (lambda x, w: lcl.conv2d(x, w, dilation=2), lambda x, w: F.conv2d(x, w, dilation=2), X, W),
    "fft_conv2d": (lambda x, w: lcl.fft_conv2d(x, w, pad=1), lambda x, w: F.conv2d(x, w, padding=1), X, W),
    "conv_transpose2d": (lambda x, w: lcl.conv_transpose2d(x, w, stride=2, pad=1), lambda x, w: F.conv_transpose2d(x, w, stride=2, padding=1), f32(2, 6, 4, 5), W),
    "max_pool2d": (lambda x: lcl.max_pool2d(x, kernel=3, stride=2), lambda x: F.max_pool2d(x, 3, 2), X),
    "avg_pool2d": (lambda x: lcl.avg_pool2d(x, kernel=2), lambda x: F.avg_pool2d(x, 2), EVEN),
    "max_unpool2d": (lambda x: lcl.max_unpool2d(*lcl.max_pool2d(x, kernel=2, with_indices=True), EVEN.shape),
                     lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2), EVEN),
    "softmax": (lambda x: lcl.softmax(x, 1), lambda x: x.softmax(1), A), "log_softmax": (lambda x: lcl.log_softmax(x, 1), lambda x: x.log_softmax(1), A),
    "normalise": (lambda x: lcl.normalise(x, 1e-3)[0], lambda x: F.batch_norm(x, None, None, training=True, eps=1e-3), X),
    "unit_rows": (lambda x: lcl.unit_rows(x) * x, lambda x: F.normalize(x).detach() * x, A),
    "cross_entropy_rows": (lcl.cross_entropy_rows, lambda x, y: F.cross_entropy(x, y.long(), reduction="none"), A, Y),
    "cross_entropy": (lcl.cross_entropy, lambda x, y: F.cross_entropy(x, y.long()), A, Y),
    "bce_logits_rows": (lcl.bce_logits_rows, lambda x, y: F.binary_cross_entropy_with_logits(x, y, reduction="none").sum(1), A, P),
    "l2": (lambda x, y: lcl.l2(x, y, "mean"), F.mse_loss, A, B),
    "entropy_rows": (lcl.entropy_rows, lambda x: torch.distributions.Categorical(logits=x).entropy(), A),
    "kl_gauss_rows": (lcl.kl_gauss_rows, lambda m, v: torch.distributions.kl_divergence(
        torch.distributions.Normal(m, (v / 2).exp()), torch.distributions.Normal(0.0, 1.0)).sum(1), A, B),
    "kl_bernoulli_rows": (lcl.kl_bernoulli_rows, lambda x, y: torch.distributions.kl_divergence(
        torch.distributions.Bernoulli(logits=x.detach()), torch.distributions.Bernoulli(logits=y)).sum(1), A, B),
    "kl_categorical_rows": (lcl.kl_categorical_rows, lambda x, y: torch.distributions.kl_divergence(
        torch.distributions.Categorical(logits=x.detach()), torch.distributions.Categorical(logits=y)), A, B),
}


def both(values):
    return values if isinstance(values, tuple) else (values,)


named, feeds, expected = {}, {}, {}
for case, (ours, theirs, *arrays) in CASES.items():
    mine = [g.input(f"{case}.{i}", a.shape, a.dtype) for i, a in enumerate(arrays)]
    feeds.update({f"{case}.{i}": a for i, a in enumerate(arrays)})
    leaves = [torch.from_numpy(a.copy()).requires_grad_(a.dtype == np.float32) for a in arrays]
    out, reference = both(ours(*mine)), both(theirs(*leaves))
    for i, (o, r) in enumerate(zip(out, reference)):
        named[f"{case}, value {i}"], expected[f"{case}, value {i}"] = o, r.detach().numpy()
    weight = [f32(*o.shape) for o in out]
    smooth = [k for k, t in enumerate(leaves) if t.requires_grad]
    if not all(r.requires_grad for r in reference) or not smooth:
        continue
    slopes = torch.autograd.grad(sum((r * torch.from_numpy(w)).sum() for r, w in zip(reference, weight)), [leaves[k] for k in smooth], allow_unused=True)
    total = (out[0] * weight[0]).sum()
    for o, w in zip(out[1:], weight[1:]):
        total = total + (o * w).sum()
    for k, mine_slope, slope in zip(smooth, lcl.gradients(total, [mine[k] for k in smooth]), slopes):
        named[f"{case}, gradient {k}"] = mine_slope
        expected[f"{case}, gradient {k}"] = np.zeros(arrays[k].shape) if slope is None else slope.numpy()

values = g.compile(named=named)(**feeds)
wrong = [f"{name}: {value} is not {expected[name]}" for name, value in values.items()
         if value.shape != expected[name].shape or not np.allclose(value, expected[name], rtol=1e-3, atol=2e-4)]
if wrong:
    sys.exit("\n".join(wrong))
slopes = sum(", gradient" in name for name in values)
print(f"{len(values) - slopes} values and {slopes} gradients of {len(CASES)} cases agree with PyTorch {torch.__version__}")

# ---- optimisers: five steps from one point, at slopes where it does not matter that PyTorch adds eps to the corrected variance ----

RULES = {"sgd": (lcl.sgd, torch.optim.SGD, {}, {}), "momentum": (lcl.momentum, torch.optim.SGD, {"beta1": 0.9}, {"momentum": 0.9}),
         "nesterov": (lcl.nesterov, torch.optim.SGD, {"beta1": 0.9}, {"momentum": 0.9, "nesterov": True}),
         "adam": (lcl.adam, torch.optim.Adam, {}, {}), "adadelta": (lcl.adadelta, torch.optim.Adadelta, {"beta2": 0.9, "eps": 1e-6}, {"rho": 0.9, "eps": 1e-6})}
for name, (ours, theirs, options, their_options) in RULES.items():
    g = lcl.Graph(ctx)
    w = g.param("w", A.shape)
    g.store["w"] = A
    ours((lcl.sigmoid(w) * P).sum(), 0.1, **options)
    step = g.compile()
    point = torch.from_numpy(A.copy()).requires_grad_()
    rule = theirs([point], lr=0.1, **their_options)
    for _ in range(5):
        step()
        rule.zero_grad()
        (torch.sigmoid(point) * torch.from_numpy(P)).sum().backward()
        rule.step()
    apart = abs(g.store["w"] - point.detach().numpy()).max()
    assert apart < 1e-4, f"{name}: {apart} apart after five steps"

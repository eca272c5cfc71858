#!/usr/bin/env python3
"""Workloads of `latentcl bench` in JAX, on a CPU or a GPU: each run is one jitted function, a training step as a whole.

    tools/peers/jax_steps.py --threads 2 gemm-1024 ladder-b100
"""
import functools
import os

import peer

a = peer.options(__doc__)
os.environ.setdefault("JAX_PLATFORMS", a.device)
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:a.threads]) # XLA starts as many threads as that
try:
    import jax
    from jax import lax, nn, numpy as jnp
    import numpy as np
except ImportError as error:
    peer.skip(f"JAX is not installed here ({error}); pip install jax brings it")
try:
    where = jax.devices()[0]
except RuntimeError as error:
    peer.skip(f"JAX {jax.__version__} has no device of kind {a.device} here ({str(error).splitlines()[0]})")
jax.config.update("jax_default_matmul_precision", "tensorfloat32" if a.tf32 == "on" else "float32")
rng = np.random.default_rng(0)


def normal(*shape, scale=1.0):
    return jnp.asarray(scale * rng.standard_normal(shape, dtype=np.float32))


def uniform(*shape):
    return jnp.asarray(rng.random(shape, dtype=np.float32))


def labels(batch):
    return jnp.asarray(rng.integers(0, 10, batch))


# ---- ops ----

def jitted(f, *inputs):
    f = jax.jit(f)
    return lambda: f(*inputs)


def halved(half, *tensors):
    return [t.astype(jnp.float16) if half else t for t in tensors]


def convolve(x, w, padding, stride=1):
    return lax.conv_general_dilated(x, w, (stride, stride), [(padding, padding)] * 2, dimension_numbers=("NCHW", "OIHW", "NCHW"))


def transposed(y, w, shape, padding, stride):
    """The input gradient of that convolution, as a decoder uses it."""
    return jax.linear_transpose(lambda x: convolve(x, w, padding, stride), jax.ShapeDtypeStruct(shape, y.dtype))(y)[0]


def gemm(m, n, k, ta, tb, half=False):
    x, y = halved(half, normal(*((k, m) if ta else (m, k))), normal(*((n, k) if tb else (k, n))))
    return jitted(lambda x, y: (x.T if ta else x) @ (y.T if tb else y), x, y)


def conv(x, w, padding, stride, gradient=None, half=False):
    x, w = halved(half, normal(*x), normal(*w))
    f = functools.partial(convolve, padding=padding, stride=stride)
    if not gradient:
        return jitted(f, x, w)
    dy = f(x, w)
    if gradient == "dx":
        return jitted(lambda dy, w: jax.linear_transpose(lambda x: f(x, w), x)(dy)[0], dy, w)
    return jitted(lambda dy, x: jax.linear_transpose(lambda w: f(x, w), w)(dy)[0], dy, x)


def mask_a(side):
    mask = np.ones((side, side), np.float32)
    mask[side // 2, side // 2:] = 0
    mask[side // 2 + 1:] = 0
    return mask


def masked_conv(x, w, padding):
    mask = mask_a(w[-1])
    return jitted(lambda x, w: convolve(x, w * mask, padding), normal(*x), normal(*w))


def fft_conv(x, w):
    height, side = x[-1], w[-1]
    size = (height + side - 1,) * 2

    def f(x, w):
        product = jnp.einsum("nchw,kchw->nkhw", jnp.fft.rfft2(x, size), jnp.fft.rfft2(w[:, :, ::-1, ::-1], size))
        return jnp.fft.irfft2(product, size)[..., side // 2:side // 2 + height, side // 2:side // 2 + height]
    return jitted(f, normal(*x), normal(*w))


def elementwise(f):
    return lambda shape: jitted(f, normal(*shape))


def random_normal(shape):
    f, state = jax.jit(lambda key: (jax.random.split(key)[0], jax.random.normal(key, shape))), [jax.random.PRNGKey(0)]

    def run():
        state[0], sample = f(state[0])
        return sample
    return run


def standardise(x, axes, eps):
    mean = x.mean(axes, keepdims=True)
    var = x.var(axes, keepdims=True)
    return (x - mean) * lax.rsqrt(var + eps), mean, var


def batch_norm(shape):
    axes, channels = (0, 2, 3)[:len(shape) - 1], (1, shape[1], 1, 1)[:len(shape)]
    return jitted(lambda x, scale, shift: standardise(x, axes, 1e-5)[0] * scale + shift, normal(*shape), jnp.ones(channels), jnp.zeros(channels))


# ---- training steps ----

def zeros(p):
    return jax.tree.map(jnp.zeros_like, p)


def adam(lr):
    def update(p, g, state):
        m, v, t = state
        t = t + 1
        m = jax.tree.map(lambda m, g: .9 * m + .1 * g, m, g)
        v = jax.tree.map(lambda v, g: .999 * v + .001 * g * g, v, g)
        rate = lr * jnp.sqrt(1 - .999 ** t) / (1 - .9 ** t)
        return jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-8), p, m, v), (m, v, t)
    return update, lambda p: (zeros(p), zeros(p), 0.)


def rmsprop(lr):
    def update(p, g, v):
        g = jax.tree.map(lambda g: jnp.clip(g, -1, 1), g)
        v = jax.tree.map(lambda v, g: .9 * v + .1 * g * g, v, g)
        return jax.tree.map(lambda p, g, v: p - lr * g / (jnp.sqrt(v) + 1e-8), p, g, v), v
    return update, zeros


def momentum(lr):
    def update(p, g, m):
        m = jax.tree.map(lambda m, g, p: .9 * m + g + 5e-4 * p, m, g, p)
        return jax.tree.map(lambda p, m: p - lr * m, p, m), m
    return update, zeros


def training(loss, p, optimiser):
    """One step; loss of the parameters and a key of random numbers."""
    update, initial = optimiser

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(p, state, key):
        key, now = jax.random.split(key)
        p, state = update(p, jax.grad(loss)(p, now), state)
        return p, state, key
    state = [p, initial(p), jax.random.PRNGKey(0)]

    def run():
        state[:] = step(*state) # which may not be waited for later: the next step overwrites it
        jax.block_until_ready(state)
    return run


def cross_entropy(logits, label):
    return -jnp.take_along_axis(nn.log_softmax(logits), label[:, None], 1).mean()


def semantic_noise(batch, half=False):
    """Convolutions 3x3 of stride 2 with 32, 64, 96 maps, 128 units, 10 logits; the decoder is tied."""
    if half:
        return None
    maps, sides = (1, 32, 64, 96), (28, 14, 7, 4)
    p = {"w": [normal(maps[i + 1], maps[i], 3, 3, scale=(9 * maps[i]) ** -.5) for i in range(3)], "z": normal(1536, 128, scale=.025),
         "y": normal(128, 10, scale=.09), "b": [jnp.zeros((n, 1, 1)) for n in maps[1:]], "d": [jnp.zeros((n, 1, 1)) for n in maps[:3]],
         "flat": [jnp.zeros(n) for n in (128, 10, 1536, 128)]}
    x, label = uniform(batch, 1, 28, 28), labels(batch)

    def loss(p, key):
        h = x
        for i in range(3):
            h = nn.relu(convolve(h, p["w"][i], 1, 2) + p["b"][i])
        bz, by, dh, dz = p["flat"]
        z = nn.relu(h.reshape(batch, -1) @ p["z"] + bz)
        y = z @ p["y"] + by
        top = lambda y: nn.relu(y @ p["y"].T + dz)
        back, h = top(y), nn.relu(z @ p["z"].T + dh).reshape(batch, 96, 4, 4)
        for i in (2, 1, 0):
            h = transposed(h, p["w"][i], (batch, maps[i], sides[i], sides[i]), 1, 2) + p["d"][i]
            h = nn.relu(h) if i else h
        spread = y.max(1, keepdims=True) - y.min(1, keepdims=True)
        moved = z + top(y + .2 * spread * jax.random.normal(key, y.shape)) - back
        reconstruction = ((x - h) ** 2).sum((1, 2, 3)).mean() + ((z - back) ** 2).sum(1).mean()
        return cross_entropy(y, label) + cross_entropy(moved @ p["y"] + by, label) + .03 * reconstruction
    return training(loss, p, adam(5e-3))


def imsat(batch):
    """784-1200-1200-10 with batch norm; virtual adversarial training by one power iteration, mutual information."""
    hidden = [(normal(n, 1200, scale=.1 * n ** -.5), jnp.zeros(1200), jnp.ones(1200), jnp.zeros(1200)) for n in (784, 1200)]
    p = (hidden, normal(1200, 10, scale=.001), jnp.zeros(10))
    x, radius = uniform(batch, 784), uniform(batch, 1)

    def net(p, x):
        for w, bias, scale, shift in p[0]:
            x = nn.relu(standardise(x @ w + bias, 0, 2e-5)[0] * scale + shift)
        return nn.log_softmax(x @ p[1] + p[2])

    def divergence(p, log_p, log_q):
        return (p * (log_p - log_q)).sum(1).mean()

    def unit(t):
        return t / (jnp.linalg.norm(t, axis=1, keepdims=True) + 1e-8)

    def loss(p, key):
        log_y = net(p, x)
        y, log_p, fixed = jnp.exp(log_y), lax.stop_gradient(log_y), lax.stop_gradient(p)
        mean, q = y.mean(0), jnp.exp(log_p)
        information = -(mean * jnp.log(mean + 1e-8)).sum() * 4 + (y * log_y).sum(1).mean()
        direction = jax.grad(lambda d: divergence(q, log_p, net(fixed, x + d)))(10 * unit(jax.random.normal(key, x.shape)))
        r = lax.stop_gradient(radius * unit(direction))
        return divergence(q, log_p, net(p, x + r)) - .1 * information
    return training(loss, p, adam(2e-3))


def ladder(batch, half=False):
    """784-1000-500-250-250-250-10: labelled and unlabelled rows corrupted, the unlabelled ones clean too; every layer denoised."""
    if half:
        return None
    width, weight = [784, 1000, 500, 250, 250, 250, 10], [1000, 10, .1, .1, .1, .1, .1]
    top = len(width) - 1
    start = jnp.asarray([[0.], [1.], [0.], [0.], [0.], [0.], [1.], [0.], [0.], [0.]])
    p = {"w": [normal(width[i], width[i + 1], scale=width[i] ** -.5) for i in range(top)],
         "v": [normal(width[i + 1], width[i], scale=width[i + 1] ** -.5) for i in range(top)],
         "beta": [jnp.zeros(n) for n in width[1:]], "gamma": jnp.ones(10), "combine": [jnp.tile(start, (1, n)) for n in width]}
    labelled, unlabelled, label = uniform(batch, 784), uniform(batch, 784), labels(batch)

    def noise(z, key):
        return z.at[:2].add(.3 * jax.random.normal(key, (2,) + z.shape[1:]))

    def loss(p, key):
        keys = jax.random.split(key, top + 1)
        h = noise(jnp.stack([labelled, unlabelled, unlabelled]), keys[0]) # the last group is the clean one
        layers = [(h, None, None)]
        for i in range(top):
            product = (h.reshape(-1, width[i]) @ p["w"][i]).reshape(3, batch, -1)
            z, mean, var = standardise(product, 1, 1e-10)
            z = noise(z, keys[i + 1])
            layers.append((z, mean[2], var[2]))
            h = (z + p["beta"][i]) * p["gamma"] if i == top - 1 else nn.relu(z + p["beta"][i])
        cost, below = cross_entropy(h[0], label), None
        for i in range(top, -1, -1):
            u = standardise(nn.softmax(h[1]) if i == top else below @ p["v"][i], 0, 1e-10)[0]
            c, (z, mean, var) = p["combine"][i], layers[i]
            mu = c[0] * nn.sigmoid(c[1] * u + c[2]) + c[3] * u + c[4]
            share = c[5] * nn.sigmoid(c[6] * u + c[7]) + c[8] * u + c[9]
            below = (z[1] - mu) * share + mu
            denoised = below if i == 0 else (below - mean) * lax.rsqrt(var + 1e-10)
            cost = cost + weight[i] * ((denoised - z[2]) ** 2).mean()
        return cost
    return training(loss, p, adam(2e-3))


def vgg(batch, half=False):
    """13 convolutions with batch norm and dropout, two square layers after the third and fourth group, 512 units."""
    if half:
        return None
    groups = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
    norm = lambda n, *ones: (jnp.ones((n, *ones)), jnp.zeros((n, *ones)))
    p, channels = {"conv": [], "square": [(normal(n, n, scale=n ** -.5), *norm(n)) for n in (4096, 2048)]}, 3
    for layers, maps in groups:
        for _ in range(layers):
            p["conv"].append((normal(maps, channels, 3, 3, scale=(2 / (9 * maps)) ** .5), *norm(maps, 1, 1)))
            channels = maps
    p |= {"head": (normal(512, 512, scale=.04), *norm(512)), "logits": (normal(512, 10, scale=.04), jnp.zeros(10))}
    x, label = normal(batch, 3, 32, 32), labels(batch)

    def loss(p, key):
        keys = iter(jax.random.split(key, 16))
        drop = lambda h, rate: jnp.where(jax.random.bernoulli(next(keys), 1 - rate, h.shape), h / (1 - rate), 0)
        dense = lambda h, w, scale, shift: nn.relu(standardise(h @ w, 0, 1e-3)[0] * scale + shift)
        h, at = x, 0
        for k, (layers, maps) in enumerate(groups):
            for i in range(layers):
                w, scale, shift = p["conv"][at]
                h = nn.relu(standardise(convolve(h, w, 1), (0, 2, 3), 1e-3)[0] * scale + shift)
                h = drop(h, .4 if k else .3) if i < layers - 1 else h
                at += 1
            h = lax.reduce_window(h, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
            if k in (2, 3):
                h = drop(dense(h.reshape(batch, -1), *p["square"][k - 2]), .5).reshape(h.shape)
        h = drop(dense(drop(h.reshape(batch, -1), .5), *p["head"]), .5)
        return cross_entropy(h @ p["logits"][0] + p["logits"][1], label)
    return training(loss, p, momentum(.1))


# ---- PixelRNN ----

def skew(t):
    """(N,C,H,W) -> (N,C,H,W+H-1), each row one further to the right than the one above."""
    n, c, h, w = t.shape
    return jnp.pad(t, ((0, 0), (0, 0), (0, 0), (0, h))).reshape(n, c, -1)[:, :, :h * (w + h - 1)].reshape(n, c, h, w + h - 1)


def unskew(t):
    n, c, h, w = t.shape
    return jnp.pad(t.reshape(n, c, -1), ((0, 0), (0, 0), (0, h))).reshape(n, c, h, w + 1)[:, :, :, :w - h + 1]


def diagonal_lstm(gates, kernel, state):
    """gates (N,4h,H,W) of the input, kernel (2,h,4h) over the row above and the row itself, state: initial h and c (2,h)."""
    columns = skew(gates).transpose(3, 0, 2, 1)
    n, rows, h = columns.shape[1], columns.shape[2], kernel.shape[1]

    def cell(state, column):
        hidden, memory = state
        above = jnp.pad(hidden, ((0, 0), (1, 0), (0, 0)))[:, :-1]
        o, f, i, g = jnp.split(column + above @ kernel[0] + hidden @ kernel[1], 4, -1)
        memory = nn.sigmoid(f) * memory + nn.sigmoid(i) * jnp.tanh(g)
        hidden = nn.sigmoid(o) * jnp.tanh(memory)
        return (hidden, memory), hidden
    begin = tuple(jnp.broadcast_to(s, (n, rows, h)) for s in state)
    return unskew(lax.scan(cell, begin, columns)[1].transpose(1, 3, 2, 0))


def both_directions(left, right, kernels, states):
    a_left = diagonal_lstm(left, kernels[0], states[0])
    a_right = diagonal_lstm(right[..., ::-1], kernels[1], states[1])[..., ::-1]
    return a_left + jnp.pad(a_right, ((0, 0), (0, 0), (1, 0), (0, 0)))[:, :, :a_right.shape[2]]


def bilstm(batch, hidden, side, gradient=False):
    left, right = normal(batch, 4 * hidden, side, side), normal(batch, 4 * hidden, side, side)
    kernels, states = normal(2, 2, hidden, 4 * hidden), jnp.zeros((2, 2, hidden))
    if not gradient:
        return jitted(both_directions, left, right, kernels, states)
    dy = normal(batch, hidden, side, side)

    def f(kernel, left, right, dy):
        return jax.vjp(lambda k: both_directions(left, right, (k, kernels[1]), states), kernel)[1](dy)
    return jitted(f, kernels[0], left, right, dy)


def pixelrnn(layers, hidden, batch, side, batch_norm=False, forward=False):
    """7x7 convolution with mask A, Diagonal BiLSTM layers with residual connections and learned states, a head of 32 units."""
    wide, mask = 2 * hidden, mask_a(7)
    one = lambda out, channels: (normal(out, channels, 1, 1, scale=.1), jnp.zeros((out, 1, 1)))
    p = {"first": (normal(wide, 1, 7, 7, scale=.1), jnp.zeros((wide, 1, 1))), "head": one(32, wide), "last": one(1, 32),
         "layers": [{"in": one(4 * wide, wide), "scale": jnp.ones((4 * wide, 1, 1)), "out": one(wide, hidden),
                     "kernels": normal(2, 2, hidden, 4 * hidden, scale=.1), "states": jnp.zeros((2, 2, hidden))} for _ in range(layers)]}
    x = (uniform(batch, 1, side, side) > .5).astype(jnp.float32)

    def logits(p):
        rows = lambda t, layer: convolve(t, layer[0], 0) + layer[1]
        t = convolve(x, p["first"][0] * mask, 3) + p["first"][1]
        for layer in p["layers"]:
            maps = convolve(t, layer["in"][0], 0)
            maps = standardise(maps, (0, 2, 3), 1e-5)[0] * layer["scale"] if batch_norm else maps
            left, right = jnp.split(maps + layer["in"][1], 2, 1)
            t = t + rows(both_directions(left, right, layer["kernels"], layer["states"]), layer["out"])
        return rows(nn.relu(rows(nn.relu(t), p["head"])), p["last"])
    if forward:
        return jitted(logits, p)

    def loss(p, key):
        y = logits(p)
        return (nn.softplus(y) - x * y).sum() / batch
    return training(loss, p, rmsprop(1e-3))


# ---- the script ----

def device_peak():
    return (where.memory_stats() or {}).get("peak_bytes_in_use")


library = {"gemm": gemm, "conv": conv, "masked_conv": masked_conv, "fft_conv": fft_conv, "bilstm": bilstm, "batch_norm": batch_norm,
           "log_softmax": elementwise(lambda x: nn.log_softmax(x, axis=1)), "relu": elementwise(nn.relu), "tanh": elementwise(jnp.tanh),
           "sum": elementwise(jnp.sum), "normal": random_normal, "semantic_noise": semantic_noise, "imsat": imsat, "ladder": ladder,
           "vgg": vgg, "pixelrnn": pixelrnn}
peer.main(a, library, {"peer": "JAX", "version": jax.__version__, "blas": f"XLA of jaxlib {jax.lib.__version__}", "device": where.device_kind,
                       "flags": ["TF32"] if a.tf32 == "on" else []}, jax.block_until_ready, device_peak)

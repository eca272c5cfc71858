#!/usr/bin/env python3
"""Workloads of `latentcl bench` in PyTorch, on a CPU or a GPU: GEMMs, convolutions and their gradients, whole training steps.

    tools/peers/torch_steps.py --device cuda --tf32 on gemm-1024 semantic-mnist-b100
"""
import contextlib
import functools
import os
import re

import peer

a = peer.options(__doc__, [("--compile", "the runs go through torch.compile()"),
                           ("--channels-last", "images and filters of convolutions have their channels last")])
try:
    import torch
    from torch import nn
    from torch.nn import functional as F
except ImportError as error:
    peer.skip(f"PyTorch is not installed here ({error}); pip install torch brings it")
if a.device == "cuda" and not torch.cuda.is_available():
    peer.skip(f"PyTorch {torch.__version__} has no CUDA device here")
torch.set_num_threads(a.threads)
if (a.device == "cuda" or a.compile) and not hasattr(torch, "set_default_device"):
    peer.skip(f"--device cuda and --compile expect PyTorch 2.3 or later, this is {torch.__version__}")
if a.device == "cuda":
    torch.set_default_device("cuda")
torch.manual_seed(0)
torch.set_float32_matmul_precision("high" if a.tf32 == "on" else "highest")
if a.device == "cuda":
    torch.backends.cudnn.allow_tf32 = a.tf32 == "on"
    torch.backends.cudnn.benchmark = True


# ---- ops ----

def images(t):
    return t.to(memory_format=torch.channels_last) if a.channels_last else t


def halved(half, *tensors):
    return [t.half() if half else t for t in tensors]


def forward(f):
    """f without the graph of a gradient, compiled where that was asked for."""
    return torch.no_grad()(torch.compile(f) if a.compile else f)


def gemm(m, n, k, ta, tb, half=False):
    x, y = halved(half, torch.randn(*((k, m) if ta else (m, k))), torch.randn(*((n, k) if tb else (k, n))))
    return forward(lambda: (x.t() if ta else x) @ (y.t() if tb else y))


def conv(x, w, padding, stride, gradient=None, half=False):
    x, w = (images(t) for t in halved(half, torch.randn(*x), torch.randn(*w)))
    if not gradient:
        return forward(lambda: F.conv2d(x, w, padding=padding, stride=stride))
    dy = torch.randn_like(F.conv2d(x, w, padding=padding, stride=stride))
    which = [gradient == "dx", gradient == "dw", False]
    return forward(lambda: torch.ops.aten.convolution_backward(dy, x, w, None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], 1, which))


def mask_a(w):
    mask = torch.ones_like(w)
    mask[..., w.shape[-1] // 2, w.shape[-1] // 2:] = 0
    mask[..., w.shape[-1] // 2 + 1:, :] = 0
    return mask


def masked_conv(x, w, padding):
    x, w = images(torch.randn(*x)), torch.randn(*w)
    mask = mask_a(w)
    return forward(lambda: F.conv2d(x, w * mask, padding=padding))


def fft_conv(x, w):
    x, w = torch.randn(*x), torch.randn(*w)
    size, side = x.shape[-1] + w.shape[-1] - 1, w.shape[-1]

    def run():
        product = torch.einsum("nchw,kchw->nkhw", torch.fft.rfft2(x, (size, size)), torch.fft.rfft2(w.flip(2, 3), (size, size)))
        return torch.fft.irfft2(product, (size, size))[..., side // 2:side // 2 + x.shape[-2], side // 2:side // 2 + x.shape[-1]]
    return forward(run)


def elementwise(f):
    def make(shape):
        x = torch.randn(*shape)
        return forward(lambda: f(x))
    return make


def batch_norm(shape):
    x, scale, shift = torch.randn(*shape), torch.ones(shape[1]), torch.zeros(shape[1])
    return forward(lambda: F.batch_norm(x, None, None, scale, shift, training=True))


# ---- training steps ----

def training(parameters, optimiser, loss, half=False, clip=None):
    """One step. half: products by autocast, with a scaled loss."""
    if half and not hasattr(torch.amp, "GradScaler"): # of before 2.3
        return None
    scaler = torch.amp.GradScaler(a.device) if half else None
    parameters = list(parameters)

    def step():
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(a.device, dtype=torch.float16) if half else contextlib.nullcontext():
            cost = loss()
        (scaler.scale(cost) if half else cost).backward()
        if clip:
            nn.utils.clip_grad_value_(parameters, clip)
        if half:
            scaler.step(optimiser)
            scaler.update()
        else:
            optimiser.step()
    return torch.compile(step) if a.compile else step


def parameter(*shape, scale=1.0):
    return (scale * torch.randn(*shape)).requires_grad_()


def adam(parameters, lr):
    return torch.optim.Adam(parameters, lr=lr)


def semantic_noise_net():
    """Convolutions 3x3 of stride 2 with 32, 64, 96 maps, 128 units, 10 logits; the decoder is tied. Returns the parameters, the
    training loss of a batch and its logits."""
    w = [images(parameter(32, 1, 3, 3, scale=.3).detach()).requires_grad_(), images(parameter(64, 32, 3, 3, scale=.06).detach()).requires_grad_(),
         images(parameter(96, 64, 3, 3, scale=.04).detach()).requires_grad_(), parameter(128, 1536, scale=.025), parameter(10, 128, scale=.09)]
    b = [torch.zeros(n, requires_grad=True) for n in (32, 64, 96, 128, 10)]
    d = [torch.zeros(n, requires_grad=True) for n in (1, 32, 64, 1536, 128)]

    def encode(x):
        for i in range(3):
            x = F.relu(F.conv2d(x, w[i], b[i], stride=2, padding=1))
        return F.relu(F.linear(x.flatten(1), w[3], b[3]))

    def decode(z):
        h = F.relu(F.linear(z, w[3].t(), d[3])).view(-1, 96, 4, 4)
        h = F.relu(F.conv_transpose2d(h, w[2], d[2], stride=2, padding=1))
        h = F.relu(F.conv_transpose2d(h, w[1], d[1], stride=2, padding=1, output_padding=1))
        return F.conv_transpose2d(h, w[0], d[0], stride=2, padding=1, output_padding=1)

    def logits(z):
        return F.linear(z, w[4], b[4])

    def decode_top(y):
        return F.relu(F.linear(y, w[4].t(), d[4]))

    def loss(x, label):
        z = encode(x)
        y = logits(z)
        back, image = decode_top(y), decode(z)
        low, high = y.amin(1, keepdim=True), y.amax(1, keepdim=True)
        moved = z + decode_top(y + .2 * (high - low) * torch.randn_like(y)) - back
        reconstruction = ((x - image) ** 2).flatten(1).sum(1).mean() + ((z - back) ** 2).sum(1).mean()
        return F.cross_entropy(y, label) + F.cross_entropy(logits(moved), label) + .03 * reconstruction

    return w + b + d, loss, lambda x: logits(encode(x))


def semantic_noise(batch, half=False):
    parameters, loss, _ = semantic_noise_net()
    x, label = images(torch.rand(batch, 1, 28, 28)), torch.randint(0, 10, (batch,))
    return training(parameters, adam(parameters, 5e-3), lambda: loss(x, label), half)


def imsat(batch):
    """784-1200-1200-10 with batch norm; virtual adversarial training by one power iteration, mutual information."""
    hidden = [nn.Linear(784, 1200), nn.BatchNorm1d(1200), nn.ReLU(), nn.Linear(1200, 1200), nn.BatchNorm1d(1200), nn.ReLU()]
    net = nn.Sequential(*hidden, nn.Linear(1200, 10))
    x, radius = torch.rand(batch, 784), torch.rand(batch, 1)

    def divergence(p, log_p, log_q):
        return (p * (log_p - log_q)).sum(1).mean()

    def unit(t):
        return t / (t.norm(dim=1, keepdim=True) + 1e-8)

    def loss():
        log_y = F.log_softmax(net(x), 1)
        y, log_p = log_y.exp(), log_y.detach()
        mean, p = y.mean(0), log_p.exp()
        information = -(mean * (mean + 1e-8).log()).sum() * 4 + (y * log_y).sum(1).mean()
        d = (10 * unit(torch.randn_like(x))).requires_grad_()
        direction, = torch.autograd.grad(divergence(p, log_p, F.log_softmax(net(x + d), 1)), d)
        r = radius * unit(direction)
        return divergence(p, log_p, F.log_softmax(net(x + r), 1)) - .1 * information
    return training(net.parameters(), adam(net.parameters(), 2e-3), loss)


def ladder(batch, half=False):
    """784-1000-500-250-250-250-10: labelled and unlabelled rows corrupted, the unlabelled ones clean too; every layer denoised."""
    width, weight = [784, 1000, 500, 250, 250, 250, 10], [1000, 10, .1, .1, .1, .1, .1]
    top = len(width) - 1
    w = [parameter(width[i], width[i + 1], scale=width[i] ** -.5) for i in range(top)]
    v = [parameter(width[i + 1], width[i], scale=width[i + 1] ** -.5) for i in range(top)]
    beta = [torch.zeros(n, requires_grad=True) for n in width[1:]]
    gamma = torch.ones(width[-1], requires_grad=True)
    start = torch.tensor([[0.], [1.], [0.], [0.], [0.], [0.], [1.], [0.], [0.], [0.]])
    combine = [start.repeat(1, n).requires_grad_() for n in width]
    labelled, unlabelled, label = torch.rand(batch, 784), torch.rand(batch, 784), torch.randint(0, 10, (batch,))

    def moments(z):
        return z.mean(-2, keepdim=True), z.var(-2, unbiased=False, keepdim=True)

    def standardise(z, mean, var):
        return (z - mean) * torch.rsqrt(var + 1e-10)

    def noise(z, clean):
        """Corrupts all groups of rows but the last `clean` ones."""
        e = .3 * torch.randn_like(z[:z.shape[0] - clean])
        return torch.cat([z[:z.shape[0] - clean] + e, z[z.shape[0] - clean:]])

    def encode(x):
        h = noise(x, 1)
        layers = [(h, None, None)]
        for i in range(top):
            product = (h.reshape(-1, width[i]) @ w[i]).view(3, batch, -1)
            mean, var = moments(product)
            z = noise(standardise(product, mean, var), 1)
            layers.append((z, mean[2], var[2]))
            h = (z + beta[i]) * gamma if i == top - 1 else F.relu(z + beta[i])
        return layers, h

    def loss():
        layers, logits = encode(torch.stack([labelled, unlabelled, unlabelled])) # the last group is the clean one
        cost, below = F.cross_entropy(logits[0], label), None
        for i in range(top, -1, -1):
            u = logits[1].softmax(1) if i == top else below @ v[i]
            u = standardise(u, *moments(u))
            c, (z, mean, var) = combine[i], layers[i]
            mu = c[0] * torch.sigmoid(c[1] * u + c[2]) + c[3] * u + c[4]
            share = c[5] * torch.sigmoid(c[6] * u + c[7]) + c[8] * u + c[9]
            below = (z[1] - mu) * share + mu
            denoised = below if i == 0 else standardise(below, mean, var)
            cost = cost + weight[i] * F.mse_loss(denoised, z[2])
        return cost
    parameters = w + v + beta + [gamma] + combine
    return training(parameters, adam(parameters, 2e-3), loss, half)


def vgg(batch, half=False):
    """13 convolutions with batch norm and dropout, two square layers after the third and fourth group, 512 units."""
    class Square(nn.Module):
        def __init__(self, size):
            super().__init__()
            self.part = nn.Sequential(nn.Flatten(), nn.Linear(size, size), nn.BatchNorm1d(size), nn.ReLU(), nn.Dropout(.5))

        def forward(self, x):
            return self.part(x).view(x.shape)
    parts, channels = [], 3
    for group, (layers, maps) in enumerate(((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))):
        for i in range(layers):
            parts += [nn.Conv2d(channels, maps, 3, padding=1, bias=False), nn.BatchNorm2d(maps), nn.ReLU()]
            parts += [nn.Dropout(.4 if group else .3)] if i < layers - 1 else []
            channels = maps
        parts.append(nn.MaxPool2d(2))
        parts += [Square(maps * (16, 4)[group - 2])] if group in (2, 3) else []
    net = nn.Sequential(*parts, nn.Flatten(), nn.Dropout(.5), nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Dropout(.5),
                        nn.Linear(512, 10))
    if a.channels_last:
        net = net.to(memory_format=torch.channels_last)
    x, label = images(torch.randn(batch, 3, 32, 32)), torch.randint(0, 10, (batch,))
    optimiser = torch.optim.SGD(net.parameters(), lr=.1, momentum=.9, weight_decay=5e-4)
    return training(net.parameters(), optimiser, lambda: F.cross_entropy(net(x), label), half)


# ---- PixelRNN ----

def skew(t):
    """(N,C,H,W) -> (N,C,H,W+H-1), each row one further to the right than the one above."""
    n, c, h, w = t.shape
    return F.pad(t, (0, h)).reshape(n, c, -1)[:, :, :h * (w + h - 1)].reshape(n, c, h, w + h - 1)


def unskew(t):
    n, c, h, w = t.shape
    return F.pad(t.reshape(n, c, -1), (0, h)).reshape(n, c, h, w + 1)[:, :, :, :w - h + 1]


def diagonal_lstm(gates, kernel, state=None):
    """gates (N,4h,H,W) of the input, kernel (4h,h,2) over the row above and the row itself, state: initial h and c (h)."""
    n, h, rows = gates.shape[0], gates.shape[1] // 4, gates.shape[2]
    gates = skew(gates)
    hidden, cell = (s.view(1, h, 1).expand(n, h, rows) for s in state) if state else torch.zeros(2, n, h, rows)
    out = []
    for k in range(gates.shape[3]):
        o, f, i, g = (gates[:, :, :, k] + F.conv1d(F.pad(hidden, (1, 0)), kernel)).chunk(4, 1)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
        hidden = torch.sigmoid(o) * torch.tanh(cell)
        out.append(hidden)
    return unskew(torch.stack(out, 3))


def both_directions(left, right, kernels, states=(None, None)):
    a_left = diagonal_lstm(left, kernels[0], states[0])
    a_right = diagonal_lstm(right.flip(3), kernels[1], states[1]).flip(3)
    return a_left + F.pad(a_right, (0, 0, 1, 0))[:, :, :a_right.shape[2]]


def bilstm(batch, hidden, side, gradient=False):
    maps = [torch.randn(batch, 4 * hidden, side, side) for _ in range(2)]
    kernels = [torch.randn(4 * hidden, hidden, 2, requires_grad=gradient) for _ in range(2)]
    if not gradient:
        return forward(lambda: both_directions(*maps, kernels))
    dy = torch.randn(batch, hidden, side, side)
    return lambda: torch.autograd.grad(both_directions(*maps, kernels), kernels[0], dy)


def pixelrnn(layers, hidden, batch, side, batch_norm=False, forward=False):
    """7x7 convolution with mask A, Diagonal BiLSTM layers with residual connections and learned states, a head of 32 units."""
    first, head, last = nn.Conv2d(1, 2 * hidden, 7, padding=3), nn.Conv2d(2 * hidden, 32, 1), nn.Conv2d(32, 1, 1)
    mask = mask_a(first.weight)
    inputs = [nn.Conv2d(2 * hidden, 8 * hidden, 1, bias=not batch_norm) for _ in range(layers)]
    norms = [nn.BatchNorm2d(8 * hidden) if batch_norm else nn.Identity() for _ in range(layers)]
    outputs = [nn.Conv2d(hidden, 2 * hidden, 1) for _ in range(layers)]
    kernels = [[parameter(4 * hidden, hidden, 2, scale=.1) for _ in range(2)] for _ in range(layers)]
    states = [[[torch.zeros(hidden, requires_grad=True) for _ in range(2)] for _ in range(2)] for _ in range(layers)]
    net = nn.ModuleList([first, head, last, *inputs, *norms, *outputs])
    loose = [t for layer in kernels for t in layer] + [t for layer in states for direction in layer for t in direction]
    parameters = list(net.parameters()) + loose
    x = (torch.rand(batch, 1, side, side) > .5).float()

    def logits():
        t = F.conv2d(x, first.weight * mask, first.bias, padding=3)
        for i in range(layers):
            left, right = norms[i](inputs[i](t)).chunk(2, 1)
            t = t + outputs[i](both_directions(left, right, kernels[i], states[i]))
        return last(F.relu(head(F.relu(t))))
    if forward:
        return torch.no_grad()(logits)
    optimiser = torch.optim.RMSprop(parameters, lr=1e-3, alpha=.9)
    return training(parameters, optimiser, lambda: F.binary_cross_entropy_with_logits(logits(), x, reduction="sum") / batch, clip=1)


# ---- an epoch from disk ----

def epoch(batch):
    """ImageFolder and DataLoader as people write them: decoding, a shift by at most 4 and mirroring in as many processes as there
    are threads, three convolutions, one pass over BENCH_IMAGES/train and an evaluation of BENCH_IMAGES/test."""
    root = os.environ.get("BENCH_IMAGES")
    if not root:
        return None
    try:
        import numpy
        from PIL import Image
    except ImportError:
        return None

    class Folder(torch.utils.data.Dataset):
        def __init__(self, part, train):
            top = os.path.join(root, part)
            self.train = train
            self.files = [(os.path.join(top, name, file), label) for label, name in enumerate(sorted(os.listdir(top)))
                          for file in sorted(os.listdir(os.path.join(top, name)))]

        def __len__(self):
            return len(self.files)

        def __getitem__(self, index):
            path, label = self.files[index]
            x = torch.from_numpy(numpy.array(Image.open(path).convert("RGB"))).permute(2, 0, 1).float() / 255
            if self.train:
                top, left = torch.randint(0, 9, (2,), device="cpu").tolist()
                x = F.pad(x, (4, 4, 4, 4))[:, top:top + x.shape[1], left:left + x.shape[2]]
                x = x.flip(2) if torch.rand((), device="cpu") < .5 else x
            return x, label

    def loader(part, train):
        return torch.utils.data.DataLoader(Folder(part, train), batch, shuffle=train, num_workers=a.threads, pin_memory=a.device == "cuda",
                                           generator=torch.Generator(device=a.device) if a.device == "cuda" else None)

    def conv(inner, outer, side):
        return [nn.Conv2d(inner, outer, side, bias=False), nn.ReLU(), nn.MaxPool2d(2)]

    def run():
        net = nn.Sequential(*conv(3, 20, 5), *conv(20, 40, 5), *conv(40, 80, 3), nn.Flatten(), nn.Linear(720, 2))
        net = net.to(memory_format=torch.channels_last) if a.channels_last else net
        optimiser, right = torch.optim.SGD(net.parameters(), lr=.01, momentum=.9), 0
        for x, label in loader("train", True):
            optimiser.zero_grad(set_to_none=True)
            F.cross_entropy(net(images(x.to(a.device))), label.to(a.device)).backward()
            optimiser.step()
        with torch.no_grad():
            for x, label in loader("test", False):
                right += int((net(images(x.to(a.device))).argmax(1) == label.to(a.device)).sum())
        return right
    return run


# ---- the script ----

def blas():
    if a.device == "cuda":
        return f"cuBLAS and cuDNN of CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    lines = torch.__config__.show().splitlines()
    found = [re.sub(r"\((R|Git Hash[^)]*)\)|for Intel.*|applications|Product Build \d+", "", line).strip(" -") for line in lines
             if re.search(r"Math Kernel Library|MKL-DNN|oneDNN", line)]
    if not any("Math Kernel" in line for line in found):
        found.append(peer.loaded_blas())
    return "; ".join(found)


library = {"gemm": gemm, "conv": conv, "masked_conv": masked_conv, "fft_conv": fft_conv, "bilstm": bilstm, "batch_norm": batch_norm,
           "log_softmax": elementwise(functools.partial(F.log_softmax, dim=1)), "relu": elementwise(F.relu), "tanh": elementwise(torch.tanh),
           "sum": elementwise(torch.sum), "normal": elementwise(torch.randn_like), "semantic_noise": semantic_noise, "imsat": imsat,
           "ladder": ladder, "vgg": vgg, "pixelrnn": pixelrnn,
           "epoch": epoch}
device = torch.cuda.get_device_name() if a.device == "cuda" else "cpu"
flags = [word for word, given in (("compiled", a.compile), ("channels last", a.channels_last), ("TF32", a.tf32 == "on")) if given]
peer.main(a, library, {"peer": "PyTorch", "version": torch.__version__, "blas": blas(), "device": device, "flags": flags},
          wait=lambda results: torch.cuda.synchronize() if a.device == "cuda" else None,
          device_peak=lambda: torch.cuda.max_memory_allocated() if a.device == "cuda" else None)

#!/usr/bin/env python3
"""Values of the semantic-noise objectives from PyTorch, for tests/models/test_semantic_noise.c.

Made once with PyTorch 2.15 (double precision):  python3 make.py > values.json
Weights, images and labels come from the linear congruential generator below, which the test has too. The noise is
LatentCL's own (eps_<case>.f32, written by the test when LATENTCL_GOLDEN_WRITE names this folder): PyTorch gets it as data.
"""
import json, os, sys
import numpy as np, torch, torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
BATCH = 4


def lcg(name, n):
    """n numbers in [0,1): x <- 1664525 x + 1013904223 mod 2^32, started from the FNV-1a hash of the name."""
    x = 2166136261
    for c in name.encode():
        x = ((x ^ c) * 16777619) & 0xffffffff
    out = np.empty(n)
    for i in range(n):
        x = (1664525 * x + 1013904223) & 0xffffffff
        out[i] = (x >> 8) / float(1 << 24)
    return out


def weight(name, *shape):
    fan = int(np.prod(shape[1:]))
    v = (lcg(name, int(np.prod(shape))) * 2 - 1) * (1.5 / fan) ** 0.5
    return torch.tensor(v.astype(np.float32).astype(float).reshape(shape), requires_grad=True)


def bias(name, n):
    v = (lcg(name, n) * 2 - 1) * 0.1
    return torch.tensor(v.astype(np.float32).astype(float), requires_grad=True)


ARCH = {
    'conv': ((1, 28), [(3, 2, 32), (3, 2, 64), (3, 2, 96), (0, 0, 128)]),
    'mlp': ((1, 28), [(0, 0, 512), (0, 0, 256), (0, 0, 256), (0, 0, 128)]),
    'cifar': ((3, 24), [(5, 1, 64), (3, 2, 64), (3, 2, 64), (3, 2, 96), (0, 0, 128), (0, 0, 128)]),
}


def pads(n, k, s):
    total = max((-(-n // s) - 1) * s + k - n, 0)
    return total // 2, total - total // 2


class Net:
    def __init__(self, arch, act_z):
        (c, side), self.layers = ARCH[arch]
        self.flat, self.act_z = arch == 'mlp', act_z
        self.p = {}
        shape = (c * side * side,) if self.flat else (c, side, side)
        self.shape = [shape]
        for i, (k, s, out) in enumerate(self.layers):
            name = 'enc.%s%d' % ('conv' if k else 'fc', i + 1)
            if k:
                self.p[name + '.weight'] = weight(name + '.weight', out, shape[0], k, k)
                shape = (out, -(-shape[1] // s), -(-shape[2] // s))
            else:
                self.p[name + '.weight'] = weight(name + '.weight', out, int(np.prod(shape)))
                shape = (out,)
            self.p[name + '.bias'] = bias(name + '.bias', out)
            self.shape.append(shape)
        self.p['enc.logits.weight'] = weight('enc.logits.weight', 10, shape[0])
        self.p['enc.logits.bias'] = bias('enc.logits.bias', 10)
        for i, s in enumerate(self.shape):
            name = 'dec.x.bias' if i == 0 else 'dec.z.bias' if i == len(self.layers) else 'dec.h%d.bias' % i
            self.p[name] = bias(name, s[0])

    def conv(self, x, i):
        k, s, out = self.layers[i]
        t, b = pads(x.shape[2], k, s)
        l, r = pads(x.shape[3], k, s)
        return F.conv2d(F.pad(x, (l, r, t, b)), self.p['enc.conv%d.weight' % (i + 1)], stride=s)

    def encode(self, x):
        h = [x]
        for i, (k, s, out) in enumerate(self.layers):
            if k:
                u = self.conv(h[-1], i) + self.p['enc.conv%d.bias' % (i + 1)].view(1, -1, 1, 1)
            else:
                u = F.linear(h[-1].flatten(1), self.p['enc.fc%d.weight' % (i + 1)], self.p['enc.fc%d.bias' % (i + 1)])
            h.append(F.relu(u))
        return h

    def classify(self, z):
        return F.linear(z, self.p['enc.logits.weight'], self.p['enc.logits.bias'])

    def decode_top(self, y):
        z = y @ self.p['enc.logits.weight'] + self.p['dec.z.bias']
        return F.relu(z) if self.act_z == 'relu' else z

    def decode(self, z):
        r = [None] * (len(self.layers) + 1)
        r[-1] = z
        for i in reversed(range(len(self.layers))):
            k, s, out = self.layers[i]
            shape = self.shape[i]
            if k:  # the data gradient of the convolution, by autograd itself
                probe = torch.zeros((BATCH,) + shape, dtype=torch.float64, requires_grad=True)
                u, = torch.autograd.grad(self.conv(probe, i), probe, r[i + 1], create_graph=True)
            else:
                u = (r[i + 1] @ self.p['enc.fc%d.weight' % (i + 1)]).view((BATCH,) + shape)
            b = self.p['dec.x.bias' if i == 0 else 'dec.h%d.bias' % i]
            u = u + (b.view(1, -1, 1, 1) if len(shape) == 3 else b)
            r[i] = F.relu(u) if i else u
        return r


def noise(case, shape):
    path = os.path.join(HERE, 'eps_%s.f32' % case)
    return torch.tensor(np.fromfile(path, np.float32).astype(float).reshape(shape))


def l2(a, b):
    return ((a - b) ** 2).flatten(1).sum(1).mean()


def minmax(b, eps, range_grad, std=0.2):
    span = b.max(1, keepdim=True)[0] - b.min(1, keepdim=True)[0]
    return b + std * (span if range_grad else span.detach()) * eps


def case(name, arch, variant, lam, denoise=0.0, range_grad=True, act_z='linear'):
    net = Net(arch, act_z)
    (c, side), _ = ARCH[arch]
    x = torch.tensor((lcg('image', BATCH * c * side * side) - 0.3).astype(np.float32).astype(float))
    x = x.view((BATCH,) + net.shape[0])
    t = torch.tensor([(3 * i + 1) % 10 for i in range(BATCH)])
    noisy = x + denoise * noise(name, x.shape) if denoise else x
    h = net.encode(noisy)
    target = [v.detach() for v in net.encode(x)] if denoise else list(h)
    target[0] = x
    z, y = h[-1], net.classify(h[-1])
    terms = {'nll': F.cross_entropy(y, t)}
    loss = terms['nll']
    if variant != 'feed-forward':
        r = net.decode(z)
        terms['recon_x'] = l2(target[0], r[0])
        if variant == 'recon-all':
            for i in range(1, len(h) - 1):
                terms['recon_h%d' % i] = l2(target[i], r[i])
    if variant in ('base', 'perturb-random', 'perturb-semantic'):
        zr = net.decode_top(y)
        terms['recon_z'] = l2(target[-1], zr)
    loss = loss + lam * sum(v for k, v in terms.items() if k.startswith('recon'))
    if variant.startswith('perturb'):
        if variant == 'perturb-semantic':
            moved = z + net.decode_top(minmax(y, noise(name, y.shape), range_grad)) - zr
        else:
            moved = minmax(z, noise(name, z.shape), range_grad)
        terms['nll_perturbed'] = F.cross_entropy(net.classify(moved), t)
        loss = loss + terms['nll_perturbed']
    names = [k for k in net.p]
    grads = torch.autograd.grad(loss, [net.p[k] for k in names], allow_unused=True)
    out = {k: v.item() for k, v in terms.items()}
    out['loss'] = loss.item()
    # A gradient is pinned by its norm and its product with a fixed direction.
    g = {k: [v.norm().item(), (v.flatten() * torch.tensor(lcg('direction', v.numel()) - 0.5)).sum().item()]
         for k, v in zip(names, grads) if v is not None}
    return {'arch': arch, 'variant': variant, 'denoise': denoise, 'range_grad': range_grad, 'dec_act_z': act_z, 'lambda1': lam, 'terms': out, 'gradients': g}


CASES = [('conv-' + v, 'conv', v, 0.03, 0.0) for v in
         ('feed-forward', 'recon-one', 'recon-all', 'base', 'perturb-random', 'perturb-semantic')] + [
    ('conv-perturb-random-fixed', 'conv', 'perturb-random', 0.03, 0.0, False),
    ('conv-perturb-semantic-fixed', 'conv', 'perturb-semantic', 0.03, 0.0, False),
    ('conv-base-relu', 'conv', 'base', 0.03, 0.0, True, 'relu'),
    ('conv-perturb-semantic-relu', 'conv', 'perturb-semantic', 0.03, 0.0, True, 'relu'),
    ('conv-recon-all-denoise', 'conv', 'recon-all', 0.03, 0.1),
    ('conv-base-denoise', 'conv', 'base', 0.03, 0.1),
    ('mlp-recon-all', 'mlp', 'recon-all', 0.03, 0.0),
    ('mlp-perturb-semantic', 'mlp', 'perturb-semantic', 0.03, 0.0),
    ('cifar-recon-all', 'cifar', 'recon-all', 0.01, 0.0),
    ('cifar-perturb-semantic', 'cifar', 'perturb-semantic', 0.01, 0.0)]

if __name__ == '__main__':
    json.dump({c[0]: case(*c) for c in CASES}, sys.stdout, indent=1)
    print()

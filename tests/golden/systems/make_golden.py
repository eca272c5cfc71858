#!/usr/bin/python3
"""Losses and gradients of whole models on fixed weights, by PyTorch (1.13, double precision), for
tests/models/test_golden.c. Usage: make_golden.py FOLDER. Writes one JSON file a case:

  model, options, data, batch, unlabelled_batch   how LatentCL builds the graph
  fill       variable or input -> [seed, scale, offset]: its values, see fill()
  label      class indices
  want       term or "loss" -> [value, bound]
  grad       variable -> {stride, value, bound}: every stride-th element of d loss / d variable

A bound is 16 times the largest error that PyTorch itself makes in single precision on the same numbers, plus 64
roundings of the largest value concerned: LatentCL sums in another order, and must do no worse than that.
"""
import json, sys
import numpy as np, torch
import torch.nn.functional as F

EPS32 = 2.0 ** -24


def fill(count, seed, scale, offset):
    """Pseudo-random numbers in offset + scale*[-1,1), the same in C (Murmur's finaliser of the index)."""
    v = (np.arange(1, count + 1, dtype=np.uint64) * 2654435761 + seed * 40503) % 2**32
    v ^= v >> np.uint64(15)
    v = v * 2246822519 % 2**32
    v ^= v >> np.uint64(13)
    v = v * 3266489917 % 2**32
    v ^= v >> np.uint64(16)
    x = (v >> np.uint64(8)).astype(np.float64) / 2.0**23 - 1
    return (offset + scale * x).astype(np.float32)


class Case:
    """Collects variables as the model asks for them."""

    def __init__(self, dtype, seed):
        self.dtype, self.seed, self.fills, self.vars = dtype, seed, {}, {}

    def data(self, name, shape, scale, offset):
        self.seed += 1
        self.fills[name] = [self.seed, scale, offset]
        return torch.tensor(fill(int(np.prod(shape)), self.seed, scale, offset).reshape(shape)).to(self.dtype)

    def var(self, name, shape, scale=0.5, offset=0.0):
        if name not in self.vars:
            self.vars[name] = self.data(name, shape, scale, offset).requires_grad_()
        return self.vars[name]


def digits(v):
    return float(f'{v:.9g}')


def labels(n, classes):
    return [(7 * i + i // 3) % classes for i in range(n)]


def write(folder, name, head, run):
    """run(case) -> (loss, terms)."""
    results = []
    for dtype in (torch.float64, torch.float32):
        case = Case(dtype, sum(map(ord, name)))
        loss, terms = run(case)
        names = sorted(case.vars)
        grads = torch.autograd.grad(loss, [case.vars[k] for k in names], allow_unused=True)
        values = {k: v.item() for k, v in dict(terms, loss=loss).items()}
        grads = {k: (torch.zeros_like(case.vars[k]) if g is None else g).detach().double().numpy().ravel()
                 for k, g in zip(names, grads)}
        results.append((values, grads, case))
    (values, grads, case), (values32, grads32, _) = results
    out = dict(head, fill=case.fills)
    size = lambda k: max(1, *(abs(v) for v in values.values())) if k == 'loss' else max(1, abs(values[k]))
    out['want'] = {k: [digits(v), digits(16 * abs(v - values32[k]) + 64 * EPS32 * size(k))] for k, v in values.items()}
    top = max(np.abs(g).max() for g in grads.values())
    worst = max(np.abs(grads[k] - grads32[k]).max() for k in grads)
    out['grad'] = {}
    for k, g in grads.items():
        stride = (g.size + 31) // 32
        out['grad'][k] = dict(stride=stride, value=[digits(v) for v in g[::stride]],
                              bound=digits(16 * worst + 64 * EPS32 * top))
    with open(f'{folder}/{name}.json', 'w') as f:
        f.write('{\n' + ',\n'.join(f'  {json.dumps(k)}: {json.dumps(v)}' for k, v in out.items()) + '\n}\n')


# ---- ladder ---------------------------------------------------------------------------------------------------------

def standardise(x, dim=0):
    m, v = x.mean(dim, keepdim=True), x.var(dim, unbiased=False, keepdim=True)
    return (x - m) / torch.sqrt(v + 1e-10), m, v


def combine(c, kind, name, z, u):
    f = z.shape[1]
    p = lambda part: c.var(f'{name}.{part}', (f,), 0.5)
    if kind == 'gauss':
        mu = p('a1') * torch.sigmoid(p('a2') * u + p('a3')) + p('a4') * u + p('a5')
        v = p('a6') * torch.sigmoid(p('a7') * u + p('a8')) + p('a9') * u + p('a10')
        return (z - mu) * v + mu
    if kind == 'sig':
        s = torch.sigmoid(p('c1') + p('c2') * z + p('c3') * u + p('c4') * z * u)
        return p('a1') + p('a2') * z + p('a3') * u + p('a4') * z * u + p('b1') * s
    if kind == 'adhoc':
        a = [p(f'c{j}') * u + p(f'd{j}') for j in range(1, 6)]
        return a[0] * z + a[1] * torch.sigmoid(a[2] * z + a[3]) + a[4]
    if kind == 'linear':
        return p('w') * z + p('b')
    h = torch.stack([z, u, z * u], 2)  # amlp, hidden layers of 3 and 2
    for i, out in enumerate((3, 2, 1)):
        w, b = c.var(f'{name}.weight{i}', (f, out, h.shape[2])), c.var(f'{name}.bias{i}', (f, out))
        h = torch.einsum('nfi,foi->nfo', h, w) + b
        if i < 2:
            h = F.leaky_relu(h, 0.1)
    return h[:, :, 0]


def ladder(kind='gauss', lam=(100., 10., 1., .5), div='std', rows=8, free=8):
    width, top = [12, 6, 5, 4], 3

    def encode(c, x):
        h, zs, ms, vs = x, [x], [None], [None]
        for l in range(1, top + 1):
            z, m, v = standardise(h @ c.var(f'enc{l}.weight', (width[l], width[l - 1])).T)
            h = z + c.var(f'enc{l}.beta', (width[l],))
            h = F.relu(h) if l < top else c.var(f'enc{l}.gamma', (width[l],), 0.5, 1.0) * h
            zs, ms, vs = zs + [z], ms + [m], vs + [v]
        return h, zs, ms, vs

    def run(c):
        x, u = c.data('image', (rows, 12), 0.5, 0.5), c.data('unlabelled', (free, 12), 0.5, 0.5)
        logits = encode(c, x)[0]
        loss = F.cross_entropy(logits, torch.tensor(labels(rows, 4)))
        terms = {'nll': loss}
        if not any(lam):
            return loss, terms
        y, z, m, v = encode(c, u)
        lowest = min(l for l in range(top + 1) if lam[l])
        zhat = None
        for l in range(top, lowest - 1, -1):
            up = F.softmax(y, 1) if l == top else zhat @ c.var(f'dec{l}.weight', (width[l], width[l + 1])).T
            zhat = combine(c, kind, f'g{l}', z[l], standardise(up)[0])
            if not lam[l]:
                continue
            zb = zhat
            if l and div == 'std':
                zb = (zhat - m[l]) / torch.sqrt(v[l] + 1e-10)
            if l and div == 'var':
                zb = (zhat - m[l]) / (v[l] + 1e-10)
            terms[f'denoise{l}'] = ((z[l] - zb) ** 2).mean()
            loss = loss + lam[l] * terms[f'denoise{l}']
        return loss, terms

    options = ['widths=6-5', 'noise=0', f'g={kind}', 'amlp_hidden=3-2', f'zbn_div={div}',
               'lambda=' + ','.join(f'{v:g}' for v in lam)]
    return dict(model='ladder', options=options, data=[1, 3, 4, 4], batch=rows, unlabelled_batch=free,
                label=labels(rows, 4)), run


# ---- imsat ----------------------------------------------------------------------------------------------------------

def imsat(system, task):
    rows, hidden, outputs, d0 = 10, () if 'linear' in system else (7, 6), 4 if task == 'cluster' else 5, 1e-8

    def net(c, h):
        fan = 12
        for i, n in enumerate(hidden, 1):
            w = c.var(f'fc{i}.weight', (n, fan))
            h, fan = h @ w.T + c.var(f'fc{i}.bias', (n,)), n
            m, v = h.mean(0), h.var(0, unbiased=False)
            h = (h - m) / torch.sqrt(v + 2e-5) * c.var(f'bn{i}.gamma', (n,), 0.5, 1.) + c.var(f'bn{i}.beta', (n,))
            h = F.relu(h)
        w = c.var('top.weight', (outputs, fan))
        return h @ w.T + c.var('top.bias', (outputs,))

    def run(c):
        y, terms, smoothness = net(c, c.data('clean' if system == 'imsat-sat' else 'image', (rows, 12), 1., 0.)), {}, 0
        if system == 'imsat-sat':
            logp, logq = F.log_softmax(y, 1).detach(), F.log_softmax(net(c, c.data('image', (rows, 12), 1., 0.)), 1)
            smoothness = terms['smoothness'] = (logp.exp() * (logp - logq)).sum(1).mean()
        if task == 'cluster':
            p = F.softmax(y, 1)
            mean = p.mean(0)
            terms['conditional_entropy'] = -(p * F.log_softmax(y, 1)).sum(1).mean()
            terms['marginal_entropy'] = -(mean * torch.log(mean + d0)).sum()
            cost = terms['conditional_entropy'] - 3. * terms['marginal_entropy']
        else:
            p = torch.sigmoid(y)
            entropy = lambda a: -(a * torch.log(a + d0) + (1 - a) * torch.log(1 - a + d0))
            mean, pairs = p.mean(0), 0
            for d in range(outputs):
                for e in range(d + 1, outputs):
                    for a, ma in ((p[:, d], mean[d]), (1 - p[:, d], 1 - mean[d])):
                        for b, mb in ((p[:, e], mean[e]), (1 - p[:, e], 1 - mean[e])):
                            joint = (a * b).mean()
                            pairs = pairs + joint * torch.log((joint + d0) / (ma * mb + d0))
            terms['pair_information'] = pairs
            terms['conditional_entropy'] = entropy(p).sum(1).mean()
            terms['marginal_entropy'] = entropy(mean).sum()
            cost = terms['conditional_entropy'] - terms['marginal_entropy'] + 2 * pairs
        return 0.7 * cost + smoothness, terms

    options = [f'task={task}', f'system={system}', 'clusters=4', 'bits=5', 'lam=0.7', 'mu=3']
    if hidden:
        options.append('hidden=7-6')
    if system == 'imsat-sat':
        options.append('augment=mirror')
    return dict(model='imsat', options=options, data=[1, 3, 4, 4], batch=rows, unlabelled_batch=0, label=[]), run


# ---- autoencoder and DEC -----------------------------------------------------------------------------------------------

def dec(system):
    def run(c):
        image = h = c.data('image', (6, 12), 0.5, 0.5)
        lin = lambda x, name, n: x @ c.var(f'{name}.weight', (n, x.shape[1])).T + c.var(f'{name}.bias', (n,))
        z = lin(F.relu(lin(F.relu(lin(h, 'enc1', 7)), 'enc2', 5)), 'code', 3)
        if system == 'dae':
            out = lin(F.relu(lin(F.relu(lin(z, 'dec2', 5)), 'dec1', 7)), 'out', 12)
            return ((out - image) ** 2).sum(1).mean(), {}
        centres = c.var('centres', (4, 3), 1.)
        q = 1 / (1 + ((z[:, None] - centres[None]) ** 2).sum(2))
        q = q / q.sum(1, keepdim=True)
        p = q.detach() ** 2 / 0.25  # every cluster's share is still 1/4
        p = p / p.sum(1, keepdim=True)
        return (p * torch.log(p / q)).sum(1).mean(), {'entropy': -(q * torch.log(q)).sum(1).mean()}

    options = [f'system={system}', 'hidden=7,5', 'latent=3', 'clusters=4', 'mask=0'] + ['target=batch'] * (system == 'dec')
    return dict(model='dec', options=options, data=[1, 3, 4, 4], batch=6, unlabelled_batch=0, label=[]), run


# ---- inversion ------------------------------------------------------------------------------------------------------

def inversion(arch, max_pool=False, inhibitor=False, alpha=0.6, beta=0.7, rows=3, free=2, side=22, weights=(1,), cosine=False, template=0):
    def run(c):
        count = [0]
        inner = []

        def conv(x, out, kernel, pad, bias=True):
            count[0] += 1
            name, fan = f'conv{count[0]}', x.shape[1] * kernel * kernel
            w = c.var(name + '.weight', (out, x.shape[1], kernel, kernel), (3. / fan) ** 0.5)
            b = c.var(name + '.bias', (out,), 0.1) if bias and not inhibitor else None
            return F.conv2d(x, w, b, padding=pad)

        act = lambda u: F.relu(u - u.mean(1, keepdim=True)) if inhibitor else F.relu(u)
        pool = lambda v: F.max_pool2d(v, 2) if max_pool else F.avg_pool2d(v, 2)
        top = lambda h: h.flatten(1) @ c.var('top.weight', (4, h.flatten(1).shape[1]), h.flatten(1).shape[1] ** -.5).T

        def block(x, out):
            h = act(conv(x, out, 3, 1))
            h = conv(h, out, 3, 1, False)
            return (conv(x, out, 1, 0, False) if x.shape[1] != out else x) + h

        def net(x):
            if arch == 'small-cnn':
                for out, k in ((32, 3), (64, 3), (128, 1)):
                    inner.append(act(conv(x, out, k, 0)))
                    x = pool(inner[-1])
                return top(x)
            depth, width = (2, 32) if arch == 'resnet2-32' else (3, 16)
            h = conv(x, width, 3, 1)
            for _ in range(depth):
                h = block(h, width)
            for _ in range(2):
                width *= 2
                h = pool(block(h, width))
                for _ in range(depth - 1):
                    h = block(h, width)
            return top(h.mean((2, 3)))

        x = torch.cat([c.data('image', (rows, 1, side, side), 0.5, 0.5),
                       c.data('unlabelled', (free, 1, side, side), 0.5, 0.5)]).requires_grad_()
        y = net(x)
        layers = [x, *inner][:len(weights)]
        back = torch.autograd.grad(y, layers, y, create_graph=True)
        cost = (lambda a, b: 1 - F.cosine_similarity(a.flatten(1), b.flatten(1)).mean()) if cosine else (lambda a, b: ((a - b) ** 2).mean())
        logp = F.log_softmax(y, 1)
        terms = {'nll': F.cross_entropy(y[:rows], torch.tensor(labels(rows, 4))),
                 'reconstruction': sum(w * cost(b, h) for w, b, h in zip(weights, back, layers) if w),
                 'entropy': -(logp.exp() * logp).sum(1).mean()}
        loss = alpha * terms['nll'] + (1 - alpha) * (beta * terms['reconstruction'] + (1 - beta) * terms['entropy'])
        if template:
            slopes = [torch.autograd.grad(y[:, k].sum(), x, create_graph=True)[0].flatten(1) for k in range(4)]
            terms['template_norm'] = sum(F.relu((s ** 2).sum(1) - template).mean() for s in slopes) / 4
            loss = loss + 0.5 * terms['template_norm']
        return loss, terms

    options = [f'arch={arch}', 'pooling=' + ('max' if max_pool else 'mean'),
               'inhibitor=' + ('true' if inhibitor else 'false'), f'alpha={alpha}', f'beta={beta}']
    options += ['layer_weights=' + ','.join(map(str, weights))] * (weights != (1,)) + ['recon=cosine'] * cosine
    options += [f'template_norm={template}', 'w_template=0.5'] * bool(template)
    return dict(model='inversion', options=options, data=[1, side, side, 4], batch=rows, unlabelled_batch=free,
                label=labels(rows, 4)), run


CASES = {
    'ladder_gauss': ladder(), 'ladder_sig': ladder('sig'), 'ladder_adhoc': ladder('adhoc'),
    'ladder_amlp': ladder('amlp'), 'ladder_var': ladder(div='var'), 'ladder_none': ladder(div='none'),
    'ladder_gamma': ladder(lam=(0., 0., 0., .5)), 'ladder_bottom': ladder('linear', (5., 0., 0., 0.)),
    'ladder_baseline': ladder(lam=(0., 0., 0., 0.)), 'ladder_uneven': ladder(rows=5),
    'imsat_deep_rim': imsat('deep-rim', 'cluster'), 'imsat_linear_rim': imsat('linear-rim', 'cluster'),
    'imsat_deep_rim_hash': imsat('deep-rim', 'hash'), 'imsat_sat': imsat('imsat-sat', 'cluster'),
    'dec_dae': dec('dae'), 'dec_dec': dec('dec'),
    'inversion_small': inversion('small-cnn'), 'inversion_small_max': inversion('small-cnn', True),
    'inversion_small_inhibitor': inversion('small-cnn', False, True),
    'inversion_layers': inversion('small-cnn', weights=(0.3, 0, 1, 0.5)),
    'inversion_cosine': inversion('small-cnn', weights=(0.3, 1), cosine=True),
    'inversion_template': inversion('small-cnn', template=0.0005),
    'inversion_resnet': inversion('resnet3-16', True, rows=2, free=1),
}

if __name__ == '__main__':
    for case, (head, run) in CASES.items():
        write(sys.argv[1] if len(sys.argv) > 1 else '.', case, head, run)

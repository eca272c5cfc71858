#!/usr/bin/env python3
"""Golden values of the loss terms and gradients of augconv, vae, m1, m2, two-head, vae-ladder and vae-ladder-control, computed
with PyTorch in double precision on weights, images and labels that both sides make from integer hashes. Writes
zumer_models.h and a file a model in zumer/ beside itself. Noise is switched off by log-variances of -30 (see `fill`), so that
both sides agree.

The networks are written here from the model descriptions, not from the C code. Run: python3 zumer_models.py"""
import math, os
import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


def hashed(name, n):
    """n numbers in [-1,1), multiples of 2^-23: exact in float32."""
    seed = np.uint32(2166136261)
    for c in name.encode():
        seed = np.uint32((int(seed) ^ c) * 16777619 & 0xffffffff)
    h = (np.arange(n, dtype=np.uint64) * 2654435761 + int(seed)) & 0xffffffff
    h ^= h >> 16
    h = h * 0x85ebca6b & 0xffffffff
    h ^= h >> 13
    h = h * 0xc2b2ae35 & 0xffffffff
    h ^= h >> 16
    return (h >> 8).astype(np.float64) / 2**23 - 1


class Weights(dict):
    def get(self, name, shape, base=0.0):
        if name not in self:
            n = int(np.prod(shape))
            u = hashed(name, n)
            if len(shape) >= 2:
                amp = np.float32(math.sqrt(3.0 / (n // shape[0])))
                if 'logvar' in name or 'z.var' in name:
                    amp = np.float32(amp * np.float32(0.01))
                v = np.float64((np.float32(amp) * u.astype(np.float32)).astype(np.float32))
            else:
                if ('logvar' in name or 'z.var' in name) and name.endswith('.bias'):
                    base = -30.0
                v = np.float64((np.float32(base) + np.float32(0.1) * u.astype(np.float32)).astype(np.float32))
            self[name] = torch.tensor(v.reshape(shape), requires_grad=True)
        return self[name]


def images(name, n, c, h, w):
    u = hashed(name, n * c * h * w).astype(np.float32)
    return torch.tensor(np.float64(np.float32(0.5) + np.float32(0.5) * u).reshape(n, c, h, w))


def linear(W, x, name, out, bias=True, base=0.0):
    y = x @ W.get(name + '.weight', (out, x.shape[1])).T
    return y + W.get(name + '.bias', (out,), base) if bias else y


def conv(W, x, name, out, k, pad=0, bias=True):
    w = W.get(name + '.weight', (out, x.shape[1], k, k))
    b = W.get(name + '.bias', (out,)) if bias else None
    return F.conv2d(x, w, b, padding=pad)


def normalise(x, eps):
    axes = [0] + list(range(2, x.dim()))
    m = x.mean(axes, keepdim=True)
    v = ((x - m)**2).mean(axes, keepdim=True)
    return (x - m) / torch.sqrt(v + eps), m, v


def per_channel(p, x):
    return p.reshape([1, -1] + [1] * (x.dim() - 2))


def batch_norm(W, x, name, eps):
    c = x.shape[1]
    y = normalise(x, eps)[0]
    return y * per_channel(W.get(name + '.gamma', (c,), 1.0), y) + per_channel(W.get(name + '.beta', (c,)), y)


def bernoulli_on_softmax(logits, t):
    p = torch.softmax(logits, 1).clamp(1e-7, 1 - 1e-7)
    y = F.one_hot(t, logits.shape[1]).to(p)
    return -(y * p.log() + (1 - y) * (1 - p).log()).sum(1)


def kl_gauss(mu, s):
    return (0.5 * (s.exp() + mu**2 - 1) - 0.5 * s).sum(1)


def bce(logits, x):
    return F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction='none').flatten(1).sum(1)


# ---- systems: each returns (terms by name, loss)

def augconv(W, x, t, variant='fc', ce='bernoulli_on_softmax', **_):
    h = x
    for i, (maps, k) in enumerate([(20, 5), (40, 5), (80, 3)]):
        h = F.max_pool2d(F.relu(conv(W, h, f'conv{i + 1}', maps, k, bias=False)), 2)
        if i == 2:
            continue
        if variant == 'fc':
            s = h.shape
            h = F.relu(linear(W, h.flatten(1), f'slot{i + 1}', h[0].numel())).reshape(s)
        if variant == 'conv':
            k = [11, 3][i]
            h = F.relu(conv(W, h, f'slot{i + 1}', maps, k, pad=k // 2, bias=False))
    a = linear(W, h.flatten(1), 'logits', 10)
    nll = F.cross_entropy(a, t)
    loss = bernoulli_on_softmax(a, t).mean() if ce == 'bernoulli_on_softmax' else nll
    return {'nll': nll}, loss


def vgg(W, x, t, fc_layers=2, width=4, norm=True, **_):
    def norm_relu(h, name):
        return F.relu(batch_norm(W, h, name + '.bn', 1e-3) if norm else h)
    h = x
    for g, (n, f) in enumerate([(2, 1), (2, 2), (3, 4), (3, 8), (3, 8)]):
        for i in range(n):
            name = f'group{g + 1}.conv{i + 1}'
            h = norm_relu(conv(W, h, name, width * f, 3, pad=1, bias=False), name)
        h = F.max_pool2d(h, 2, ceil_mode=True)
        if g >= 2 and g - 2 < fc_layers:
            name, s = f'slot{g - 1}', h.shape
            h = norm_relu(linear(W, h.flatten(1), name, h[0].numel()), name).reshape(s)
    h = norm_relu(linear(W, h.flatten(1), 'head', width * 8), 'head')
    a = linear(W, h, 'logits', 10)
    nll = F.cross_entropy(a, t)
    return {'nll': nll}, bernoulli_on_softmax(a, t).mean() if fc_layers else nll


def style(W, x, t, y_in_encoder, unlabelled=None, w_c=1.0, classes=10, mid=True, softmax=False, printed=False, latent=50, **_):
    C, H, Wd = x.shape[1:]

    def square(v, name):
        return linear(W, v.flatten(1), name, v[0].numel()).reshape(v.shape)

    def root(v):
        h = F.relu(conv(W, square(v, 'root.affine1'), 'root.conv1', 4, 7))
        if mid:
            h = square(h, 'root.affine2')
        return F.relu(conv(W, h, 'root.conv2', 8, 7)).flatten(1)

    def mu_of(r, y):
        return linear(W, torch.cat([r, y], 1) if y_in_encoder else r, 'q.mu', latent)

    def cls(r):
        n = C * H * Wd
        h = F.relu(linear(W, r, 'cls.fc1', n // 5))
        h = F.relu(linear(W, h, 'cls.fc2', n // 10))
        if classes == 2 and not softmax:
            a = linear(W, h, 'cls.out', 1)
            return torch.cat([torch.zeros_like(a), a], 1)
        return linear(W, h, 'cls.out', classes)

    def decode(z, y):
        v = linear(W, torch.cat([z, y], 1), 'dec.affine1', 8 * (H - 12) * (Wd - 12)).reshape(-1, 8, H - 12, Wd - 12)
        v = F.relu(conv(W, v, 'dec.conv1', 4, 7, pad=6))
        if mid:
            v = square(v, 'dec.affine2')
        return conv(W, v, 'dec.conv2', C, 7, pad=6)

    def bound(v, y):
        r = root(v)
        mu, s = mu_of(r, y), linear(W, r, 'q.logvar', latent)
        kl = kl_gauss(mu, s) + (0.5 * (mu**2).sum(1) if printed else 0)
        return r, kl, bce(decode(mu, y), v)

    Y = F.one_hot(t, classes).to(x)
    r, kl, recon = bound(x, Y)
    a = cls(r)
    c = F.cross_entropy(a, t, reduction='none') if softmax or classes == 2 else bce(a, Y)
    terms = {'recon': recon.mean(), 'kl': kl.mean(), 'cls': c.mean()}
    loss = terms['recon'] + terms['kl'] + w_c * terms['cls'] + math.log(classes)
    if unlabelled is not None:
        q = None
        total = 0
        for k in range(classes):
            y = F.one_hot(torch.full((len(unlabelled),), k), classes).to(x)
            r, kl, recon = bound(unlabelled, y)
            if q is None:
                p = torch.sigmoid(cls(r))
                q = p / p.sum(1, keepdim=True)
            total = total + q[:, k] * (kl + recon + math.log(classes) + q[:, k].log())
        terms['unlabelled'] = total.mean()
        loss = loss + terms['unlabelled']
    return terms, loss


def vae(W, x, t, decoder_fc=True, inter=0, maps=16, printed=False, leapfrog=0, **_):
    def square(v, name):
        return F.relu(linear(W, v.flatten(1), name, v[0].numel())).reshape(v.shape)

    def decode(z):
        v = z
        if decoder_fc:
            v = square(v, 'dec.fc1')
        if inter > 1:
            v = square(v, 'dec.fc2')
        v = F.relu(conv(W, v, 'dec.conv1', maps, 5, pad=4))
        if inter > 0:
            v = square(v, 'dec.fc3')
        return bce(conv(W, v, 'dec.conv2', x.shape[1], 5, pad=4), x)
    h = F.relu(conv(W, x, 'enc.conv1', maps, 5))
    if inter > 0:
        h = square(h, 'enc.fc1')
    h = F.relu(conv(W, h, 'enc.conv2', maps, 5))
    if inter > 1:
        h = square(h, 'enc.fc2')
    mu, s = conv(W, h, 'enc.mu', 1, 1), conv(W, h, 'enc.logvar', 1, 1)
    if leapfrog:
        return hamiltonian(W, h, mu, s, decode, maps, leapfrog)
    kl = kl_gauss(mu.flatten(1), s.flatten(1)) + (0.5 * (mu.flatten(1)**2).sum(1) if printed else 0)
    terms = {'recon': decode(mu).mean(), 'kl': kl.mean()}
    return terms, terms['recon'] + terms['kl']


def m1_encode(W, x, hidden, latent):
    h = x.flatten(1)
    for i, n in enumerate(hidden):
        h = F.softplus(linear(W, h, f'm1.enc{i + 1}', n))
    return h, linear(W, h, 'm1.mu', latent), linear(W, h, 'm1.logvar', latent)


def m1(W, x, t, hidden=(20, 12), latent=5, leapfrog=0, **_):
    """The fully-connected autoencoder."""
    def decode(z):
        for i in reversed(range(len(hidden))):
            z = F.softplus(linear(W, z, f'm1.dec{i + 1}', hidden[i]))
        return bce(linear(W, z, 'm1.out', x[0].numel()), x.flatten(1))
    h, mu, s = m1_encode(W, x, hidden, latent)
    if leapfrog:
        return hamiltonian(W, h, mu, s, decode, hidden[0], leapfrog)
    terms = {'recon': decode(mu).mean(), 'kl': kl_gauss(mu, s).mean()}
    return terms, terms['recon'] + terms['kl']


def m1_classifier(W, x, t, hidden=(20, 12), latent=5, units=0, **_):
    z = m1_encode(W, x, hidden, latent)[1].detach()
    if units:
        z = F.relu(linear(W, z, 'cls.hidden', units))
    return {}, F.cross_entropy(linear(W, z, 'cls.out', 10), t)


def stacked(W, x, t, u, y_in_encoder=True, softmax=False, hidden=(20, 12), below=5, units=9, latent=4, w_c=1.0, w_l=1.0, **_):
    """M2 on the latent of M1: Kingma et al. 2014, Eqs. 6 and 7, with x replaced by z1."""
    def normal(v, mean, logvar):
        return torch.distributions.Normal(mean, (logvar / 2).exp()).log_prob(v).sum(1)

    def classes(v):
        return linear(W, F.softplus(linear(W, v, 'cls.hidden', units)), 'cls.out', 10)

    def cost(v, y):
        r = F.softplus(linear(W, v, 'root.hidden', units))
        mu = linear(W, torch.cat([r, y], 1) if y_in_encoder else r, 'q.mu', latent)
        kl = kl_gauss(mu, linear(W, r, 'q.logvar', latent))
        h = F.softplus(linear(W, torch.cat([mu, y], 1), 'p.hidden', units))
        return kl, -normal(v, linear(W, h, 'p.mean', below), linear(W, h, 'p.spread', below))

    def distribution(v):
        p = torch.softmax(classes(v), 1) if softmax else torch.sigmoid(classes(v))
        return p / p.sum(1, keepdim=True)
    v, free = (m1_encode(W, i, hidden, below)[1].detach() for i in (x, u))
    kl, recon = cost(v, F.one_hot(t, 10).to(x))
    a = classes(v)
    c = F.cross_entropy(a, t, reduction='none') if softmax else bce(a, F.one_hot(t, 10).to(x))
    terms = {'recon': recon.mean(), 'kl': kl.mean(), 'cls': c.mean()}
    q, total = distribution(free), 0
    for k in range(10):
        kl, recon = cost(free, F.one_hot(torch.full((len(free),), k), 10).to(x))
        total = total + q[:, k] * (kl + recon + math.log(10) + q[:, k].log())
    terms['unlabelled'] = total.mean()
    return terms, w_l * (terms['recon'] + terms['kl'] + math.log(10)) + w_c * terms['cls'] + terms['unlabelled']


def hamiltonian(W, h, z, s, decode, maps, steps):
    """The bound of Hamiltonian variational inference for a sample at the mean that starts without momentum. Half a step of
    the momentum, a step of z, half a step of the momentum, as Salimans et al. write it."""
    d = z[0].numel()
    length = W.get('hmc.log_step', (d,), -3.0).exp().reshape(z[:1].shape)
    momentum_logvar = W.get('hmc.logvar.bias', (d,))

    def slope(z):
        energy = decode(z).sum() + 0.5 * (z**2).sum()
        return torch.autograd.grad(energy, z, create_graph=True)[0]
    v = torch.zeros_like(z)
    for _ in range(steps):
        v = v - length / 2 * slope(z)
        z = z + length * v
        v = v - length / 2 * slope(z)
    if z.dim() == 2:
        g = F.relu(linear(W, torch.cat([h, z], 1), 'hmc.hidden', maps))
        mean, spread = linear(W, g, 'hmc.mean', d), linear(W, g, 'hmc.spread', d)
    else:
        g = F.relu(conv(W, torch.cat([h, z], 1), 'hmc.hidden', maps, 1))
        mean, spread = conv(W, g, 'hmc.mean', 1, 1), conv(W, g, 'hmc.spread', 1, 1)
    log2pi = math.log(2 * math.pi)
    log_r = -0.5 * (log2pi + spread + (v - mean)**2 / spread.exp())
    log_q_v = -0.5 * (log2pi + momentum_logvar + 1)
    log_p, log_q = -0.5 * (log2pi + z**2), -0.5 * (log2pi + s + 1)
    terms = {'recon': decode(z).mean(), 'kl': (log_q - log_p).flatten(1).sum(1).mean(),
             'momentum': log_q_v.sum() - log_r.flatten(1).sum(1).mean()}
    return terms, sum(terms.values())


def adhoc(W, z, u, name):
    n = z.shape[1]
    a = [W.get(f'{name}.c{j}', (n,)) * u + W.get(f'{name}.d{j}', (n,), 1.0 if j <= 3 else 0.0) for j in range(1, 6)]
    return a[0] * z + a[1] * torch.sigmoid(a[2] * z + a[3]) + a[4]


def gauss(W, z, u, name):
    n = z.shape[1]
    a = [None] + [W.get(f'{name}.a{j}', (n,), 1.0 if j in (2, 7) else 0.0) for j in range(1, 11)]
    m = a[1] * torch.sigmoid(a[2] * u + a[3]) + a[4] * u + a[5]
    v = a[6] * torch.sigmoid(a[7] * u + a[8]) + a[9] * u + a[10]
    return (z - m) * v + m


def vae_ladder(W, x, t, lateral='bottleneck', top_only=True, recon='l2', layers=(40, 24, 16), w_c=10.0, **_):
    h = x.flatten(1)
    n = len(layers)
    mus, lvs = [], []

    def normed(h, l, out):
        a = normalise(linear(W, h, f'enc{l}', out, bias=False), 1e-5)[0]
        return W.get(f'enc{l}.gamma', (out,), 1.0) * (a + W.get(f'enc{l}.beta', (out,)))
    for l, m in enumerate(layers, 1):
        mus.append(normed(h, l, m))
        lvs.append(linear(W, h, f'enc{l}.logvar', m))
        h = F.relu(mus[-1])
    a = normed(h, n + 1, 10)
    above = torch.softmax(a, 1)
    for l in range(n, 0, -1):
        m, z = layers[l - 1], mus[l - 1]
        c = F.relu(linear(W, above, f'dec{l}', m))
        linear(W, above, f'dec{l}.logvar', m)
        if lateral == 'adhoc':
            above = adhoc(W, z, c, f'lat{l}')
        else:
            above = linear(W, F.relu(linear(W, torch.cat([z, c], 1), f'lat{l}.in', max(10, m // 10))), f'lat{l}.out', m)
    img = linear(W, above, 'dec0', x[0].numel())
    rec = ((x.flatten(1) - torch.sigmoid(img))**2).sum(1) if recon == 'l2' else bce(img, x.flatten(1))
    terms = {'cls': bernoulli_on_softmax(a, t).mean(), 'recon': rec.mean()}
    loss = w_c * terms['cls'] + terms['recon']
    for l in range(1, n + 1):
        terms[f'kl{l}'] = kl_gauss(mus[l - 1], lvs[l - 1]).mean()
        if not top_only or l == n:
            loss = loss + terms[f'kl{l}']
    return terms, loss


def control(W, x, t, layers=(40, 24, 16), latent=50, w_vae=1.0, recon='bce', **_):
    """Without noise the corrupted pass equals the clean one."""
    dims = [x[0].numel()] + list(layers) + [10]
    L = len(dims) - 1
    z, mean, var = [x.flatten(1)], [None], [None]
    h = z[0]
    for l in range(1, L + 1):
        if l == L:
            below = h
        zl, m, v = normalise(linear(W, h, f'enc{l}', dims[l], bias=False), 1e-10)
        z.append(zl), mean.append(m), var.append(v)
        h = zl + W.get(f'enc{l}.beta', (dims[l],))
        if l < L:
            h = F.relu(h)
    a = h * W.get(f'enc{L}.gamma', (10,), 1.0)
    mu, vz = torch.sigmoid(linear(W, below, 'z.mean', latent)), torch.sigmoid(linear(W, below, 'z.var', latent))
    kl = 0.5 * (vz + mu**2 - 1 - vz.log()).sum(1)
    u = linear(W, mu, 'z.top', 10)
    terms = {'nll': F.cross_entropy(a, t)}
    cost = {}
    for l in range(L, -1, -1):
        if l < L:
            u = linear(W, zhat, f'dec{l}', dims[l], bias=False)
        zhat = gauss(W, z[l], normalise(u, 1e-10)[0], f'g{l}')
        if l:
            cost[l] = ((z[l] - (zhat - mean[l]) / torch.sqrt(var[l] + 1e-10))**2).mean()
    rec = bce(zhat, x.flatten(1)) if recon == 'bce' else ((zhat - x.flatten(1))**2).sum(1)
    terms['recon'], terms['kl'] = rec.mean(), kl.mean()
    loss = terms['nll'] + w_vae * (terms['recon'] + terms['kl'])
    for l in range(1, L + 1):
        terms[f'denoise{l}'] = cost[l]
        loss = loss + (1.0 if l == 1 else 0.01) * cost[l]
    return terms, loss


SMALL = 'layers=40,24,16'
CASES = [
    # model, options, batch, unlabelled, (C,H,W), classes, function
    ('augconv', 'variant=baseline', 3, 0, (1, 28, 28), 10, lambda W, x, t, u: augconv(W, x, t, 'baseline')),
    ('augconv', 'variant=fc', 3, 0, (1, 28, 28), 10, lambda W, x, t, u: augconv(W, x, t, 'fc')),
    ('augconv', 'variant=conv ce_mode=categorical', 3, 0, (1, 28, 28), 10,
     lambda W, x, t, u: augconv(W, x, t, 'conv', 'categorical')),
    ('augconv', 'variant=baseline width=4 dropout=0', 6, 0, (3, 32, 32), 10, lambda W, x, t, u: vgg(W, x, t, 0)),
    ('augconv', 'fc_layers=3 width=4 dropout=0', 6, 0, (3, 32, 32), 10, lambda W, x, t, u: vgg(W, x, t, 3)),
    ('augconv', 'fc_layers=1 width=4 dropout=0 batch_norm=false', 3, 0, (3, 32, 32), 10, lambda W, x, t, u: vgg(W, x, t, 1, norm=False)),
    ('vae', 'decoder_fc=true', 3, 0, (1, 28, 28), 0, lambda W, x, t, u: vae(W, x, t)),
    ('vae', 'decoder_fc=false kl_form=as_printed', 3, 0, (1, 28, 28), 0,
     lambda W, x, t, u: vae(W, x, t, False, printed=True)),
    ('vae', 'maps=2 n_interspersed_fc=2', 3, 0, (1, 14, 14), 0, lambda W, x, t, u: vae(W, x, t, True, 2, 2)),
    ('vae', 'arch=mlp hidden=20,12 latent_size=5', 3, 0, (1, 14, 14), 0, lambda W, x, t, u: m1(W, x, t)),
    ('vae', 'arch=mlp hidden=20,12 latent_size=5 latent=hamiltonian leapfrog=2', 3, 0, (1, 14, 14), 0,
     lambda W, x, t, u: m1(W, x, t, leapfrog=2)),
    ('m1', 'hidden=20,12 latent_size=5', 3, 0, (1, 14, 14), 10, lambda W, x, t, u: m1_classifier(W, x, t)),
    ('m1', 'hidden=20,12 latent_size=5 classifier_hidden=7', 3, 0, (1, 14, 14), 10,
     lambda W, x, t, u: m1_classifier(W, x, t, units=7)),
    ('m2', 'input=m1 m1_hidden=20,12 m1_latent_size=5 units=9 latent=4 w_c=3 w_l=0.25', 3, 2, (1, 14, 14), 10,
     lambda W, x, t, u: stacked(W, x, t, u, w_c=3.0, w_l=0.25)),
    ('two-head', 'input=m1 m1_hidden=20,12 m1_latent_size=5 units=9 latent=4 cls_out=softmax', 3, 2, (1, 14, 14), 10,
     lambda W, x, t, u: stacked(W, x, t, u, False, True)),
    ('m2', 'w_c=3', 3, 0, (1, 28, 28), 10, lambda W, x, t, u: style(W, x, t, True, w_c=3.0)),
    ('m2', 'latent=7 mid_affine=false', 3, 2, (1, 16, 16), 10,
     lambda W, x, t, u: style(W, x, t, True, u, mid=False, latent=7)),
    ('two-head', 'w_c=1', 3, 0, (1, 28, 28), 10, lambda W, x, t, u: style(W, x, t, False)),
    ('two-head', 'cls_out=softmax latent=7 kl_form=as_printed', 3, 0, (1, 16, 16), 10,
     lambda W, x, t, u: style(W, x, t, False, softmax=True, latent=7, printed=True)),
    ('two-head', 'latent=7', 3, 0, (1, 16, 16), 2, lambda W, x, t, u: style(W, x, t, False, classes=2, latent=7)),
    ('vae-ladder', SMALL + ' variant=adhoc', 16, 0, (1, 14, 14), 10, lambda W, x, t, u: vae_ladder(W, x, t, 'adhoc', False)),
    ('vae-ladder', SMALL + ' variant=mlp recon=bce', 16, 0, (1, 14, 14), 10,
     lambda W, x, t, u: vae_ladder(W, x, t, top_only=False, recon='bce')),
    ('vae-ladder', SMALL + ' variant=mlp-ztop', 16, 0, (1, 14, 14), 10, lambda W, x, t, u: vae_ladder(W, x, t)),
    ('vae-ladder-control', SMALL + ' noise=0 recon=bce w_vae=1', 16, 0, (1, 14, 14), 10,
     lambda W, x, t, u: control(W, x, t)),
    ('vae-ladder-control', SMALL + ' noise=0', 16, 0, (1, 14, 14), 10, lambda W, x, t, u: control(W, x, t, recon='l2')),
]


def write(name, lines):
    """A header beside this file; clang-format lays it out."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), name), 'w') as f:
        f.write('\n'.join(['/* Made by zumer_models.py: see there. */'] + lines) + '\n')


def main():
    values = {}  # lines of a model's file
    for i, (model, opts, n, nu, shape, classes, fn) in enumerate(CASES):
        out = values.setdefault(model, ['#include "models/golden.h"', ''])
        W = Weights()
        x, u = images('image', n, *shape), images('unlabelled', nu, *shape) if nu else None
        t = torch.arange(n) * 7 % max(classes, 1)
        terms, loss = fn(W, x, t, u)
        loss.backward()
        out.append(f'static const golden_value terms_{i}[] = {{')
        for k, v in [('loss', loss)] + list(terms.items()):
            out.append(f'  {{ "{k}", {v.item():.12g}, 0 }},')
        out.append(f'}};\nstatic const golden_value grads_{i}[] = {{')
        for k in sorted(W):
            g = W[k].grad
            if g is None:
                continue
            d = torch.tensor(hashed('along ' + k, g.numel()))
            out.append(f'  {{ "{k}", {(g.flatten() * d).sum().item():.9g}, {g.norm().item():.9g} }},')
        out.append('};')
    for model, out in values.items():
        write(f'zumer/{model}.h', out)
    out = [f'#include "golden/zumer/{model}.h"' for model in values] + ['', 'static const golden_case golden_cases[] = {']
    for i, (model, opts, n, nu, shape, classes, fn) in enumerate(CASES):
        out.append(f'  {{ "{model}", "{opts}", {n}, {nu}, {{ {shape[0]}, {shape[1]}, {shape[2]} }}, {classes}, terms_{i}, '
                   f'LCL_COUNT(terms_{i}), grads_{i}, LCL_COUNT(grads_{i}) }},')
    write('zumer_models.h', out + ['};'])


if __name__ == '__main__':
    main()

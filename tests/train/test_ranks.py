#!/usr/bin/env python3
"""Several processes train one model: test_ranks.py LATENTCL equal|validation|ends|tables|all

equal: the parameters are those of one process but for rounding, with two and three ranks and shares of unequal size, and the
  same bits every time; a run goes on with another number of ranks.
validation: what is evaluated after an epoch is what one process says.
ends: what cannot be shared is refused in one sentence; a rank that dies, and a request to stop, end all of them, and what was
  saved goes on; --devices starts the processes itself.
tables: a table's cells over processes and jobs.
all [STEPS [NAME...]]: every model against one process, with options that bring in all that looks at a batch as a whole (minutes).
  Where rounding grew past its bound, as where it passes a kink (of a relu, of the range of a noise), halves of the steps have to
  keep theirs, each from the state of one process, and so on down to single steps."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from array import array

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from common import LATENTCL, events, read_safetensors, write_safetensors

FOLDER = tempfile.mkdtemp(prefix='latentcl-ranks-')
MPIRUN = ['mpirun', '--oversubscribe', '--bind-to', 'none']
ENV = os.environ | {'OMPI_ALLOW_RUN_AS_ROOT': '1', 'OMPI_ALLOW_RUN_AS_ROOT_CONFIRM': '1', 'OMPI_MCA_btl_vader_single_copy_mechanism': 'none',
                    'OMPI_MCA_rmaps_base_oversubscribe': '1'}
# A step sums the gradients of its examples, at most 50 here, in another order: each sum is off by a unit of rounding, 2^-24 of the
# largest number of its tensor.
ROUNDING = 64 * 2**-24
TOLERANCE = 5 * ROUNDING


def start(ranks, *args, program=None, env=None):
    launcher = [*MPIRUN, '-n', str(ranks)] if ranks else []
    return subprocess.Popen([*launcher, *(program or [LATENTCL]), *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENV | (env or {}),
                            cwd=FOLDER)


def run(ranks, *args, code=0, **how):
    p = start(ranks, *args, **how)
    out, err = p.communicate(timeout=280)
    assert p.returncode == code, (ranks, args, p.returncode, out, err)
    return out, err


def parameters(run_folder):
    head, data = read_safetensors('%s/%s/last.safetensors' % (FOLDER, run_folder))
    return {name: array('f', data[slice(*e['data_offsets'])]) for name, e in head.items()
            if name != '__metadata__' and e['dtype'] == 'F32' and not name.startswith('train.')}


def distance(a, b):
    """The largest difference of two runs' parameters, and the tensor: relative to its largest number or, where that is rounding
    itself, to a hundredth of the largest of all."""
    a, b = parameters(a), parameters(b)
    assert a.keys() <= b.keys() or b.keys() <= a.keys(), a.keys() ^ b.keys()
    least = 1e-2 * max(abs(x) for v in a.values() for x in v)
    worst = (0, '')
    for name in a.keys() & b.keys():
        scale = max([least, *map(abs, a[name])])
        worst = max(worst, (max([abs(x - y) for x, y in zip(a[name], b[name])], default=0) / scale, name))
    return worst


STEPS = ['--no-test', '--no-profile', '--quiet', '--set', 'optimiser=sgd']
SMALL = {  # batch norm and a loss that looks at the batch as a whole; noise and two batches; dropout
    'imsat': ['imsat', '--set', 'hidden=30-20', '--batch', '50', '--lr', '0.5'],
    'ladder': ['ladder', '--set', 'widths=40-20', '--batch', '50', '--lr', '0.02'],
    'dae': ['dec', '--set', 'hidden=30', '--set', 'latent=5', '--batch', '50', '--lr', '0.001', '--augment', 'shift=1,mirror'],
}


def equal():
    for name, args in SMALL.items():
        run(0, 'train', *args, *STEPS, '--max-steps', '5', '--out', name)
        for ranks in (2, 3) if name == 'imsat' else (3,):
            out = '%s-%d' % (name, ranks)
            run(ranks, 'train', *args, *STEPS, '--max-steps', '5', '--out', out)
            far, tensor = distance(name, out)
            assert far < TOLERANCE, (name, ranks, far, tensor)
            print('%s, %d ranks: %.1g of %s' % (name, ranks, far, tensor))
    # Whether the gradients are exchanged where they lie, as on CPUs, or through copies, as on GPUs.
    run(3, 'train', *SMALL['imsat'], *STEPS, '--max-steps', '5', '--out', 'again', env={'LATENTCL_DISABLE': 'host_memory'})
    assert parameters('again') == parameters('imsat-3')
    run(2, 'train', *SMALL['imsat'], *STEPS, '--max-steps', '5', '--no-sync-bn', '--out', 'local')
    assert distance('imsat', 'local')[0] > 100 * TOLERANCE
    told = [json.loads(line) for line in open(FOLDER + '/again/log.jsonl') if '"ranks"' in line]
    assert len(told) == 1 and told[0]['ranks'] == 3 and told[0]['bytes'] > 0, told
    # A step: neighbouring gradients together, statistics of a layer together, what the loss looks at as a whole, means for the log.
    assert told[0]['exchanges'] == 5 * 16, told
    # On with another number of ranks, to the end of the epoch.
    run(0, 'train', '--resume', '--max-steps', '8', '--out', 'imsat', '--quiet', '--no-test')
    run(2, 'train', '--resume', '--max-steps', '8', '--out', 'imsat-3', '--quiet', '--no-test')
    far, tensor = distance('imsat', 'imsat-3')
    assert far < TOLERANCE, (far, tensor)


def validation():
    """Evaluated by all, and by rank 0 alone where examples draw random numbers in turn: the figures of one process."""
    few = ['--no-test', '--no-profile', '--quiet', '--batch', '50']
    for args in (['semantic-noise', '--set', 'arch=mlp', '--labels-per-class', '5'], ['imsat', '--set', 'hidden=30-20'],
                 ['vae', '--set', 'maps=4', '--labels-per-class', '5']):
        found = []
        for ranks in (0, 2):
            out = 'valid-%s-%d' % (args[0], ranks)
            run(ranks, 'train', *args, *few, '--set', 'optimiser=sgd', '--lr', '1e-6', '--set', 'epochs=1', '--out', out)
            found.append(events('%s/%s' % (FOLDER, out), 'epoch')[0])
        one, several = [f.get('validation') or f['all'] for f in found]
        assert one.keys() == several.keys() and one['n'] == several['n'] > 0, found
        for name, value in one.items():
            assert abs(value - several[name]) <= 1e-4 * abs(value) + (0.1 if 'percent' in name else 0), (args[0], name, one, several)


def told(err):
    """What the command said, without what the launcher adds."""
    return [l for l in err.splitlines() if l.startswith('latentcl: ')]


def unlike(name, options):
    """A program that gives rank 1 other options."""
    path = '%s/%s.sh' % (FOLDER, name)
    open(path, 'w').write('#!/bin/sh\n[ "$OMPI_COMM_WORLD_RANK" = 1 ] && set -- "$@" %s\nexec %s "$@"\n' % (options, LATENTCL))
    os.chmod(path, 0o755)
    return [path]


def other_build(find, in_version):
    """A program that is another build in rank 1: what `find` finds first, in what the command says of itself or in its file, is
    another word of the same length there."""
    data = open(LATENTCL, 'rb').read()
    where = run(0, 'version', '--json')[0].encode() if in_version else data
    word = re.search(find.encode(), where).group(1)
    path = '%s/other-%d' % (FOLDER, in_version)
    open(path, 'wb').write(data.replace(word, word[::-1] if word != word[::-1] else bytes([word[0] ^ 1]) + word[1:]))
    os.chmod(path, 0o755)
    script = path + '.sh'
    open(script, 'w').write('#!/bin/sh\n[ "$OMPI_COMM_WORLD_RANK" = 1 ] && exec %s "$@"\nexec %s "$@"\n' % (path, LATENTCL))
    os.chmod(script, 0o755)
    return [script]


def refused(pattern, ranks, *args, program=None):
    before = set(os.listdir(FOLDER))
    err = run(ranks, *args, code=1, program=program)[1]
    assert len(told(err)) == 1 and re.search(pattern, told(err)[0]), err
    assert set(os.listdir(FOLDER)) == before, set(os.listdir(FOLDER)) - before


def last_step(run_folder):
    steps = [json.loads(l).get('step', 0) for l in open('%s/%s/log.jsonl' % (FOLDER, run_folder))]
    return max(steps)


def wait_for_steps(p, run_folder):
    for _ in range(600):
        time.sleep(0.1)
        try:
            if last_step(run_folder) >= 50:
                return
        except (OSError, ValueError):
            pass
        assert p.poll() is None, p.communicate()
    raise AssertionError('no step after a minute')


def processes_of(p):
    """The ranks that a launcher started."""
    return sorted(int(x) for x in open('/proc/%d/task/%d/children' % (p.pid, p.pid)).read().split())


def ends():
    imsat = ['train', *SMALL['imsat'], *STEPS]
    refused('a batch of 2 examples cannot be shared by 3 ranks', 3, *imsat, '--batch', '2', '--max-steps', '1', '--out', 'few')
    refused('rank 1 has another model than rank 0', 2, *imsat, '--out', 'o', program=unlike('options', '--seed 3'))
    refused('rank 1 has another training set than rank 0', 2, *imsat, '--out', 'o', program=unlike('data', '--data synthetic:objects'))
    refused('rank 1 of 2: no OpenCL device matches', 2, *imsat, '--out', 'o', program=unlike('device', '--device nonesuch'))
    refused('--devices pocl has no device for process 2', 2, *imsat, '--out', 'o', '--devices', 'pocl')
    assert 'not both' in run(0, *imsat, '--devices', 'pocl,pocl', '--device', 'pocl', code=2)[1]
    refused('rank 1 has another LatentCL than rank 0', 2, *imsat, '--out', 'o', program=other_build(r'"commit":\s*"([^"]+)"', 1))
    refused('rank 1 has another LatentCL than rank 0', 2, *imsat, '--out', 'o', program=other_build(r'/\* ([A-Z][a-z]+ [a-z ,]{20,})', 0))
    # Without a launcher.
    run(0, *imsat, '--devices', 'pocl,pocl', '--max-steps', '2', '--out', 'devices')
    run(0, *imsat, '--max-steps', '2', '--out', 'alone')
    assert 0 < distance('devices', 'alone')[0] < TOLERANCE

    long = ['train', *SMALL['imsat'], '--set', 'epochs=1000', '--no-test', '--no-profile', '--quiet']
    p = start(2, *long, '--out', 'killed')
    wait_for_steps(p, 'killed')
    os.kill(processes_of(p)[1], signal.SIGKILL)
    since = time.time()
    out, err = p.communicate(timeout=60)
    assert p.returncode and 'process rank' in err and time.time() - since < 20, err
    run(0, 'train', '--resume', '--out', 'killed', '--max-steps', '60', '--quiet', '--no-test')

    p = start(2, *long, '--out', 'stopped')
    wait_for_steps(p, 'stopped')
    for child in processes_of(p):
        os.kill(child, signal.SIGTERM)
    out, err = p.communicate(timeout=60)
    assert [('everything is saved' in l) for l in told(err)] == [True], err
    step = int(re.search(r'after step (\d+)', err).group(1))
    run(3, 'train', '--resume', '--out', 'stopped', '--max-steps', str(step + 2), '--quiet', '--no-test')


def tables():
    """Processes share a table's cells, and jobs that know nothing of each other do one each; what is there is kept."""
    table = ['reproduce', 'semantic-noise/table1-mnist', '--quick', '--set', 'epochs=1', '--set', 'arch=mlp', '--columns', '10', '--trials', '1']
    rows = ['--rows', 'feed-forward,perturb-random,base']
    run(0, *table, *rows, '--out', 'jobs', '--cell', '2')
    assert not os.path.exists(FOLDER + '/jobs/table.json')
    cells = json.loads(run(0, *table, *rows, '--out', 'jobs', '--list-cells', '--json')[0])
    assert [(c['cell'], c['row'], c['done']) for c in cells] == [(1, 'feed-forward', False), (2, 'base', True), (3, 'perturb-random', False)], cells
    before = os.stat(FOLDER + '/jobs/base/10/1-quick/last.safetensors').st_mtime_ns
    out, err = run(2, *table, *rows, '--out', 'jobs')
    assert out.count('\n| ') == 4 and os.stat(FOLDER + '/jobs/base/10/1-quick/last.safetensors').st_mtime_ns == before, out
    run(0, *table, *rows, '--out', 'alone')
    values = [[c['values'] for c in json.load(open('%s/%s/table.json' % (FOLDER, f)))['cells']] for f in ('jobs', 'alone')]
    assert len(values[0]) == 3 and values[0] == values[1], values
    assert 'has the cells 1 to 3' in run(0, *table, *rows, '--out', 'jobs', '--cell', '4', code=2)[1]


def all_models():
    many = {'hash': ['imsat', '--set', 'task=hash', '--set', 'hidden=30-20', '--batch', '50', '--lr', '0.5'],
            'rim': ['imsat', '--set', 'system=deep-rim', '--set', 'hidden=30-20', '--batch', '50', '--lr', '0.5'],
            'deep-hash': ['imsat', '--set', 'task=hash', '--set', 'system=deep-hash', '--batch', '50', '--lr', '0.01'],
            'dec': ['dec', '--set', 'system=dec', '--set', 'hidden=30', '--set', 'latent=5', '--batch', '50', '--set', 'update_interval=2'],
            'dec-batch': ['dec', '--set', 'system=dec', '--set', 'hidden=30', '--set', 'latent=5', '--batch', '50', '--set', 'target=batch'],
            'inversion': ['inversion', '--lr', '0.01'], 'pixelrnn': ['pixelrnn', '--batch', '16', '--lr', '0.01'],
            'augconv': ['augconv', '--batch', '20', '--lr', '0.1'], 'vae': ['vae', '--batch', '20', '--lr', '1e-5'],
            'm2': ['m2', '--batch', '20', '--lr', '1e-3'], 'two-head': ['two-head', '--batch', '20', '--lr', '1e-3'],
            'vae-ladder': ['vae-ladder', '--batch', '20', '--lr', '1e-3'],
            'vae-ladder-control': ['vae-ladder-control', '--batch', '20', '--lr', '1e-3'],
            'semantic-noise': ['semantic-noise', '--batch', '20', '--lr', '0.01'],
            'semantic-noise-mlp': ['semantic-noise', '--set', 'arch=mlp', '--batch', '20', '--lr', '0.05', '--class-weights', 'balanced']}
    steps, names = int(sys.argv[3] if len(sys.argv) > 3 else '5'), sys.argv[4:]
    wrong = []
    for name, args in {**SMALL, **many}.items():
        if names and name not in names:
            continue
        states = {}
        for ranks in (2, 3):
            wrong += ['%s, %d ranks, %s' % (name, ranks, step) for step in follow([*args, *STEPS], ranks, 0, steps, states, name)]
        for folder in states.values():
            shutil.rmtree('%s/%s' % (FOLDER, folder))
    assert not wrong, wrong


def go_on(ranks, args, start, steps, out):
    """A run from a folder's state, or the beginning, to so many steps."""
    if not start:
        return run(ranks, 'train', *args, '--max-steps', str(steps), '--out', out)
    shutil.copytree('%s/%s' % (FOLDER, start), '%s/%s' % (FOLDER, out))
    return run(ranks, 'train', '--resume', '--max-steps', str(steps), '--out', out, '--quiet', '--no-test')


def follow(args, ranks, first, last, states, name):
    """Steps that ranks do not take as one process does. states: one process's folders by their steps."""
    for step in (first, last):
        if step and step not in states:
            before = max([s for s in states if s < step], default=None)
            go_on(0, args, states.get(before), step, '%s-at-%d' % (name, step))
            states[step] = '%s-at-%d' % (name, step)
    go_on(ranks, args, states.get(first), last, 'ranks')
    far, tensor = distance(states[last], 'ranks')
    shutil.rmtree(FOLDER + '/ranks')
    print('%-20s %d ranks, steps %d to %d: %.1g of %s' % (name, ranks, first + 1, last, far, tensor), flush=True)
    if far <= (last - first) * ROUNDING:
        return []
    if last - first == 1:
        return ['step %d: %.1g of %s' % (last, far, tensor)]
    middle = (first + last) // 2
    return follow(args, ranks, first, middle, states, name) + follow(args, ranks, middle, last, states, name)


try:
    {'equal': equal, 'validation': validation, 'ends': ends, 'tables': tables, 'all': all_models}[sys.argv[2]]()
finally:
    shutil.rmtree(FOLDER)

#!/usr/bin/env python3
"""The command as people use it: test_command.py LATENTCL usage|diagnose|kill

usage: every command has --help; wrong usage ends with 2 and one line.
diagnose: explain tells what there is to tell; a loss that is not finite is traced to its tensor and step.
kill:  a run that is killed (SIGKILL) at random moments and resumed ends with the same parameters as one that was not.
"""
import json, os, random, re, shutil, signal, subprocess, sys, tempfile, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from common import LATENTCL, read_safetensors, refused, run, subcommands


ABILITIES = {
    'semantic-noise': 'classify, reconstruct', 'imsat': 'cluster, hash', 'dec': 'cluster, reconstruct',
    'inversion': 'classify, cluster, reconstruct, semi-supervised', 'ladder': 'classify, reconstruct, semi-supervised', 'pixelrnn': 'sample',
    'augconv': 'classify', 'vae': 'sample, reconstruct', 'm1': 'classify', 'm2': 'classify, sample, reconstruct, semi-supervised',
    'two-head': 'classify, sample, reconstruct, semi-supervised', 'vae-ladder': 'classify, sample, reconstruct',
    'vae-ladder-control': 'classify, reconstruct'}


def usage():
    listed = subcommands()
    assert 'train' in listed and 'eval' in listed, listed
    for name in listed:
        text = run(name, '--help').stdout
        assert text.startswith('Usage: latentcl ' + name), (name, text[:80])
        assert '--no-such-option' in run(name, '--no-such-option', code=2).stderr
    told = run('models').stdout
    assert dict(re.findall(r'^(\S+) .*\n .*\n +can: (.*)$', told, re.M)) == ABILITIES, told
    for name in ABILITIES:
        text = run('train', name, '--help').stdout
        assert 'Options of ' + name in text and 'labels_per_class' in text
        labels = {'ladder': 10, 'inversion': 5}.get(name, 0)
        assert 'labels_per_class     whole number in [0,1e9]  (%d)' % labels in text, (name, text)
    for wrong in (['train'], ['train', 'no-such-model'], ['train', 'semantic-noise', '--set', 'no_such=1'],
                  ['train', 'semantic-noise', '--set', 'variant=best'], ['train', 'semantic-noise', '--epochs', 'many'], ['train', 'semantic-noise', '--epochs', '0'], ['check', '--op', 'relu', '--cases', '-1'],
                  ['train', 'semantic-noise', '--epochs'], ['train', 'semantic-noise', 'more'], ['eval'], ['report'],
                  ['reproduce', 'no-such-table'], ['explain'], ['no-such-command'], ['data', ''], ['eval', ''], ['report', 'a', ''], ['train', ''],
                  ['op', 'relu', '--in', ''], ['op', ''], ['op', 'relu', '--device', ''], ['op', 'relu', '--device='],
                  ['export', 'none'], ['tsne', 'none'], ['sample', 'none'], ['reconstruct', 'none'], ['sample', 'none', '--out', 'x.png', '--rows', '3'],
                  ['encode', 'none', '--layers', '--layer', 'x'], ['report', 'none', '--out', 'x.html'], ['report', 'a', 'b', '--device', 'cpu'], ['report', 'a', 'b', '--data', 'x'], ['tune', 'gemm', '--dim', 'n=2'], ['data', 'none', '--json', '--sheet', 'x.png'],
                  ['check', '--op', 'none'], ['check', '--precision', 'f64'], ['tune', 'none'], ['tune', 'gemm', 'none'], ['tune', 'all', 'none'], ['tune', 'gemm', '--show', '--budget', '9'],
                  ['reproduce', 'imsat/clusters', '--set', 'lr=x'], ['reproduce', 'imsat/clusters', '--set', 'none=1'], ['reproduce', 'imsat/clusters', '--set', 'lr=x', '--list-cells'],
                  ['reproduce', 'imsat/clusters', '--cell', '9999'], ['reproduce', '--quick'], ['reproduce', 'imsat/clusters', '--cell', '1', '--json'],
                  ['reproduce', 'imsat/clusters', '--cell', '1', '--list-cells'], ['results', 'add', 'none', '--out', 'x', '--cell', 'none'], ['version', 'none'], ['version', '--json', 'none'],
                  ['explain', 'imsat', '--set', 'queries=4294967396'], ['train', 'semantic-noise', '--devices', '0:0,,0:1'], ['train', '--resume'], ['train', '--resume', '--start', 'none', '--out', 'x'], ['op', 'relu', '--list'], ['run', '--operators', 'none.onnx'],
                  ['run', 'none.onnx', '--in', 'a.npy', '--in', 'b.npy'], ['run', 'none.onnx', '--in', 'x=a.npy', '--in', 'x=b.npy']):
        refused(*wrong, code=2)
    for failing in (['eval', '/nonexistent'], ['train', 'semantic-noise', '--data', '/nonexistent', '--out', '/tmp/none'],
                    ['train', '--resume', '--out', '/nonexistent']):
        refused(*failing)
    assert 'the training graph has no loss' in refused('explain', 'm2', '--set', 'w_l=0', '--set', 'w_c=0', '--set', 'unlabelled_batch=0')
    assert '5 weights; with the image this network has 4' in refused('explain', 'inversion', '--set', 'layer_weights=1,1,1,1,1')


def diagnose():
    text = run('explain', 'semantic-noise').stdout
    for pattern in (r'^\d+ nodes in \d+ launches, \d+ fused groups$', r'^[\d.]+ GFLOP and [\d.]+ MB moved', r'memory: ([\d.]+) MB .*\(([\d.]+) MB if none',
                    r'^  matmul \+ add \+ relu  ->', r'^  \d+ +\d +conv2d .* (direct-nhwc|few-channel|packed) +[\d.]+ +[\d.]+$', r'adam'):
        assert re.search(pattern, text, re.M), (pattern, text)
    half, text = (run('explain', 'semantic-noise', '--precision', p, env={'LATENTCL_ENABLE': 'tiled'}).stdout for p in ('f16', 'f32')) # rounded by the convolution itself, for what reads it
    assert re.search(r'^  conv2d \+ add \+ relu \+ cast  -> f16 ', half, re.M), half
    moved, halved = (float(re.search(r'GFLOP and ([\d.]+) MB moved', t).group(1)) for t in (text, half))
    assert 0.5 * moved < halved < moved, (moved, halved)
    peak, total = map(float, re.search(r'memory: ([\d.]+) MB .*\(([\d.]+) MB if none', text).groups())
    assert 0 < peak < total
    dot = run('explain', 'semantic-noise', '--mode', 'eval', '--dot').stdout
    nodes = set(re.findall(r'^ +(n\d+) \[label="', dot, re.M))
    edges = re.findall(r'^  (n\d+) -> (n\d+);$', dot, re.M)
    assert dot.startswith('digraph') and len(nodes) > 20 and edges and dot.count('{') == dot.count('}')
    folder = tempfile.mkdtemp(prefix='latentcl-diagnose-')
    for i, option in enumerate(([], ['--check-numerics'])):
        told = run('train', 'semantic-noise', '--labels-per-class', '20', '--epochs', '1', '--lr', '1e30', '--quiet', *option, '--out',
                   '%s/%d' % (folder, i), code=1).stderr.splitlines()[-1]
        assert re.search(r'epoch 1, step \d+: (NaN|Inf) at element \d+ of the result of \w+ \(launch \d+: ', told), told
    shutil.rmtree(folder)


def tensors(path):
    head, data = read_safetensors(path)
    return {k: data[slice(*v['data_offsets'])] for k, v in head.items() if k != '__metadata__'}


def kill():
    folder = tempfile.mkdtemp(prefix='latentcl-kill-')
    common = ['train', 'semantic-noise', '--labels-per-class', '20', '--epochs', '12', '--set', 'validation=200', '--quiet',
              '--no-test']
    whole, parts = folder + '/whole', folder + '/parts'
    started = time.time()
    run(*common, '--out', whole)
    takes = time.time() - started
    rng = random.Random(int(os.environ.get('SEED', '0')) or None)
    killed = 0
    for attempt in range(40):
        resume = os.path.exists(parts + '/config.json')
        if not resume:
            shutil.rmtree(parts, ignore_errors=True)
        p = subprocess.Popen([LATENTCL, *common, '--out', parts] + (['--resume'] if resume else []), stderr=subprocess.PIPE)
        try:
            p.wait(rng.uniform(0, takes * 0.9) if killed < 6 else None)
        except subprocess.TimeoutExpired:
            p.send_signal(signal.SIGKILL)
            p.wait()
            killed += 1
            continue
        if p.returncode:
            sys.exit('resuming after %d kills failed: %s' % (killed, p.stderr.read().decode()))
        break
    a, b = tensors(whole + '/last.safetensors'), tensors(parts + '/last.safetensors')
    assert a.keys() == b.keys() and [k for k in a if a[k] != b[k]] == [], 'parameters differ after %d kills' % killed
    for line in open(parts + '/log.jsonl'):
        json.loads(line)
    epochs = [json.loads(l)['epoch'] for l in open(parts + '/log.jsonl') if '"event":"epoch"' in l]
    assert epochs == list(range(1, 13)), epochs
    print('same parameters after %d kills' % killed)
    shutil.rmtree(folder)


{'usage': usage, 'diagnose': diagnose, 'kill': kill}[sys.argv[2]]()

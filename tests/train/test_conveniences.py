#!/usr/bin/env python3
"""Augmentation, class weights, early stopping, learning rates and repeatability of whole runs: test_conveniences.py LATENTCL"""
import json, os, re, shutil, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from common import events, in_folder, read_safetensors, refused, said as run, write_digits, write_npy

SHORT = ['train', 'semantic-noise', '--set', 'arch=mlp', '--set', 'validation=40', '--data', 'data', '--batch', '30', '--no-profile']
PLAIN = [*SHORT, '--set', 'variant=feed-forward', '--no-test', '--quiet']


def weights(folder):
    return read_safetensors(folder + '/last.safetensors')[1]


def data():
    """Of some classes more than of others."""
    def labels(n, rng):
        classes = [c for c, share in enumerate((0.4, 0.3, 0.2, 0.1)) for _ in range(round(n * share))]
        rng.shuffle(classes)
        return classes
    write_digits('data', labels=labels)


def repeatable():
    """Results are the same bits whenever, on any number of queues, stopped or not."""
    lists = ['--augment', 'shift=1.5,rotate=15,scale=0.1,crop=0.2,mirror,cutout=3']
    for name, more in (('plain', []), ('augmented', lists), ('weighted', ['--class-weights', 'balanced'])):
        seen = set()
        for queues in ('1', '2', '4', 'auto'):
            run(*PLAIN, *more, '--epochs', '3', '--queues', queues, '--out', name + queues)
            seen.add(weights(name + queues))
        run(*PLAIN, *more, '--epochs', '3', '--max-steps', '5', '--out', name + 'parts') # in the middle of an epoch
        run('train', '--resume', '--out', name + 'parts', '--no-test', '--quiet', '--no-profile')
        seen.add(weights(name + 'parts'))
        assert len(seen) == 1, (name, len(seen))
    assert len({weights(n + '1') for n in ('plain', 'augmented', 'weighted')}) == 3
    config = json.load(open('augmented1/config.json'))
    assert config['set']['augment'] == config['options']['augment'] == lists[1], config
    assert json.load(open('plain1/config.json'))['options']['augment'] == 'true'
    assert 'started with augment=shift' in refused('train', '--resume', '--out', 'augmented1', '--augment', 'mirror', '--quiet')
    # Evaluation sees the images as they are.
    told = json.loads(run('eval', 'augmented1', '--json'))
    assert told['n'] == 40 and told == json.loads(run('eval', 'augmented1', '--json'))


def augment():
    for bad in ('shift', 'shift=0', 'shift=-1', 'shift=x', 'shift=1,shift=2', 'turn=3', 'mirror=1', 'mirror,mirror', 'cutout=1.5', 'rotate=1,', ',', '=', 'shift=1;rotate=2', 'true,mirror'):
        told = refused(*PLAIN, '--data', 'no_such', '--augment', bad, '--out', 'none', code=2)  # before the data are opened
        assert 'augment: expected true, false, or some of shift=PIXELS, ' in told, told
    for bad, said in (('shift=8', 'shift wants pixels'), ('rotate=181', 'rotate wants degrees'), ('scale=1', 'scale wants a share'), ('crop=1.5', 'crop wants a share'),
                      ('cutout=9', 'cutout wants pixels')):
        assert said in refused(*PLAIN, '--augment', bad, '--out', 'none'), bad
    assert 'for images' in refused('train', 'imsat', '--data', 'synthetic:features', '--augment', 'rotate=3', '--out', 'none', '--quiet')
    assert not os.path.exists('none')
    seen = {weights('plain1')}
    for one in ('shift=1', 'rotate=5', 'scale=0.1', 'crop=0.1', 'mirror', 'cutout=2'):
        run(*PLAIN, '--augment', one, '--epochs', '3', '--out', 'one')
        seen.add(weights('one'))
        shutil.rmtree('one')
    assert len(seen) == 7, 'each changes the run'


def class_weights():
    """The loss is linear in the weights; at the first step the network is the same whatever they are."""
    def loss(*more):
        shutil.rmtree('w', ignore_errors=True)
        run(*PLAIN, *more, '--batch', '120', '--epochs', '1', '--lr', '1e-12', '--out', 'w')
        return events('w', 'epoch')[0]['train']['loss']
    plain = loss()
    assert loss('--class-weights', '1,1,1,1') == plain
    assert abs(loss('--class-weights', '2,2,2,2') - 2 * plain) < 1e-6 * plain
    parts = [(loss('--class-weights', ','.join('3' if k == c else '1' for k in range(4))) - plain) / 2 for c in range(4)]
    assert abs(sum(parts) - plain) < 1e-5 * plain and min(parts) > 0, (parts, plain)
    # The four classes are a part of the 120 examples that the run trains on: how many of each it has.
    labels = open('data/train-labels-idx1-ubyte', 'rb').read()[8:][:120]
    count = [labels.count(c) for c in range(4)]
    balanced = [120 / (4 * n) for n in count]
    want = sum(w * p for w, p in zip(balanced, parts))
    got = loss('--class-weights', 'balanced')
    assert abs(got - want) < 1e-5 * want and abs(got - plain) > 1e-3 * plain, (got, want, plain)
    assert abs(got - loss('--class-weights', ','.join('%.9g' % w for w in balanced))) < 1e-6 * got
    # What is measured has no weights.
    run(*PLAIN, '--class-weights', '9,1,1,1', '--batch', '120', '--epochs', '1', '--lr', '1e-12', '--out', 'v')
    assert events('v', 'epoch')[0]['validation']['loss'] == events('w', 'epoch')[0]['validation']['loss']
    for bad, said in (('1,2', '2 numbers for 4 classes'), ('1,2,3,4,5', '5 numbers for 4 classes'), ('1,2,x,4', 'expected "balanced"'), ('1,0,1,1', 'expected "balanced"'),
                      ('1,-2,1,1', 'expected "balanced"'), ('1,,1,1', 'expected "balanced"'), ('even', 'expected "balanced"'), ('nan,1,1,1', 'expected "balanced"')):
        assert said in refused(*PLAIN, '--class-weights', bad, '--out', 'none', code=2 if 'expected' in said else 1), bad
    for model, more in (('vae', ['--data', 'synthetic']), ('pixelrnn', ['--set', 'hidden=2', '--data', 'data']), ('dec', ['--data', 'data'])):
        told = refused('train', model, *more, '--class-weights', 'balanced', '--out', 'none', '--quiet')
        assert 'no cross-entropy with labels to weigh' in told, told
    for model in ('ladder', 'inversion', 'augconv', 'm2', 'two-head', 'vae-ladder', 'vae-ladder-control'): # the others that classify take them
        run('explain', model, '--class-weights', 'balanced')
    assert not os.path.exists('none')


def early_stop():
    """When and why a run stopped: on the terminal, in the log and in the report."""
    stop = [*SHORT, '--lr', '1e-12', '--epochs', '30', '--set', 'patience=2', '--out', 'early']
    told = run(*stop)
    line, = re.findall(r'^stopped early after epoch (\d+) of 30: for 2 epochs validation error_percent was not better than ([\d.]+) of epoch (\d+) \(patience 2\)$', told, re.M)
    epochs, (event,) = events('early', 'epoch'), events('early', 'stop')
    best = min(epochs, key=lambda e: e['validation']['error_percent']) # the first of equals
    assert int(line[0]) == len(epochs) == best['epoch'] + 2 == event['epoch'] < 30 and int(line[2]) == best['epoch'] == event['best_epoch'], (line, event)
    assert float(line[1]) == float('%.4g' % best['validation']['error_percent']) and event['best'] == best['validation']['error_percent']
    assert (event['metric'], event['patience']) == ('error_percent', 2)
    assert re.search(r'\(best epoch %s of %s, stopped early\)' % (line[2], line[0]), told), told
    said = re.search(r'Stopped early after epoch (\d+): validation error_percent was not better than [\d.]+ of epoch (\d+) for 2 epochs', open('early/report.html').read())
    assert said.groups() == (line[0], line[2])
    # With more patience it goes on, and stops later.
    told = run('train', '--resume', '--out', 'early', '--set', 'patience=4', '--no-profile')
    assert len(events('early', 'epoch')) == best['epoch'] + 4 and 'for 4 epochs' in told and len(events('early', 'stop')) == 2
    assert 'Stopped early after epoch %d:' % (best['epoch'] + 4) in open('early/report.html').read()
    run('train', '--resume', '--out', 'early', '--set', 'patience=0', '--epochs', '8', '--no-profile', '--quiet')
    assert len(events('early', 'epoch')) == 8 and 'Stopped early' not in open('early/report.html').read()
    told = run(*SHORT, '--epochs', '41', '--out', 'whole')
    assert 'stopped early' not in told.lower() + open('whole/report.html').read().lower() and not events('whole', 'stop')
    assert [int(k) for k in re.findall(r'^epoch +(\d+)/41 ', told, re.M)] == [1, *range(2, 41, 2), 41], told # the first, the last, some twenty


def find_rate():
    """The range test against the same computed here, and its two files; no run is made."""
    common = [*SHORT[:2], *SHORT[2:8], '--batch', '120', '--set', 'variant=feed-forward', '--find-lr']
    told = run(*common, '--out', 'rates')
    j = json.load(open('rates/find-lr.json'))
    assert sorted(os.listdir('rates')) == ['find-lr.html', 'find-lr.json'] and 'is not a run folder' in refused('eval', 'rates')
    rates, losses, n = j['rates'], j['losses'], len(j['rates'])
    assert 60 < n <= 120 and all(abs(r / (1e-7 * 1e8 ** (i / 119)) - 1) < 1e-9 for i, r in enumerate(rates)), rates
    # A training whose batch is all examples says the loss of its first step.
    run(*PLAIN, '--batch', '120', '--epochs', '1', '--lr', '1e-7', '--out', 'first')
    assert abs(events('first', 'epoch')[0]['train']['loss'] - losses[0]) < 1e-6 * losses[0]
    def smoothed(i):
        around = [(7 - abs(k - i), losses[k]) for k in range(max(i - 6, 0), min(i + 7, n))]
        return sum(w * v for w, v in around) / sum(w for w, _ in around)
    smooth = [smoothed(i) for i in range(n)]
    assert all(abs(a - b) < 1e-9 * max(smooth) for a, b in zip(smooth, j['smoothed']))
    low = smooth.index(min(smooth))
    best = min(range(1, low), key=lambda i: smooth[i + 1] - smooth[i - 1])
    assert j['suggestion'] == rates[best] and 1e-4 < rates[best] < 0.1, (rates[best], j['suggestion'])
    assert smooth[low] < 0.7 * smooth[0], 'a rate that is found lets the loss fall'
    assert 'the loss falls fastest at --lr %.2g; rates/find-lr.html' % rates[best] in told, told
    page = open('rates/find-lr.html').read()
    assert '<svg' in page and 'falls fastest at a rate of %.2g' % rates[best] in page and '>suggestion<' in page
    ticks = re.findall(r'text-anchor=middle>([^<]+)<', page)
    assert ticks and all(abs(float(b) / float(a) - 10) < 1e-6 for a, b in zip(ticks, ticks[1:])) and float(ticks[0]) == 1e-7, ticks
    mark = float(re.search(r'<line class=mark x1=([\d.]+)', page)[1])
    import math
    assert abs(mark - (56 + (560 - 14 - 56) * math.log(rates[best] / rates[0]) / math.log(rates[-1] / rates[0]))) < 0.1, mark
    # What it was trained with is the same bits again; the suggestion trains.
    run(*common, '--out', 'again', '--quiet')
    assert json.load(open('again/find-lr.json')) == j
    run(*PLAIN, '--batch', '120', '--epochs', '12', '--set', 'lr_schedule=constant', '--lr', '%.2g' % rates[best], '--out', 'found')
    epochs = events('found', 'epoch')
    assert epochs[-1]['train']['loss'] < 0.8 * epochs[0]['train']['loss'], epochs
    # A rate far too high ends it, and where nothing falls nothing is suggested.
    wild = json.loads((run(*common, '--set', 'optimiser=sgd', '--set', 'weight_decay=1000', '--out', 'wild'), open('wild/find-lr.json').read())[1])
    assert wild['ended'] in ('the loss diverged', 'the loss was not finite') and len(wild['rates']) < 120, wild
    told = run(*common, '--set', 'optimiser=sgd', '--set', 'clip_norm=1e-12', '--out', 'flat')
    assert 'the loss fell at no rate' in told and json.load(open('flat/find-lr.json'))['suggestion'] is None and 'fell at no rate' in open('flat/find-lr.html').read()
    for more in (['--resume'], ['--max-steps', '3'], ['--trace', 't.json'], ['--check-numerics'], ['--tensorboard', 'board'], ['--json']):
        assert '--find-lr makes no run' in refused(*common, '--out', 'none', *more, code=2)
    assert 'option amlp_hidden would change nothing' in refused('train', 'ladder', '--find-lr', '--set', 'amlp_hidden=3', '--out', 'none')  # as training
    assert 'holds a run' in refused(*common, '--out', 'first')
    told = run(*common, '--quiet')
    assert re.fullmatch(r'runs/find-lr-semantic-noise-\d+-1\n', told) and len(os.listdir(told.strip())) == 2, told
    assert not os.path.exists('none')


def many_classes():
    """Their confusion table is left out."""
    os.makedirs('many')
    write_npy('many/features.npy', '<f4', (60, 4), [0.5] * 240)
    write_npy('many/labels.npy', '<i4', (60,), [1500 * (i % 2) for i in range(60)])
    run(*SHORT[:4], '--set', 'validation=10', '--set', 'variant=feed-forward', '--data', 'many', '--epochs', '1', '--batch', '20', '--quiet', '--out', 'wide')
    test, = events('wide', 'test')
    assert test['metrics']['n'] > 0 and 'confusion' not in test and os.path.exists('wide/report.html'), test


in_folder(data, many_classes, repeatable, augment, class_weights, early_stop, find_rate)

#!/usr/bin/env python3
"""Runs on other data than their own (--on): test_other_data.py LATENTCL"""
import csv, json, os, random, shutil, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from common import in_folder, refused, said as run, write_idx, write_png

SIDE, TEST = 8, 40
TRAIN = ['--set', 'arch=mlp', '--set', 'validation=20', '--batch', '30', '--epochs', '4', '--no-profile', '--quiet', '--no-test']


def numbers(*args):
    return json.loads(run(*args, '--json'))


def predictions(*args):
    run('eval', *args, '--predictions', 'p')
    return list(csv.DictReader(open('p.csv')))


def numbered():
    """A run whose classes have no names, and the images of its test part as files."""
    rng = random.Random(1)
    pixels, labels = {}, {}
    for part, n in (('train', 120), ('t10k', TEST)):
        labels[part] = [i % 4 for i in range(n)]
        pixels[part] = [[rng.randrange(150) + (16 if k % 4 == c else 0) for k in range(SIDE * SIDE)] for c in labels[part]]
        write_idx('data/%s-images-idx3-ubyte' % part, (n, SIDE, SIDE), sum(pixels[part], []))
        write_idx('data/%s-labels-idx1-ubyte' % part, (n,), labels[part])
    run('train', 'semantic-noise', '--data', 'data', *TRAIN, '--labels-per-class', '20', '--epochs', '20', '--out', 'run')
    own = numbers('eval', 'run')
    table = predictions('run')
    for i, (image, c) in enumerate(zip(pixels['t10k'], labels['t10k'])):
        write_png('named/%d/%02d.png' % (c, i), SIDE, image)
        write_png('flat/%02d.png' % i, SIDE, image)
        write_png('colour/%d.%02d.png' % (c, i), 2 * SIDE, [image[y // 2 * SIDE + x // 2] for y in range(2 * SIDE) for x in range(2 * SIDE)], 3)
        if c in (1, 3):
            write_png('few/%d/%02d.png' % (c, i), SIDE, image)
        write_png('parts/%s/%d/%02d.png' % ('train' if i < 10 else 'test', c, i), SIDE, image)
        write_png('onlytest/test/%d/%02d.png' % (c, i), SIDE, image)
    os.rename('data', 'away') # not needed any more
    assert 'data' in refused('eval', 'run')
    told = numbers('eval', 'run', '--on', 'named')
    assert told['split'] == 'all' and told['n'] == TEST and told['error_percent'] == own['error_percent'], (told, own)
    assert 0 < told['error_percent'] < 60 and abs(told['loss'] - own['loss']) < 1e-5 * own['loss'], (told, own)
    assert numbers('eval', 'run', '--on', 'onlytest')['error_percent'] == own['error_percent']
    # The order is that of the classes, then of the files; a part of the classes keeps its numbers.
    order = sorted(range(TEST), key=lambda i: (i % 4, i))
    rows = predictions('run', '--on', 'named')
    assert [(r['prediction'], r['label']) for r in rows] == [(table[i]['prediction'], str(i % 4)) for i in order]
    rows = predictions('run', '--on', 'few')
    assert [(r['prediction'], r['label']) for r in rows] == [(table[i]['prediction'], str(i % 4)) for i in order if i % 4 in (1, 3)]
    # Without classes: what the model says, and nothing that would be compared with labels.
    told = numbers('eval', 'run', '--on', 'flat')
    assert told == {'split': 'all', 'n': TEST, 'unlabelled': TEST}, told
    rows = predictions('run', '--on', 'flat')
    assert list(rows[0]) == ['index', 'file', 'prediction'] and [r['file'] for r in rows] == ['%02d.png' % i for i in range(TEST)]
    assert [r['prediction'] for r in rows] == [r['prediction'] for r in table]
    run('hash', 'run', '--method', 'pca-itq', '--bits', '2', '--on', 'flat', '--out', 'codes')
    rows = list(csv.DictReader(open('codes.csv')))
    assert list(rows[0]) == ['index', 'file', 'code'] and rows[3]['file'] == '03.png', rows[3]
    assert 'no example has a label to compare with: --predictions' in run('eval', 'run', '--on', 'flat')
    # Images are scaled and made grey as the run's own were.
    rows = predictions('run', '--on', 'colour')
    assert len(rows) == TEST and sum(r['prediction'] == table[i]['prediction'] for r, i in zip(rows, order)) > TEST * 0.8
    # A folder's own parts; the whole is the default.
    assert [numbers('eval', 'run', '--on', 'parts', *more)['n'] for more in ([], ['--split', 'test'], ['--split', 'all'])] == [TEST, 30, TEST]
    assert 'no split "test"; they have: all' in refused('eval', 'run', '--on', 'named', '--split', 'test')
    assert 'no split "train"; they have: all, test' in refused('eval', 'run', '--on', 'parts', '--split', 'train')
    # The other commands that read examples.
    run('encode', 'run', '--on', 'few', '--out', 'few')
    assert [r['label'] for r in csv.DictReader(open('few.csv'))] == ['1'] * 10 + ['3'] * 10
    run('reconstruct', 'run', '--on', 'flat', '--columns', '3', '--csv', 'images.csv')
    first = next(csv.DictReader(open('images.csv')))
    assert all(abs(float(first['images.%d' % k]) - v / 255) < 1e-6 for k, v in enumerate(pixels['t10k'][0]))
    # Dark images are no images of zeros and ones.
    write_png('dark/0.png', SIDE, [1] * SIDE * SIDE)
    run('reconstruct', 'run', '--on', 'dark', '--columns', '1', '--csv', 'images.csv')
    assert abs(float(next(csv.DictReader(open('images.csv')))['images.0']) - 1 / 255) < 1e-6


def bad_input():
    write_png('strange/9/0.png', SIDE, [0] * SIDE * SIDE)
    assert 'has the class "9", which the model does not know' in refused('eval', 'run', '--on', 'strange')
    write_idx('wide/train-images-idx3-ubyte', (2, SIDE, 9), [7] * 2 * SIDE * 9)
    assert '1x8x9; those that the run was trained on were 1x8x8' in refused('eval', 'run', '--on', 'wide')
    write_idx('many/test-images-idx3-ubyte', (2, SIDE, SIDE), [7] * 2 * SIDE * SIDE)
    write_idx('many/test-labels-idx1-ubyte', (2,), [0, 4])
    assert "labels up to 4; the model's 4 classes are 0 to 3" in refused('eval', 'run', '--on', 'many')
    write_idx('ints/test-images-idx3-int', (2, SIDE, SIDE), range(128), 'i')
    assert 'values go from 0 to 127' in refused('eval', 'run', '--on', 'ints')
    assert 'no folder nowhere' in refused('eval', 'run', '--on', 'nowhere')
    os.makedirs('empty')
    assert 'no data set recognised' in refused('eval', 'run', '--on', 'empty')
    assert '--data and --on' in refused('eval', 'run', '--on', 'named', '--data', 'away', code=2)
    config = json.load(open('run/config.json'))
    for change, said in (({'classes': -1}, '"classes"'), ({'class_names': ['a', 'b']}, 'a number and as many texts'), ({'class_names': [1, 2, 3, 4]}, 'must be texts')):
        shutil.copytree('run', 'torn')
        json.dump({**config, 'data': {**config['data'], **change}}, open('torn/config.json', 'w'))
        assert said in refused('eval', 'torn', '--on', 'named'), change
        shutil.rmtree('torn')


def named():
    """Classes go by their names, whichever of them another folder has."""
    rng = random.Random(2)
    def image(c):
        return [rng.randrange(60) + (150 if (k % SIDE < 4) == (c == 'cat') else 0) for k in range(SIDE * SIDE)]
    for c in ('cat', 'dog'):
        for i in range(30):
            write_png('pets/%s/%d.png' % (c, i), SIDE, image(c))
    run('train', 'semantic-noise', '--data', 'pets', *TRAIN, '--max-steps', '2', '--out', 'pets-run')
    assert json.load(open('pets-run/config.json'))['data']['class_names'] == ['cat', 'dog']
    for i in range(4):
        write_png('dogs/dog/%d.png' % i, 20, [200] * 400)
    rows = predictions('pets-run', '--on', 'dogs')
    assert [(r['file'], r['label'], r['label_class']) for r in rows] == [('dog/%d.png' % i, '1', 'dog') for i in range(4)], rows
    assert all(r['prediction_class'] == ('cat', 'dog')[int(r['prediction'])] for r in rows), rows
    # The other files of examples begin and end the same way; clusters have no names.
    for command, columns in ((['encode'], ['prediction', 'prediction_class']), (['cluster', '--method', 'k-means'], ['cluster'])):
        run(*command, 'pets-run', '--on', 'dogs', '--out', 'made')
        rows = list(csv.DictReader(open('made.csv')))
        assert list(rows[0]) == ['index', 'file', *columns, 'label', 'label_class'] and rows[3]['file'] == 'dog/3.png', (command, rows[3])
    assert 'class 1 has 4 examples; 100 queries' in refused('hash', 'pets-run', '--method', 'pca-itq', '--bits', '2', '--on', 'dogs', '--out', 'made')
    assert 'map 100.00 %' in run('hash', 'pets-run', '--method', 'pca-itq', '--bits', '2', '--queries', '1', '--on', 'dogs', '--out', 'made')
    run('train', 'imsat', '--data', 'pets', '--set', 'system=linear-rim', '--batch', '8', '--max-steps', '2', '--quiet', '--no-test', '--out', 'groups')
    assert list(predictions('groups')[0])[:5] == ['index', 'file', 'prediction', 'label', 'label_class']
    write_png('birds/bird/0.png', SIDE, [0] * SIDE * SIDE)
    assert 'the class "bird"' in refused('eval', 'pets-run', '--on', 'birds')


in_folder(numbered, bad_input, named)

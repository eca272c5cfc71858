#!/usr/bin/env python3
"""What must not go wrong in silence with runs: test_faults.py LATENTCL WHAT

output:     a command whose output is lost fails, whatever the command.
numbers:    NaN weights are null in JSON; a rate after resuming is the rate; nothing bad overwrites a good checkpoint.
folder:     one process at a time writes to a run folder; signals save and tell which they were.
checkpoint: metadata that no run could have written is refused, and nothing is lost by it.
json:       log.jsonl, config.json and profile.json with wrong types or ranges end with one sentence.
markup:     names from outside are text in the reports.
parts:      parts that cannot be measured, or lie elsewhere than the training part, are refused before training.
types:      elements of a type that an op's help does not list are refused.
terminal:   names from outside cannot command a terminal; advice is true.
compare:    results that are slower, wrong, missing or no results fail, and pages of them end.
"""
import fcntl, json, math, os, pty, re, shutil, signal, struct, subprocess, sys, tempfile, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from common import LATENTCL, events as log, read, read_safetensors, refused, run, write_digits, write_idx, write_npy, write_png, write_safetensors

SMALL = ['train', 'semantic-noise', '--labels-per-class', '20', '--set', 'validation=200', '--quiet', '--no-test']
folder = tempfile.mkdtemp(prefix='latentcl-faults-')
for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
    signal.signal(number, signal.SIG_DFL) # children inherit it, also where who runs the tests ignores them (nohup)


def small_run(name, *more):
    out = '%s/%s' % (folder, name)
    run(*SMALL, '--epochs', '2', *more, '--out', out)
    return out


def strict(text):
    def no(constant):
        raise AssertionError(constant)
    return json.loads(text, parse_constant=no)


def output():
    full = open('/dev/full', 'w')
    for args in (['--help'], ['--version'], ['models'], ['devices'], ['devices', '--json'], ['data'], ['data', '--json'],
                 ['train', '--help'], ['op', '--list'], ['bench', '--list'], ['cache', 'stat'], ['reproduce']):
        p = run(*args, code=1, stdout=full)
        assert 'cannot write to standard output' in p.stderr, (args, p.stderr)
    # Nor does it go into the file that is opened next; a parent that ignores SIGCHLD spoils no compiler.
    p = subprocess.run([LATENTCL, 'models'], stderr=subprocess.PIPE, text=True, preexec_fn=lambda: os.close(1))
    assert p.returncode == 1 and 'cannot write to standard output' in p.stderr, p
    write_npy(folder + '/x.npy', '<f4', (2, 3), [0] * 6)
    fresh = {**os.environ, 'LATENTCL_CACHE': 'off', 'POCL_CACHE_DIR': folder + '/pocl'}
    p = subprocess.run([LATENTCL, 'op', 'relu', '--in', folder + '/x.npy', '--out', folder + '/y.npy'], stderr=subprocess.PIPE,
                       text=True, env=fresh, preexec_fn=lambda: (os.close(1), signal.signal(signal.SIGCHLD, signal.SIG_IGN)))
    assert p.returncode == 0 and os.path.getsize(folder + '/y.npy') == 128 + 24, p
    # What cannot be written is said before the work, and no empty run folder stays.
    for option in ('--json', '--csv', '--html'):
        told = run('bench', 'gemm-64', option, folder, code=1)
        assert 'it is a folder' in told.stderr and not told.stdout, told
    out = folder + '/run'
    assert '/nonexistent' in refused(*SMALL, '--trace', '/nonexistent/t.json', '--out', out)
    assert not os.path.exists(out)

    # No result takes the place of what a run is made of, nor of its data.
    r = small_run('kept', '--max-steps', '2')
    data, given = folder + '/kept-data', folder + '/given.npy'
    os.makedirs(data)
    for path, shape, values in ((data + '/features.npy', (800, 1, 28, 28), bytes(range(196)) * 3200), (data + '/labels.npy', (800,), bytes(range(10)) * 80),
                                (given, (800, 1, 28, 28), bytes(range(196)) * 3200)):
        write_npy(path, '|u1', shape, values)
    for name in ('cat', 'dog'):
        for i in range(6):
            write_png('%s/images/%s/%d.png' % (folder, name, i), 8, [40 * i] * 64)
    for name, to in (('.png', r + '/last.safetensors'), ('.csv', r + '/log.jsonl'), ('.html', r + '/config.json'),
                     ('-given.png', given), ('-page.html', folder + '/pages/a.json'), ('-page.csv', folder + '/pages/a.json')):
        os.symlink(to, folder + '/link' + name)
    os.makedirs(folder + '/pages')
    open(folder + '/pages/a.json', 'w').write(json.dumps({'results': []}))

    def contents():
        return {path: read(path) for at in (r, data, folder + '/images', folder + '/pages')
                for root, _, names in os.walk(at) for path in [os.path.join(root, n) for n in names]}

    before = contents()
    a, link = folder + '/pages/a.json', folder + '/link'
    for args in (['tsne', r, '--out', link + '.png'], ['tsne', r, '--out', folder + '/t.png', '--csv', link + '.csv'],
                 ['sample', r, '--out', link + '.png'], ['reconstruct', r, '--out', link + '.png'],
                 ['report', r, r, '--out', link + '.html'], ['sample', r, '--given', given, '--out', link + '-given.png'],
                 [*SMALL, '--out', folder + '/new', '--trace', folder + '/new/config.json'],
                 [*SMALL, '--out', folder + '/new', '--start', r, '--trace', r + '/../kept/profile.json'],
                 ['bench', '--compare', a, a, '--html', link + '-page.html'], ['bench', 'gemm-64', '--compare', a, '--csv', link + '-page.csv']):
        assert 'another use' in refused(*args), args
    for args in (['encode', r, '--data', data, '--split', 'all', '--out', data + '/features'],
                 ['data', folder + '/images', '--sheet', folder + '/images/dog/1.png']):
        told = refused(*args)
        assert 'file of the data set' in told, told
    assert contents() == before and not os.path.exists(folder + '/new')
    for _ in range(2): # a result's own place stays its own
        run('data', folder + '/images', '--sheet', folder + '/images/sheet.png')


def numbers():
    r = small_run('stopped', '--max-steps', '2')  # at the end of the first epoch
    steps = log(r, 'start')[0]['steps_per_epoch']
    assert steps == 2 and not log(r, 'epoch')
    run('train', '--resume', '--out', r, '--quiet', '--no-test')
    epochs = log(r, 'epoch')
    assert [line['lr'] for line in epochs] == [0.005, 0.001] and all(line['images_per_second'] > 0 for line in epochs), epochs

    assert 'started with seed 0' in refused('train', '--resume', '--out', r, '--seed', '7', '--quiet')
    before = read(r + '/config.json')
    told = refused('train', '--resume', '--out', r, '--epochs', '1', '--quiet')
    assert 'has done 2 epochs: it cannot end at epochs=1' in told, told
    # As many steps an epoch, and other data.
    for part, count in (('train', 31), ('t10k', 11)):
        write_digits(folder + '/grown', {'train': 30, 't10k': 10}, side=8)
        some = ['train', 'semantic-noise', '--set', 'arch=mlp', '--set', 'validation=10', '--batch', '10', '--data', folder + '/grown', '--quiet', '--no-test']
        run(*some, '--epochs', '1', '--out', folder + '/grows-' + part)
        write_digits(folder + '/grown', {'train': 30, 't10k': 10, part: count}, side=8)
        told = refused('train', '--resume', '--out', folder + '/grows-' + part, '--epochs', '2', '--quiet')
        assert 'began with %d examples (%s); the data now have %d' % {'train': (20, 'train', 21), 't10k': (10, 'test', 11)}[part] in told, told
    assert read(r + '/config.json') == before

    # One step an epoch: the loss before it is finite, that of the validation after it is not.
    never = folder + '/never'
    assert 'NaN or Inf after every epoch' in refused(*SMALL, '--lr', '1e20', '--epochs', '1', '--batch', '200', '--out', never)
    assert not os.path.exists(never + '/best.safetensors')

    good = read(r + '/last.safetensors')
    bad = folder + '/diverged'
    told = refused(*SMALL, '--lr', '1e30', '--max-steps', '10', '--out', bad)
    assert re.search(r'epoch 1, step \d+: (NaN|Inf) at element \d+ of the result of \w+', told), told
    head, data = read_safetensors(bad + '/last.safetensors')
    assert int(float(head['__metadata__']['step'])) == 0
    for name, t in head.items():
        if name != '__metadata__' and t['dtype'] == 'F32':
            a, b = t['data_offsets']
            assert all(map(math.isfinite, struct.unpack('<%df' % ((b - a) // 4), data[a:b]))), name
    again = refused('train', '--resume', '--out', bad, '--quiet')
    assert again.split('(')[0] == told.split('(')[0], (again, told)
    # From the last checkpoint, before the first epoch, to the step of a later one whose rate is far too high.
    told = refused(*SMALL, '--set', 'lr_schedule=exponential', '--set', 'lr_factor=1e30', '--epochs', '3', '--out', folder + '/later')
    assert re.search(r'epoch 2, step 4: (NaN|Inf) at element \d+ of the result of \w+', told), told

    head, data = read_safetensors(r + '/best.safetensors')
    data = bytearray(data)
    for name, t in head.items():
        if name != '__metadata__' and t['dtype'] == 'F32':
            struct.pack_into('<f', data, t['data_offsets'][0], math.nan)
    write_safetensors(r + '/best.safetensors', head, data)
    told = strict(run('eval', r, '--json').stdout)
    assert told['n'] == 2000 and told['loss'] is None, told
    for args in (['cluster', '--method', 'k-means-features'], ['reconstruct', '--out', folder + '/x.png'],
                 ['tsne', '--out', folder + '/x.png']):
        assert 'holds NaN or Inf' in refused(args[0], r, *args[1:]), args
    for args in (['cluster', '--method', 'k-means'], ['hash', '--method', 'pca-itq']):
        os.makedirs(folder + '/taken.csv', exist_ok=True)
        assert 'it is a folder' in refused(args[0], r, *args[1:], '--out', folder + '/taken')
        assert not os.path.exists(folder + '/taken.npy')
    assert not os.path.exists(folder + '/x.png') and not os.path.exists(r + '/clusters-k-means-features.csv')
    head, data = read_safetensors(r + '/last.safetensors')
    data = bytearray(data)
    name = next(k for k, t in head.items() if k.endswith('.weight'))
    struct.pack_into('<f', data, head[name]['data_offsets'][0], math.inf)
    write_safetensors(r + '/last.safetensors', head, data)
    assert name in refused('train', '--resume', '--out', r, '--epochs', '3', '--quiet')
    open(r + '/last.safetensors', 'wb').write(good)
    run('train', '--resume', '--out', r, '--epochs', '3', '--quiet', '--no-test')


def start(out, *more, **how):
    p = subprocess.Popen([LATENTCL, *SMALL, '--epochs', '100000', *more, '--out', out], stderr=subprocess.PIPE, text=True, **how)
    for _ in range(600):
        if os.path.exists(out + '/config.json') and '"event":"step"' in open(out + '/log.jsonl').read():
            return p
        time.sleep(0.1)
    sys.exit('no step in a minute')


def ignore(*numbers):
    return lambda: [signal.signal(n, signal.SIG_IGN) for n in numbers]


def ended(p, number):
    p.send_signal(number)
    told = p.stderr.read()
    assert p.wait(60) == 128 + number, (p.returncode, told)
    assert 'everything is saved' in told


def one_writer():
    r = folder + '/busy'
    p = start(r)
    for args in (['train', '--resume', '--out', r], [*SMALL, '--out', r]):
        told = refused(*args)
        assert 'in use' in told and str(p.pid) in told, told
    before = os.listdir(r)
    ended(p, signal.SIGHUP)
    assert set(before) <= set(os.listdir(r)) and not [f for f in os.listdir(r) if 'lock' in f]
    for line in open(r + '/log.jsonl'):
        json.loads(line)
    step = int(float(read_safetensors(r + '/last.safetensors')[0]['__metadata__']['step']))
    assert step >= 50
    p = start(r, '--resume', preexec_fn=ignore(signal.SIGINT, signal.SIGHUP))
    p.send_signal(signal.SIGINT)
    p.send_signal(signal.SIGHUP)
    time.sleep(1)
    assert p.poll() is None, 'a signal that the parent ignores ended the run'
    ended(p, signal.SIGTERM)
    # At a terminal the first signal is answered at once, since what runs may take a while to its end.
    mine, its = pty.openpty()
    p = subprocess.Popen([LATENTCL, 'bench', 'gemm-64', 'gemm-64', '--quick', '--seconds', '1'], stdout=subprocess.DEVNULL, stderr=its)
    os.close(its)
    said = b''
    while b'gemm-64 ...' not in said:
        said += os.read(mine, 4096)
    p.send_signal(signal.SIGINT)
    try:
        while more := os.read(mine, 4096):
            said += more
    except OSError: # Linux says so at the end
        pass
    assert p.wait() == 130 and said.count(b'once more: at once') == 1 and said.index(b'once more') < said.index(b'bench: stopped'), said
    os.close(mine)
    # A benchmark that is stopped keeps what it has measured, but does not put it in the place of older results; the folders that a
    # killed one left go.
    left = '/tmp/latentcl-bench-%d-abcdef' % 0x3fffffff
    os.makedirs(left + '/l', exist_ok=True)
    open(folder + '/b.csv', 'w').write('older')
    p = subprocess.Popen([LATENTCL, 'bench', 'gemm', '--quick', '--seconds', '0.5', '--json', folder + '/b.json', '--csv', folder + '/b.csv'],
                         stderr=subprocess.PIPE, text=True)
    while os.path.exists(left) and p.poll() is None:
        time.sleep(0.1)
    p.send_signal(signal.SIGTERM)
    told = p.stderr.read()
    assert p.wait(100) == 128 + signal.SIGTERM and 'stopped; what was measured is in %s/b.json\n' % folder in told, (p.returncode, told)
    assert [r['name'] for r in json.load(open(folder + '/b.json'))['results']] == ['gemm-64'] and open(folder + '/b.csv').read() == 'older'
    # What a killed process left goes at the next start; every writer takes the folder for itself.
    stale = r + '/log.jsonl.%d.0123456789abcdef.tmp' % 0x3fffffff
    open(stale, 'w').close()
    run('train', '--resume', '--out', r, '--quiet', '--no-test', '--epochs', str(max(1, len(log(r, 'epoch')))))
    assert not os.path.exists(stale)
    lock = os.open(r, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    for args in (['cluster', r, '--method', 'k-means'], ['hash', r, '--method', 'pca-itq'], ['encode', r],
                 ['reproduce', 'imsat/clusters', '--quick', '--out', r], [*SMALL, '--out', r]):
        told = refused(*args)
        assert 'in use' in told and str(os.getpid()) in told, (args, told)
    os.close(lock)
    failed = folder + '/never'
    refused(*SMALL, '--data', '/nonexistent', '--out', failed)
    assert not os.path.exists(failed)


def images():
    """A folder like MNIST's: every refusal reads the data first, and the built-in digits take a second."""
    data = folder + '/images'
    write_digits(data, {'train': 400, 't10k': 40}, labels=lambda n, rng: [i % 10 for i in range(n)])
    return data


def checkpoint():
    r = small_run('whole', '--max-steps', '3', '--set', 'arch=mlp', '--data', images())
    head, data = read_safetensors(r + '/last.safetensors')
    size = os.path.getsize(r + '/log.jsonl')
    for key, value in (('epoch', 'abc'), ('epoch', '-3'), ('epoch', '1e300'), ('epoch', '1.5'), ('epoch', ''), ('epoch', 'nan'),
                       ('step', '-100'), ('step', '1'), ('epoch_step', '99'), ('log_bytes', '1e11'), ('log_bytes', '-1'),
                       ('log_bytes', 'x'), ('best_epoch', '7'), ('best_value', 'inf'), ('stalled', '1e10'), ('waited', '-1'),
                       ('plateaus', '0x'), ('seconds', '-1'), ('labelled.step', '1e9'), ('labelled.epoch', '-1'),
                       ('labelled.epoch', '7'), ('labelled.step', '0'), ('stalled', '9'), ('plateaus', '9'), ('waited', '9'),
                       ('log_bytes', '0'), ('log_bytes', '9'), ('log_bytes', str(size - 1)), ('totals', '1 2'), ('totals', 'nan'), ('best', '[1]'), ('best', '{"loss":"x"}'), ('best', '')):
        changed = json.loads(json.dumps(head))
        changed['__metadata__'][key] = value
        write_safetensors(r + '/last.safetensors', changed, data)
        refused('train', '--resume', '--out', r, '--quiet')
        assert os.path.getsize(r + '/log.jsonl') == size, (key, value)
    for key in head['__metadata__']:
        if key in ('format', 'prep'):
            continue
        changed = json.loads(json.dumps(head))
        del changed['__metadata__'][key]
        write_safetensors(r + '/last.safetensors', changed, data)
        refused('train', '--resume', '--out', r, '--quiet')
    write_safetensors(r + '/last.safetensors', head, data)
    run('train', '--resume', '--out', r, '--quiet', '--no-test')


def types():
    """Every op, every input, every type that its help does not list."""
    codes = {'f32': '<f4', 'i32': '<i4', 'u8': '|u1'}
    for name, code in codes.items():
        write_npy('%s/%s.npy' % (folder, name), code, (2, 3), [0] * 6)
    refusals = 0
    for op in [line.split()[0] for line in run('op', '--list').stdout.splitlines() if line]:
        text = run('op', op, '--help').stdout
        if '\ninputs\n' not in text:
            continue
        lines = text.split('\ninputs\n')[1].split('\n\n')[0].splitlines()
        inputs = [(l.split()[0], re.findall(r'\b(?:f32|i32|u8)\b', l.split(None, 1)[1])) for l in lines]
        attributes = ['type=A' if 'A|B' in l else l.split()[0] + '=1' for l in text.splitlines() if 'required)' in l]
        for k, (name, listed) in enumerate(inputs):
            assert listed, (op, name)
            for other in sorted(set(codes) - set(listed)):
                files = ['%s/%s.npy' % (folder, other if i == k else types[0]) for i, (_, types) in enumerate(inputs)]
                told = refused('op', op, *(['--attr', *attributes] if attributes else []), '--in', *files, '--out', folder + '/y.npy')
                assert 'elements for %s, which takes' % name in told, (op, name, other, told)
                refusals += 1
    assert refusals > 100, refusals


def parts():
    data = folder + '/idx'
    for part, n in (('train', 60), ('t10k', 20)):
        write_idx('%s/%s-images-idx3' % (data, part), (n, 4, 4), [i * 37 % 256 for i in range(n * 16)])
        write_idx('%s/%s-labels-idx1' % (data, part), (n,), [i % 3 for i in range(n)], 'b')
    train = ['train', 'semantic-noise', '--set', 'arch=mlp', '--data', data, '--set', 'validation=10', '--epochs', '1', '--batch', '10', '--quiet']
    out = folder + '/measured'
    write_idx(data + '/t10k-labels-idx1', (20,), [-1] * 20, 'b')
    assert 'every label is -1' in refused(*train, '--out', out)
    assert not os.path.exists(out)
    run(*train, '--no-test', '--out', out)
    assert 'every label is -1' in refused('eval', out)
    # Whatever needs no label does without: codes, clusters, sheets; unlabelled examples are counted.
    told = json.loads(run('data', data, '--json').stdout)
    assert told['test']['unlabelled'] == 20 and told['train']['unlabelled'] == 0, told
    assert 'none (every label is -1)' in run('data', data).stdout
    write_idx(data + '/train-labels-idx1', (60,), [-1] * 60, 'b')
    run('data', data, '--sheet', folder + '/sheet.png')
    for model, option in (('dec', 'batch=10'), ('imsat', 'clusters=3')):
        out = '%s/without-%s' % (folder, model)
        run('train', model, '--data', data, '--set', option, '--epochs', '1', '--quiet', '--out', out)
        told = json.loads(run('eval', out, '--split', 'all', '--json').stdout)
        assert told['n'] == told['unlabelled'] == 80 and told['loss'] > 0 and 'accuracy_percent' not in told, told
    for args in (['cluster', out], ['hash', out, '--method', 'pca-itq']):
        told = json.loads(run(*args, '--json').stdout)
        assert told == {'split': 'all', 'n': 80, 'unlabelled': 80}, told
    write_idx(data + '/train-labels-idx1', (60,), [i % 3 for i in range(60)], 'b')
    # Classes have names, also in the data that a run is measured on later.
    for name, classes in (('own', ('cat', 'dog')), ('same', ('cat', 'dog')), ('others', ('ant', 'cat'))):
        for k, c in enumerate(classes):
            for i in range(20):
                write_png('%s/%s/%s/%d.png' % (folder, name, c, i), 8, [100 * k + i] * 64)
    out = folder + '/named'
    run('train', 'semantic-noise', '--set', 'arch=mlp', '--data', folder + '/own', '--epochs', '1', '--batch', '10', '--quiet', '--out', out)
    run('eval', out, '--data', folder + '/same')
    assert 'has the classes ant, cat; those that the run was trained on were expected: cat, dog' in refused(
        'eval', out, '--data', folder + '/others')
    link = os.fsencode(folder) + b'/\xff'
    os.symlink(data, link)
    told = refused(*train[:-1], '--quiet', '--no-test', '--data', link, '--out', folder + '/latin')
    assert '\\xff, is not UTF-8' in told, told
    assert not os.path.exists(folder + '/latin')
    tables = folder + '/npy'
    for part, most in (('train', 1), ('test', 255)):
        write_npy('%s/%s_features.npy' % (tables, part), '<f4', (40, 12, 12), [i * 37 % 256 / 255 * most for i in range(40 * 144)])
    for binarise in ('dynamic', 'none'):
        told = refused('train', 'vae', '--set', 'binarise=' + binarise, '--data', tables, '--epochs', '1', '--quiet', '--out', folder + '/range')
        assert 'npy test: values go from 0 to 255' in told, told


def replaced(path, old, new):
    text = open(path).read()
    assert old in text, (path, old)
    open(path, 'w').write(text.replace(old, new, 1))


def peak_of(*args):
    """KiB of memory that the command takes at most (this script's own are counted at its start)."""
    p = subprocess.Popen([LATENTCL, *args], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(p.pid, 0)
    assert status == 0, args
    return usage.ru_maxrss


def wrong_json():
    r = small_run('run')
    other = folder + '/other'
    shutil.copytree(r, other)
    for file, pattern, bad in (
            ('log.jsonl', r'"train":\{[^}]*\}', ['"train":[1]', '"train":{"loss":"x"}', '"train":1', '"train":{"loss":1e999}']),
            ('log.jsonl', r'"epoch":1,', ['"epoch":1e17,', '"epoch":"1",', '"epoch":[],', '"epoch":1e999,', '"epoch":-1,', '']),
            ('log.jsonl', r'"validation":\{[^}]*\}', ['"validation":[[1]]']),
            ('log.jsonl', r'\n', ['{}\n', ' x\n', '\0\n']),
            ('config.json', r'\}\s*$', ['}}', '},', '}\0{}', '} 1']),
            ('profile.json', r'\}\s*$', ['}x']),
            ('log.jsonl', r'\{"event":"epoch"', ['{"event":5', '[{"event":"epoch"', 'x']),
            ('config.json', r'"options":\t?\{', ['"options":[1],"o":{', '"options":{"a":1},"o":{']),
            ('config.json', r'"settings":\t?\{', ['"settings":[1],"o":{', '"settings":{"a":{}},"o":{']),
            ('config.json', r'"set":\t?\{', ['"set":[1],"o":{', '"set":{"a":{}},"o":{']),
            ('config.json', r'"data":\t?\{', ['"data":[1],"o":{', '"d":{']),
            ('config.json', r'"path":\t?null', ['"path":5', '"path":[1]', '"p":null']),  # not the built-in digits
            ('config.json', r'"classes":\t?\d+', ['"classes":1e300', '"classes":-1', '"classes":"x"']),
            ('config.json', r'"train":\t?\d+', ['"train":1e300', '"train":0.5']),
            ('config.json', r'"shape":\t?\[[^]]*\]', ['"shape":[1e300,28,28]', '"shape":[1,0,28]', '"shape":[1,28]', '"shape":784', '"shape":["1","28","28"]']),
            ('config.json', r'"seed":\t?"0"', ['"seed":0', '"seed":"x"', '"seed":"-1"', '"seed":"99999999999999999999999"']),
            ('config.json', r'"parameters":\t?\d+', ['"parameters":"x"', '"parameters":1e999']),
            ('config.json', r'"model":\t?"[^"]*"', ['"model":[1]', '"m":1']),
            ('profile.json', r'"rows":\t?\[', ['"rows":1,"o":[', '"rows":[1,']),
            ('profile.json', r'"seconds":\t?[\d.e-]+', ['"seconds":"x"', '"seconds":1e999', '"seconds":-1'])):
        path = r + '/' + file
        whole = open(path).read()
        assert re.search(pattern, whole), (file, pattern)
        for text in bad:
            open(path, 'w').write(re.sub(pattern, lambda m: text, whole, count=1))
            assert file in refused('report', r), (file, text)
            if file != 'profile.json':
                refused('report', r, other, '--out', folder + '/page.html')
        open(path, 'w').write(whole)
    for file in ('config.json', 'log.jsonl', 'best.safetensors', 'profile.json'):
        os.rename(r + '/' + file, folder + '/kept')
        os.mkfifo(r + '/' + file)
        assert 'regular file' in refused('report', r), file
        os.remove(r + '/' + file)
        os.symlink('nowhere', r + '/' + file)  # is not the same as no file
        assert file in refused('report', r), file
        os.remove(r + '/' + file)
        os.rename(folder + '/kept', r + '/' + file)
    run('report', r, '--out', folder + '/page.html', code=2)
    # Values that a curve cannot show, and epochs far from each other.
    lines = open(r + '/log.jsonl').read()
    add = ''.join('{"event":"epoch","epoch":%s,"train":{"loss":%s},"validation":{"loss":%s}}\n' % e for e in
                  (('3', '5e-324', '1e308'), ('9999999', '1e308', '-1e308'), ('4', 'null', '0')))
    open(r + '/log.jsonl', 'w').write(lines + add)
    run('report', r, timeout=60)
    assert os.path.getsize(r + '/report.html') < 3e6
    # However long a log is, it is read a line at a time, and of very many epochs only some are kept.
    small = peak_of('report', r, other, '--out', folder + '/page.html')
    line = [l for l in lines.splitlines() if '"event":"epoch"' in l][0]
    with open(r + '/log.jsonl', 'w') as f:
        f.write(lines)
        for k in range(2, 50002):
            f.write(line.replace('"epoch":1,', '"epoch":%d,' % k) + '\n')
        for k in range(150000):
            f.write('{"event":"step","loss":1,"what":"%s"}\n' % ('x' * 1000))
        f.write(line.replace('"epoch":1,', '"epoch":50002,'))  # torn: not read
    large = peak_of('report', r, other, '--out', folder + '/page.html')
    assert large - small < 100 << 10, (small, large)
    assert '>50001<' in open(folder + '/page.html').read(), 'the last epoch'
    with open(r + '/log.jsonl', 'ab') as f:
        f.truncate(40 << 20)
        f.truncate(20 << 30)
    assert 'longer than' in refused('report', r, other, '--out', folder + '/page.html')


def markup():
    r = small_run('run')
    evil = '<script>\\"\'&x\\u001b'
    config = r + '/config.json'
    for key in ('device', 'latentcl', 'created', 'reference'):
        text = open(config).read()
        assert re.search('"%s":\t?"' % key, text), key
        open(config, 'w').write(re.sub('("%s":\t?")' % key, lambda m: m.group(1) + evil, text))
    for name in ('options', 'settings', 'data'):
        replaced(config, '"%s":\t{' % name, '"%s":\t{"%s":"%s",' % (name, evil, evil))
    text = open(r + '/log.jsonl').read()
    text = text.replace('"train":{', '"train":{"%s":1,' % evil).replace('"validation":{', '"validation":{"%s":2,' % evil)
    text += '{"event":"test","split":"%s","best_epoch":1,"metrics":{"%s":1},"confusion":[[1,2],[3,4]]}\n' % (evil, evil)
    open(r + '/log.jsonl', 'w').write(text)
    replaced(r + '/profile.json', '"label":\t"', '"label":\t"' + evil)
    shutil.copytree(r, folder + '/<script>')
    page = folder + '/page.html'
    run('report', r)
    run('report', r, folder + '/<script>', '--out', page)
    for path in (r + '/report.html', page):
        text = open(path).read()
        assert '<script' not in text and '\x1b' not in text and '&lt;script&gt;&quot;&#39;&amp;x' in text, path


def results(name, rows, **more):
    path = '%s/%s.json' % (folder, name)
    text = json.dumps({'schema': 'latentcl-bench-1', 'device': {'name': 'D<script>\x1b[31m'}, 'results': rows, **more})
    open(path, 'w').write(text.replace('Infinity', '1e999'))
    return path


def compare():
    def row(name, median, **more):
        return {'name': name, 'seconds': {'median': median, 'mad': 0}, 'gflop': 1, 'mbytes': 1, 'gflops': 1 / median, **more}

    def gate(code, b, *more):
        p = run('bench', '--compare', base, results('b', b), *more, code=code, timeout=60)
        assert '\x1b' not in p.stdout + p.stderr
        return p.stdout + p.stderr

    good = [row('x', 1e-3), row('y', 1e-2, verified=True), {'name': 'p', 'unit': 'GB/s', 'value': 10}, {'name': 'q', 'unit': 'us'}]
    base = results('a', good)
    gate(0, good)
    gate(0, [row('x', 1.04e-3), *good[1:]])
    told = gate(1, [row('x', 1e-2), *good[1:]])
    assert 'x' in told and '<- regression' in told and '1 workload is' in told
    gate(0, [row('x', 1.4e-3), *good[1:]], '--threshold', '50%')
    gate(1, good[1:])                                                    # missing
    gate(1, [{'name': 'x', 'seconds': {}}, *good[1:]])                   # no time
    gate(1, [{'name': 'x', 'seconds': {'median': None}}, *good[1:]])
    gate(1, [row('x', 1e-3, verified=False), *good[1:]])
    gate(1, [*good[:2], {'name': 'p', 'unit': 'GB/s', 'value': 9}, good[3]])
    gate(1, [*good[:2], {'name': 'p', 'unit': 'GB/s'}, good[3]])
    for unit in ({'unit': 'us'}, {'unit': 'MB/s'}, {}):                  # nothing to compare 10 GB/s with
        gate(1, [*good[:2], {'name': 'p', 'value': 10, **unit}, good[3]])
    gate(1, [])
    run('bench', '--compare', results('none', []), results('none', []), code=1)
    assert 'twice' in gate(1, [*good, row('x', 1)])
    for bad in (-1, 0, 1e999, 5e-324, 'fast'):
        assert '"median"' in gate(1, [{'name': 'x', 'seconds': {'median': bad}}, *good[1:]]), bad
    for key in ('value', 'mbytes', 'gflops'):                             # no ratio is infinite
        assert '"%s"' % key in gate(1, [*good[:3], {**row('q', 1), key: 5e-324}]), key
    for bad in ([1], [{'name': 1}], [{}], {}, [row('x', 1, verified=1)], [row('x', 1, value='v')]):
        gate(1, bad)
    page = folder + '/page.html'
    many = [row('<script>%d' % i, 10.0 ** (i % 17 - 8), unit='') for i in range(4000)]
    big = results('many', many, peaks={'gflops': 1e9, 'gbps': 1e-5, 'levels': [{'gbps': 1e9}]})
    run('bench', '--compare', big, big, '--html', page, timeout=60)
    assert '<script' not in open(page).read() and os.path.getsize(page) < 1e7
    run('bench', '--compare', base, results('peaks', good, peaks={'gflops': 1e308, 'gbps': 1e308}), '--html', page, code=1)
    run('bench', '--compare', base, results('rows', [row('r%d' % i, 1) for i in range(20000)]), '--html', page, code=1)
    for text in ('nan', '-5%', '5%%', '0', 'x', '1e999', '0x5%', '\t5%'):
        run('bench', '--compare', base, base, '--threshold', text, code=2)


def terminal():
    evil = 'a\x1b]0;x\x07\x9b31m'
    data = folder + '/' + evil
    os.makedirs(data)
    for args in (['eval', data], ['data', data], ['report', data], ['train', evil], ['bench', evil], [evil], ['op', evil],
                 ['train', 'semantic-noise', '--set', evil], ['train', 'semantic-noise', '--lr', evil], ['data', '--seed', evil],
                 ['reproduce', evil], ['bench', '--compare', data], ['eval', '--' + evil], ['models', '--device', evil]):
        p = subprocess.run([LATENTCL, *args], capture_output=True, timeout=60)
        assert p.returncode in (1, 2) and p.stderr.count(b'\n') == 1, (args, p)
        assert not re.search(rb'[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]', p.stdout + p.stderr), (args, p)
    try:
        from PIL import Image
    except ImportError:
        pass
    else:
        for k in range(2):
            os.makedirs('%s/set/%s%d' % (folder, evil, k))
            for i in range(10):
                Image.new('L', (8, 8), 20 * i).save('%s/set/%s%d/%d.png' % (folder, evil, k, i))
        told = run('data', folder + '/set').stdout
        assert '\x1b' not in told and '\\x1b' in told, told
    home = {'HOME': '/dev/null', 'PATH': os.environ['PATH'], 'LATENTCL_CACHE': 'off'}
    told = subprocess.run([LATENTCL, 'doctor'], capture_output=True, text=True, env=home, timeout=60).stdout
    if '! PoCL' in told or '! no PoCL' in told:
        assert 'cannot be written; set POCL_CACHE_DIR' in told and 'install pocl' not in told, told


try:
    {'output': output, 'numbers': numbers, 'folder': one_writer, 'checkpoint': checkpoint, 'json': wrong_json,
     'markup': markup, 'compare': compare, 'parts': parts, 'types': types,
     'terminal': terminal}[sys.argv[2]]()
finally:
    shutil.rmtree(folder, ignore_errors=True)

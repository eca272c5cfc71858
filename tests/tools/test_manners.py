#!/usr/bin/env python3
"""How the command behaves towards people and scripts: test_manners.py LATENTCL MANUAL"""
import csv, fcntl, json, os, pty, re, signal, struct, subprocess, sys, termios, threading, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from common import LATENTCL, in_folder, read, refused, run, subcommands, write_digits

MANUAL = open(sys.argv[2]).read()
MLP = ['train', 'semantic-noise', '--set', 'arch=mlp', '--set', 'validation=40', '--data', 'data', '--batch', '30']


# ---- the terminal ----

def on_terminal(args, widths, rows=10):
    """What a command writes to a terminal whose width changes after a second, in order of the widths."""
    main, other = pty.openpty()
    resize = lambda n: fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack('HHHH', rows, n, 0, 0))
    resize(widths[0])
    p = subprocess.Popen([LATENTCL, *args], stdout=subprocess.DEVNULL, stderr=other)
    seen, marks = b'', []
    def read():
        nonlocal seen
        while True:
            try:
                more = os.read(main, 4096)
            except OSError:
                return
            if not more:
                return
            seen += more
    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    for width in widths[1:]:
        deadline = time.time() + 100
        while seen.count(b'[') < 6 and time.time() < deadline and p.poll() is None: # a few drawings
            time.sleep(0.02)
        resize(width)
        time.sleep(0.15) # one may be half written
        marks.append(len(seen))
    while marks and seen.count(b'[', marks[-1]) < 6 and p.poll() is None:
        time.sleep(0.02)
    if marks: # seen enough
        p.send_signal(signal.SIGTERM)
    code = p.wait(timeout=200)
    os.close(other)
    thread.join(5)
    os.close(main)
    return code, seen.decode(), marks


def terminal():
    code, seen, marks = on_terminal([*MLP, '--out', 'narrow', '--epochs', '4000'], [60, 31])
    assert code == 128 + signal.SIGTERM and marks, seen[-300:]
    bar = r'\r(\[[=> ]{20}\][^\r\n\x1b]*)\x1b\[K'
    before, after = (re.findall(bar, s) for s in (seen[:marks[0]], seen[marks[0]:]))
    assert before and max(map(len, before)) == 59 and after and max(map(len, after)) == 30, (before[-3:], after[-3:])
    assert all(re.match(r'\[=*> *\]|\[={20}\]', b) for b in before), before # how far the epoch is
    # A message begins at the left edge of an empty line.
    code, seen, _ = on_terminal([*MLP, '--out', 'bad', '--lr', '1e30', '--epochs', '50', '--batch', '5'], [80])
    assert code == 1, seen
    for message in re.finditer(r'latentcl: ', seen):
        line = seen[:message.start()].rsplit('\n', 1)[-1]
        assert line == '' or line.endswith('\r\x1b[K'), repr(seen[-400:])
    assert re.search(bar, seen), seen
    code, seen, _ = on_terminal(['bench', 'gemm-64', '--seconds', '0.01', '--quick'], [12])
    drawn = re.findall(r'\r([^\r\n\x1b]*)\x1b\[K', seen)
    assert code == 0 and '1 of 1  gem' in drawn and seen.endswith('\r\x1b[K'), drawn


# ---- standard output ----

def full_disk():
    everything = [['--help'], ['--version'], ['version'], ['help'], *([c, '--help'] for c in subcommands()), 
                  ['help', 'train', 'vae'], ['train', 'vae', '--help'], ['models'], ['data', 'data'], ['data', 'data', '--json'],
                  ['data', 'data', '--sheet', 'full.png'], ['data', 'data', '--sheet', '/dev/stdout'],
                  [*MLP, '--out', 'full', '--epochs', '1'], ['train', '--resume', '--out', 'full', '--epochs', '2'],
                  ['eval', 'mlp'], ['eval', 'mlp', '--json'], ['sample', 'pixels', '--out', '/dev/stdout', '--count', '2'],
                  ['reconstruct', 'mlp', '--out', '/dev/stdout'], ['encode', 'mlp'], ['encode', 'mlp', '--json'],
                  ['cluster', 'mlp', '--method', 'k-means'], ['hash', 'mlp', '--method', 'spectral', '--queries', '2', '--json'],
                  ['tsne', 'mlp', '--rounds', '5', '--csv', 'full.csv'], ['tsne', 'mlp', '--rounds', '5', '--csv', '/dev/stdout'],
                  ['report', 'mlp'], ['report', 'mlp', 'mlp', '--out', 'full.html'], ['report', 'mlp', 'mlp', '--out', '/dev/stdout'],
                  ['reproduce'], ['results', 'table', 'figures'], ['bench', '--list'], ['bench', '--describe'], ['bench', 'gemm-64', '--seconds', '0.01', '--quick'],
                  ['bench', 'gemm-64', '--seconds', '0.01', '--quick', '--json', '-'], ['bench', '--compare', 'one.json', 'one.json'],
                  ['tune', 'gemm-64', '--budget', '0'], ['devices'], ['devices', '--json'], ['doctor'],
                  ['check', '--op', 'relu', '--cases', '1'], ['op', '--list'], ['op', 'relu', '--help'],
                  ['explain', 'semantic-noise', '--set', 'arch=mlp', '--data', 'data'], ['explain', 'semantic-noise', '--set', 'arch=mlp', '--data', 'data', '--dot'],
                  ['cache', 'stat'], ['cache', 'clear'], ['run', '--operators']]
    run('bench', 'gemm-64', '--seconds', '0.01', '--quick', '--json', 'one.json')
    run('results', 'add', 'mlp', '--out', 'figures', '--name', 'own', '--title', 'own')
    assert {a[0] for a in everything} >= set(subcommands()), set(subcommands()) - {a[0] for a in everything}
    with open('/dev/full', 'w') as full:
        for args in everything:
            if args == ['run', '--operators'] and not run(*args).stdout:
                continue  # built without ONNX: there are none
            own = {'LATENTCL_CACHE': os.path.abspath('cache')} if args[0] == 'cache' else {} # other tests use what is kept
            told = run(*args, code=1, stdout=full, env=own).stderr
            assert re.search(r'cannot write|No space left', told), (args, told)


def quiet():
    for args in ([*MLP, '--out', 'silent', '--epochs', '2', '--set', 'patience=1'], ['train', '--resume', '--out', 'silent', '--epochs', '3'],
                 ['cluster', 'mlp', '--method', 'k-means', '--out', 'q'], ['tsne', 'mlp', '--rounds', '5', '--csv', 'q.csv']):
        told = run(*args, '--quiet')
        assert (told.stdout, told.stderr) == ('', ''), (args, told)
    # Nor is measuring said.
    home = {'XDG_DATA_HOME': os.path.abspath('home'), 'LATENTCL_DISABLE': 'clblast', 'LATENTCL_FIND': 'quick'}
    told = run(*MLP, '--max-steps', '1', '--no-profile', '--out', 'find', '--quiet', env=home)
    assert (told.stdout, told.stderr) == ('', '') and os.path.isdir('home/latentcl/tuning'), told
    told = run(*MLP, '--epochs', '1', '--quiet', '--no-test')
    assert re.fullmatch(r'runs/semantic-noise-\d+-1\n', told.stdout) and os.path.isdir(told.stdout.strip()) and not told.stderr, told
    assert json.loads(run('tsne', 'mlp', '--rounds', '5', '--csv', 'q.csv', '--quiet', '--json').stdout)['n'] == 40
    takes = {c for c in subcommands() if '--quiet' in run(c, '--help').stdout}
    assert takes == {'train', 'cluster', 'tsne'}, takes


# ---- files and counts ----

def endings():
    run('data', 'data', '--sheet', 'sheet.PNG')
    for args, known in ((['sample', 'none', '--out', 'no.jpg'], '.png'), (['sample', 'none', '--csv', 'no.npy'], '.csv'),
                        (['reconstruct', 'none', '--out', 'no.jpeg'], '.png'), (['reconstruct', 'none', '--npy', 'no.csv'], '.npy'),
                        (['tsne', 'none', '--out', 'no.svg'], '.png'), (['tsne', 'none', '--csv', 'no.tsv'], '.csv'), (['export', 'none', '--onnx', 'no.pb'], '.onnx'),
                        (['data', 'none', '--sheet', 'no.bmp'], '.png'), (['report', 'none', 'none', '--out', 'no.pdf'], '.html .htm'),
                        (['bench', '--gallery', 'none', '--html', 'no.txt'], '.html .htm'), (['run', 'none.onnx', '--out', 'y=no.txt'], '.npy'),
                        (['bench', 'gemm-64', '--json', 'no.csv'], '.json'), (['bench', 'gemm-64', '--csv', 'no.json'], '.csv'),
                        (['bench', 'gemm-64', '--html', 'no.json'], '.html .htm'), ([*MLP, '--out', 'no', '--trace', 'no.txt'], '.json'),
                        (['op', 'random_uniform', '--attr', 'shape=2', '--out', 'no.txt'], '.npy')):
        told = refused(*args, code=2)  # before anything is opened
        assert told.endswith('known: %s\n' % known), (args, told)
    assert not [f for f in os.listdir('.') if f.startswith('no')], os.listdir('.')
    run('sample', 'pixels', '--out', 'plain', '--count', '2')
    assert read('plain')[:4] == b'\x89PNG'


def pixels_of(path):
    """Rows of bytes of a grey PNG."""
    import zlib
    data, at, packed = read(path), 8, b''
    while at < len(data):
        n, kind = struct.unpack('>I4s', data[at:at + 8])
        if kind == b'IHDR':
            width, height, depth, colour = struct.unpack('>IIBB', data[at + 8:at + 18])
            assert (depth, colour) == (8, 0), (depth, colour)
        if kind == b'IDAT':
            packed += data[at + 8:at + 8 + n]
        at += n + 12
    raw, out, last = zlib.decompress(packed), [], bytes(width)
    for y in range(height):
        kind, line = raw[y * (width + 1)], bytearray(raw[y * (width + 1) + 1:(y + 1) * (width + 1)])
        for x in range(width):
            a, b, c = line[x - 1] if x else 0, last[x], last[x - 1] if x else 0
            p = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]
            line[x] = (line[x] + (0, a, b, (a + b) // 2, p)[kind]) & 255
        out.append(bytes(line))
        last = line
    return out


def images_in(path, side=8, zoom=2, pad=2, background=96):
    """How many places of a grid hold an image."""
    rows = pixels_of(path)[19:]  # below the title
    cell, n = side * zoom + pad, 0
    for y in range(pad, len(rows) - 1, cell):
        for x in range(pad, len(rows[0]) - side * zoom, cell):
            n += any(rows[y + k][x + j] != background for k in range(side * zoom) for j in range(side * zoom))
    return n


def counts():
    for n in (7, 13):
        run('sample', 'pixels', '--out', 's.png', '--count', str(n))
        assert images_in('s.png') == n, n
        run('sample', 'vae-digits', '--out', 's.png', '--n', str(n))
        assert images_in('s.png', side=28) == n, n
    # As many as are to be completed have to be there, not as many as fill a row.
    run('sample', 'pixels', '--out', 's.png', '--count', '37', '--given', 'test', '--rows', '4')
    assert images_in('s.png') == 37
    assert '41 images to complete, test has 40' in refused('sample', 'pixels', '--out', 's.png', '--count', '41', '--given', 'test', '--rows', '4')
    run('reconstruct', 'mlp', '--out', 'r.png', '--columns', '40')
    assert '41 examples (columns) were asked for; test has 40' in refused('reconstruct', 'mlp', '--out', 'r.png', '--columns', '41')
    table = lambda *args: (run('tsne', 'mlp', '--csv', 'm.csv', '--rounds', '5', '--perplexity', '4', '--quiet', *args), list(csv.DictReader(open('m.csv'))))[1]
    kinds = lambda rows: {k: sum(r['kind'] == k for r in rows) for k in {r['kind'] for r in rows}}
    marked = ['--marked', '0,1']
    told = kinds(table(*marked, '--marks', '4', '--points', '33'))
    assert told.pop('example') == 33 and told and all(n == 24 for n in told.values()), told # three samples of each kind
    assert kinds(table(*marked, '--marks', '0')) == {'example': 40}
    assert kinds(table('--points', '0'))['example'] == kinds(table())['example'] == 40
    assert '41 points were asked for; there are 40' in refused('tsne', 'mlp', '--csv', 'm.csv', '--points', '41')
    assert '11 marked examples of class 1 were asked for; there are 10' in refused('tsne', 'mlp', '--csv', 'm.csv', '--marked', '1', '--marks', '11')
    assert 'there is no class 4; the data have 4' in refused('tsne', 'mlp', '--csv', 'm.csv', '--marked', '4')
    assert re.search('2 queries and a gallery need more', refused('hash', 'few', '--method', 'spectral', '--queries', '2', '--split', 'test'))
    for n in (1, 41):
        assert '%d random cases' % n in run('check', '--op', 'relu', '--cases', str(n), '--small').stdout


# ---- words ----

def words():
    told = json.loads(run('devices', '--json').stdout)
    shown = run('devices').stdout
    for d in (d for d in told if d['name']):
        assert d['device'] == '%d:%d' % (d['platform_index'], d['device_index']) and '%(device)s  %(name)s' % d in shown, d
        run('bench', 'gemm-64', '--device', d['device'], '--seconds', '0.01', '--quick', '--json', 'd.json')
        assert '--device %s' % d['device'] in json.load(open('d.json'))['results'][0]['command']
    for c in subcommands():
        about = re.search(r'^  --device .*', run(c, '--help').stdout, re.M)
        assert not about or 'OpenCL device: 1:0, gpu, cpu or part of a name' in about[0], about
    for args, named in ((['--device', '0:0'], "unknown option '--device'"), (['-xy'], "unknown option '-x'"),
                        (['--json', '-x'], "unknown option '-x'"), (['--json=1'], "'--json=1': this option takes no value"),
                        (['--no-json=1'], "'--no-json=1': this option takes no value"), (['--jsn'], "unknown option '--jsn' (did you mean --json?)")):
        assert named in refused('models', *args, code=2), args
    assert re.search(r'there are: \d+:\d+ ', refused('eval', 'mlp', '--device', 'no such')), 'devices in errors'
    # Examples, with commas and the right words.
    assert re.search(r': [\d,]{6,} parameters, 120 training examples, 4 steps an epoch, ', start['mlp']), start['mlp']
    assert ', 10 labelled, 10,000 unlabelled examples, ' in start['ladder'], start['ladder']
    # What help says are the defaults is what a run takes.
    for model, folder in (('vae', 'vae-digits'), ('ladder', 'ladder')):
        text = run('help', 'train', model).stdout
        assert text == run('train', model, '--help').stdout and 'Options of %s' % model in text
        settings = json.load(open(folder + '/config.json'))['settings']
        for name in ('epochs', 'batch', 'lr', 'optimiser', 'patience'):
            shown = re.search(r'^  %s +.*  \((\S+)\)$' % name, text, re.M)
            assert shown and str(shown[1]) in (str(settings[name]), '%g' % settings[name] if name != 'optimiser' else ''), (model, name, shown, settings)
    assert 'unknown command' in refused('help', 'trian', 'vae', code=2)


def codes():
    """Codes keep their zeros; what a baseline found lies beside what the model did."""
    run('hash', 'codes', '--queries', '3')
    own = {f: read('codes/codes' + f) for f in ('.csv', '.npy')}
    run('hash', 'codes', '--queries', '3', '--method', 'pca-itq')
    assert own == {f: read('codes/codes' + f) for f in own}
    for path, n in (('codes/codes', 5), ('codes/codes-pca-itq', 16)):
        bits = read(path + '.npy')[-200 * n:]
        for i, row in enumerate(csv.DictReader(open(path + '.csv'))):
            assert row['code'] == 'b' + ''.join(map(str, bits[n * i:n * i + n])), row
    run('cluster', 'clusters')
    own = {f: read('clusters/clusters' + f) for f in ('.csv', '.npy')}
    for method in ('k-means', 'k-means-features'):
        run('cluster', 'clusters', '--method', method, '--quiet')
        assert os.path.getsize('clusters/clusters-%s.npy' % method) == len(own['.npy'])
    assert own == {f: read('clusters/clusters' + f) for f in own}
    for command, known in (('cluster', 'model, k-means or k-means-features'), ('hash', 'model, pca-itq or spectral')):
        assert refused(command, 'codes', '--method', '../x', code=2) == "latentcl: --method wants %s, not '../x'\n" % known


def profile():
    """The manual names exactly the keys that profile.json has."""
    about = re.search(r'^\| `profile.json` \|(.*)\|$', MANUAL, re.M)[1]
    documented = set(re.findall(r'`([a-z_]+)`', about))
    written = json.load(open('mlp/profile.json'))
    keys = set(written) | {k for row in written['rows'] for k in row}
    assert documented == keys, (documented, keys)


start = {}


def runs():
    """What the others look at."""
    write_digits('data')
    start['mlp'] = run(*MLP, '--out', 'mlp', '--epochs', '2').stderr
    write_digits('eight', {'train': 160, 't10k': 8})
    run(*MLP, '--data', 'eight', '--out', 'few', '--epochs', '1', '--quiet')
    run('train', 'pixelrnn', '--set', 'hidden=2', '--set', 'validation=40', '--data', 'data', '--out', 'pixels', '--epochs', '1', '--quiet')
    run('train', 'vae', '--max-steps', '1', '--quiet', '--out', 'vae-digits')
    start['ladder'] = run('train', 'ladder', '--max-steps', '1', '--set', 'labels_per_class=1', '--out', 'ladder').stderr
    small = ['train', 'imsat', '--set', 'hidden=9-8', '--set', 'nn_index=3', '--data', 'data', '--epochs', '1', '--quiet']
    run(*small, '--out', 'clusters')
    run(*small, '--set', 'task=hash', '--set', 'bits=5', '--set', 'queries=3', '--out', 'codes')


in_folder(runs, terminal, full_disk, quiet, endings, counts, words, codes, profile)

#!/usr/bin/env python3
"""The numbers that a run writes down, and those that people read on its pages: test_pages.py LATENTCL"""
import html, json, math, os, re, shutil, sys, tempfile, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from common import events as lines_of, read_safetensors, run

folder = tempfile.mkdtemp(prefix='latentcl-pages-')


def is_close(got, want, part=1e-12):
    assert math.isclose(got, want, rel_tol=part), (got, want)


def config_of(path):
    return json.load(open(path + '/config.json'))


def text_of(cell):
    return html.unescape(re.sub('<[^>]*>', '', cell)).replace('\u202f', '').strip()


def rows_of(page):
    """Each row of the page's tables: its cells as text."""
    rows = [[text_of(c) for c in re.findall(r'<t[hd][^>]*>(.*?)</t[hd]>', r, re.S)] for r in re.findall(r'<tr>(.*?)</tr>', page, re.S)]
    return [r for r in rows if r]


def row(page, *start):
    found = [r[len(start):] for r in rows_of(page) if r[:len(start)] == list(start)]
    assert len(found) == 1, (start, found)
    return found[0]


# ---- what a run writes down ----

ASKED = {'labels_per_class': '20', 'validation': '200', 'epochs': '3', 'batch': '30'}
SET = [word for name, value in ASKED.items() for word in ('--set', name + '=' + value)]
begun = time.time()
a = folder + '/a'
run('train', 'semantic-noise', *SET, '--seed', '7', '--max-steps', '8', '--quiet', '--no-test', '--out', a)
run('train', '--resume', '--quiet', '--out', a)

config = config_of(a)
assert config['set'] == ASKED, config['set']
for name, value in ASKED.items():
    assert config['options'].get(name, value) == value, name
assert len(config['options']) > len(ASKED) and config['options']['variant'], config['options']
settings = config['settings']
assert (settings['epochs'], settings['batch'], settings['labels_per_class']) == (3, 30, 20), settings
assert config['seed'] == '7' and config['model'] == 'semantic-noise'
run('train', 'ladder', '--set', 'widths=9-8', '--max-steps', '1', '--quiet', '--no-test', '--out', folder + '/usual')
usual = config_of(folder + '/usual')  # where nothing is asked for: what the model's own choice came to
assert 'labels_per_class' not in usual['options'] and usual['settings']['labels_per_class'] == 10 and usual['data']['train'] == 100, usual
data = config['data']
assert data['path'] is None and data['train'] == 200 and data['validation'] == 200 and data['classes'] == 10, data
head = read_safetensors(a + '/best.safetensors')[0]
told = re.search(r'([\d,]+) parameters', run('explain', 'semantic-noise', *SET).stdout)
if told: assert int(told[1].replace(',', '')) == config['parameters'], told[0]
tensors = {name: math.prod(t['shape']) for name, t in head.items() if name != '__metadata__' and not name.startswith('prep.')}
assert sum(tensors.values()) == config['parameters'] and {n.rsplit('.', 1)[1] for n in tensors} == {'weight', 'bias'}, tensors
assert set(head['__metadata__']) == {'format', 'model', 'prep', 'best_epoch', 'best'}, head['__metadata__']
last = read_safetensors(a + '/last.safetensors')[0]
assert {'train.sums', 'train.rng', 'enc.fc4.weight.m', 'enc.fc4.weight.v'} <= set(last) and 'log_bytes' in last['__metadata__'], set(last)
assert 0 < config['parameters'] <= sum(math.prod(t['shape']) for name, t in head.items() if name != '__metadata__')

start, = lines_of(a, 'start')
epochs = lines_of(a, 'epoch')
assert start['steps_per_epoch'] == 6 and [e['step'] for e in epochs] == [6, 12, 18] and [e['epoch'] for e in epochs] == [1, 2, 3]
for e in epochs:  # also of the steps before it was stopped
    is_close(e['images_per_second'] * e['seconds'], e['step'] * settings['batch'], 0.01)
times = [l['time'] for l in map(json.loads, open(a + '/log.jsonl'))]
assert times == sorted(times) and time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(begun)) <= times[0], times
assert times[-1] <= time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()), times
assert 0 < epochs[0]['seconds'] < epochs[1]['seconds'] < epochs[2]['seconds']
test, = lines_of(a, 'test')
confusion = test['confusion']
n = sum(map(sum, confusion))
assert n == data['test'] and len(confusion) == 10
is_close(test['metrics']['error_percent'], 100 * (1 - sum(confusion[k][k] for k in range(10)) / n), 1e-6)
best = min(epochs, key=lambda e: e['validation']['error_percent'])
assert epochs[test['best_epoch'] - 1]['validation']['error_percent'] == best['validation']['error_percent']

# ---- its page ----


def facts(page):
    found = re.findall(r'<dt>(.*?)</dt><dd>(.*?)</dd>', page, re.S)
    return {text_of(t): text_of(v) for t, v in found}


def curves(page):
    """Of each chart, by its title: the points of each curve, and the place of the mark."""
    charts = {}
    for figure in re.findall(r'<figure class=chart>.*?</figure>', page, re.S):
        points = {}
        for name, x, y in re.findall(r'<title>(.*?) at ([^:]*): ([^<]*)</title>', figure):
            points.setdefault(html.unescape(name), {})[float(x)] = float(y)
        mark = re.search(r'<line class=mark x1=([0-9.]+)', figure)
        place = {float(x): at for at, x in re.findall(r'cx=([0-9.]+) [^>]*><title>[^<]* at ([^:]*):', figure)}
        charts[text_of(re.search(r'<strong>(.*?)</strong>', figure)[1])] = points, mark and [x for x in place if place[x] == mark[1]]
    return charts


def rewrite(path, config=None, epochs=None, test=None):
    """Other values in the files of a run."""
    if config:
        json.dump(config, open(path + '/config.json', 'w'))
    with open(path + '/log.jsonl', 'w') as f:
        for line in [start] + (epochs or []) + ([test] if test else []):
            f.write(json.dumps(line) + '\n')


def epoch(k, step, train, valid, seconds, rate):
    return {'event': 'epoch', 'epoch': k, 'step': step, 'lr': 0.01, 'train': train, 'validation': valid, 'seconds': seconds,
            'images_per_second': rate}


run('report', a)
page = open(a + '/report.html').read()
shown = facts(page)
assert 'Device time of the last 10 of 18 steps, ' in page  # the first eight were another session's
assert shown['Test error'] == '%.2f %%' % test['metrics']['error_percent'], shown
assert shown['Epochs'] == '3' and shown['Best epoch'] == str(test['best_epoch']) and shown['Training examples'] == '200', shown
assert shown['Parameters'] == str(config['parameters']), shown
assert '<dd>' + f"{config['parameters']:,}".replace(',', '\u202f') in page
assert shown['Throughput'] == '%.0f examples/s' % epochs[-1]['images_per_second'], shown
command = text_of(re.search(r'<pre>(.*?)</pre>', page, re.S)[1])
assert command == 'latentcl train semantic-noise --seed 7' + ''.join(' --set %s=%s' % o for o in config['set'].items()), command

# Each row of images has its caption before it, once where rows share it, and nothing is too pale to be read.
captions = re.findall(r'<span>([^<]*)</span><img alt="([^"]*)"', page)
assert captions[:2] == [('original', 'original'), ('reconstruction', 'reconstruction')], captions
assert all(shown == ('' if alt == before else alt) for (_, before), (shown, alt) in zip(captions, captions[1:])), captions
assert len(captions) == page.count('<img') and len({alt for _, alt in captions}) < len(captions), captions


def luminance(colour):
    digits = ''.join(2 * c for c in colour[1:]) if len(colour) == 4 else colour[1:]
    parts = [int(digits, 16) >> shift & 255 for shift in (16, 8, 0)]
    return sum(w * (p / 3294.6 if p < 11 else ((p / 255 + 0.055) / 1.055) ** 2.4) for w, p in zip((0.2126, 0.7152, 0.0722), parts))


themes = re.findall(r':root{(.*?)}', page)
assert len(themes) == 2
for theme in themes:  # light and dark: 4.5 to 1, as the Web Content Accessibility Guidelines ask for
    colour = dict(re.findall(r'--([a-z0-9]+):(#[0-9a-f]+)', theme))
    for name in (re.search(r'\.zero{color:var\(--(\w+)\)}', page)[1], 'ink', 'soft'):
        light, dark = sorted((luminance(colour[name]) + 0.05, luminance(colour['card']) + 0.05))[::-1]
        assert light / dark >= 4.5, (name, colour[name], light / dark)

confusion = [[100 if i == k else 0 for i in range(10)] for k in range(10)]
confusion[3][5], confusion[5][3], confusion[9] = 25, 300, [0] * 10
start.update(launches=12, flops_per_step=3.5e9, peak_bytes=7.5e6)
rewrite(a, epochs=[epoch(k, 50 * k, {'loss': 1 / k, 'error_percent': 30 / k, 'kl': k}, {'loss': 2 / k, 'error_percent': 50 / k, 'nll': 3 * k, 'n': 9},
                         4 * k, 1234.4) for k in range(1, 21)],
        test={'event': 'test', 'split': 'test', 'best_epoch': 17, 'metrics': {'error_percent': 12.345, 'nll': 0.51234, 'n': 1300},
              'confusion': confusion})
json.dump({'other_seconds': 1.0, 'steps': 1000, 'rows': [
    {'label': 'conv2d 5x5', 'calls': 10, 'seconds': 2.0, 'flops': 4e9, 'bytes': 1e9},
    {'label': 'conv2d 3x3', 'calls': 30, 'seconds': 1.0, 'flops': 8e9, 'bytes': 2e9},
    {'label': 'add', 'calls': 7, 'seconds': 4.0, 'flops': 0, 'bytes': 8e9}]}, open(a + '/profile.json', 'w'))
run('report', a)
page = open(a + '/report.html').read()
shown = facts(page)
assert shown['Test error'] == '12.35 %' or shown['Test error'] == '12.34 %', shown
assert shown['Test nll'] == '0.5123' and shown['Best epoch'] == '17' and shown['Epochs'] == '20' and shown['Throughput'] == '1234 examples/s', shown
assert 'Test n' not in shown and 'Validation error' not in shown, shown
assert 'A step is 12 launches and 3.50 GFLOP; variables and intermediates take 7.5 MB.' in page
assert text_of(re.search(r'<footer>(.*?)</footer>', page)[1]) == 'Written by LatentCL %s, started %s, seed 7.' % (
    config['latentcl'], config['created'])


def curve(of):
    return {float(k): float('%.5g' % of(k)) for k in range(1, 21)}


charts = curves(page)
assert charts == {
    'Error, %': ({'training': curve(lambda k: 30 / k), 'validation': curve(lambda k: 50 / k)}, [17]),
    'Loss': ({'training (all terms)': curve(lambda k: 1 / k), 'validation (clean)': curve(lambda k: 2 / k)}, [17]),
    'Terms of the training loss': ({'kl': curve(float)}, [17]), 'nll': ({'validation': curve(lambda k: 3 * k)}, [17]),
    'Learning rate': ({'rate': curve(lambda k: 0.01)}, [17])}, charts
for name, value in [*config['options'].items(), *config['settings'].items(), *config['data'].items()]:
    shown_as = [r[1] for r in rows_of(page) if r[0] == name]
    if not isinstance(value, list) and value is not None:
        assert value in shown_as or '%.10g' % float(value) in shown_as, (name, value, shown_as)
part = page[page.index('<h2>Confusion'):]
table, classes = re.findall(r'<table.*?</table>', part, re.S)[:2]
assert [r[1:] for r in rows_of(table)[1:]] == [[str(v) for v in r] for r in confusion], rows_of(table)
assert [r[1] for r in rows_of(classes)[1:]] == ['0.00 %'] * 3 + ['20.00 %', '0.00 %', '75.00 %'] + ['0.00 %'] * 4, rows_of(classes)
widths = re.findall(r'width:([\d.]+)%', classes)
assert widths[3] == '26.7' and widths[5] == '100.0', widths
part = page[page.index('<h2>Time by operation'):]
assert 'Device time of the run, 8.0 s in all' in part
by_op, by_launch = re.findall(r'<table.*?</table>', part, re.S)[:2]
assert [r[:4] + r[5:] for r in rows_of(by_op)[1:]] == [['add', '7', '4.00 s', '50.0 %', '0.0', '2.0'],
                                                     ['conv2d', '40', '3.00 s', '37.5 %', '4.0', '1.0']], rows_of(by_op)
assert [r[:4] + r[5:] for r in rows_of(by_launch)[1:]] == [
    ['add', '7', '4.00 s', '50.0 %', '0.0', '2.0'], ['conv2d 5x5', '10', '2.00 s', '25.0 %', '2.0', '0.5'],
    ['conv2d 3x3', '30', '1.00 s', '12.5 %', '8.0', '2.0']], rows_of(by_launch)
assert re.findall(r'width:([\d.]+)%', by_op) == ['100.0', '75.0']

# Without a test the last validation is what there is.
rewrite(a, {**config, 'parameters': 12345678}, [epoch(1, 50, {'loss': 1}, {'loss': 0.25, 'error_percent': 3}, 4, 5)])
run('report', a)
shown = facts(open(a + '/report.html').read())
assert shown['Validation error'] == '3.00 %' and shown['Validation loss'] == '0.25' and 'Best epoch' not in shown, shown
assert shown['Parameters'] == '12.3 million', shown

# Epochs without an evaluation are no gaps in the line of those that have one.
seldom = [epoch(k, 50 * k, {'loss': 1 / k}, {'loss': 2 / k}, 4 * k, 5) for k in range(1, 10)]
for line in seldom[1:8]:
    if line['epoch'] % 3:
        del line['validation']
rewrite(a, config, seldom)
for runs, out in (([a], []), ([a, a], ['--out', folder + '/both.html'])):
    run('report', *runs, *out)
    page = open(out[1] if out else a + '/report.html').read()
    loss = next(points for title, (points, _) in curves(page).items() if title.lower().endswith('loss'))
    assert [x for name, of in loss.items() if 'validation' in name for x in of][:4] == [1, 3, 6, 9], loss
    assert all(path.count('M') == 1 for path in re.findall(r'<path class="line [^"]*" d="([^"]*)"', page)), page

# ---- several runs side by side ----

b = folder + '/b'
shutil.copytree(a, b)
other = json.loads(json.dumps(config))
other['parameters'], other['settings']['batch'], other['seed'], other['data']['train'] = 12345, 50, '8', 400
rewrite(a, config, [epoch(1, 10, {'loss': 3, 'error_percent': 30}, {'loss': 2.5, 'error_percent': 20}, 2, 111),
                    epoch(2, 20, {'loss': 2, 'error_percent': 15}, {'loss': 1.5, 'error_percent': 5.25}, 3, 222),
                    epoch(3, 30, {'loss': 1, 'error_percent': 10}, {'loss': 2.0, 'error_percent': 9}, 6, 333)],
        {'event': 'test', 'split': 'test', 'best_epoch': 2, 'metrics': {'error_percent': 7.5, 'nll': 0.5, 'n': 100}})
rewrite(b, other, [epoch(1, 8, {'loss': 4, 'error_percent': 40}, {'loss': 3, 'error_percent': 4.5}, 1, 444)],
        {'event': 'test', 'split': 'test', 'best_epoch': 1, 'metrics': {'error_percent': 8, 'nll': 0.25, 'accuracy': 92, 'n': 100}})
page_path = folder + '/two.html'
run('report', a, b, '--out', page_path)
page = open(page_path).read()
for title, want in (('Test error, %', ['7.5', '8']), ('Test nll', ['0.5', '0.25']), ('Test accuracy', ['–', '92']),
                    ('Best validation error, %', ['5.25', '4.5']), ('… at epoch', ['2', '1']), ('Training error, %, last epoch', ['10', '40']),
                    ('Epochs', ['3', '1']), ('Parameters', [str(config['parameters']), '12345']), ('Images a second, last epoch', ['333', '444']),
                    ('Milliseconds a step, with evaluation', ['200.00', '125.00'])):
    assert row(page, title) == want, (title, row(page, title))
best = [text_of(r) for r in re.findall(r'<td class=best>(.*?)</td>', page)]
assert best == ['7.5', '0.25', '4.5'], best
differ, same = page[page.index('<h2>What differs'):].split('<details>', 1)
assert row(differ, 'seed') == ['7', '8'] and row(differ, 'batch') == ['30', '50'] and row(differ, 'data train') == ['200', '400']
assert len(rows_of(differ)) == 4, rows_of(differ)
assert row(same, 'model') == ['semantic-noise'] and row(same, 'epochs') == ['3'] and row(same, 'data test') == [str(data['test'])]
charts = curves(page)
assert charts == {
    'error, %': ({'a, validation': {1: 20, 2: 5.25, 3: 9}, 'a, training': {1: 30, 2: 15, 3: 10}, 'b, validation': {1: 4.5}, 'b, training': {1: 40}}, None),
    'loss': ({'a, validation': {1: 2.5, 2: 1.5, 3: 2}, 'a, training': {1: 3, 2: 2, 3: 1}, 'b, validation': {1: 3}, 'b, training': {1: 4}}, None)}, charts
styles = dict((name, style) for style, name in re.findall(r'<span class="key ([^"]*)">([ab], [a-z]*)<', page))
assert styles == {'a, validation': 's1', 'a, training': 's1 dashed', 'b, validation': 's2', 'b, training': 's2 dashed'}, styles
# Scores of different parts have rows of their own, none the best.
rewrite(b, other, [epoch(1, 8, {'loss': 4}, {'loss': 3}, 1, 444)],
        {'event': 'test', 'split': 'validation', 'best_epoch': 1, 'metrics': {'error_percent': 8, 'n': 100}})
run('report', a, b, '--out', page_path)
page = open(page_path).read()
assert row(page, 'Test error, %') == ['7.5', '–'] and row(page, 'Validation error, %') == ['–', '8'], rows_of(page)
rewrite(b, other, [epoch(1, 8, {'loss': 4, 'error_percent': 40}, {'loss': 3, 'error_percent': 4.5}, 1, 444)])
# Of many epochs the second half is drawn once more; of equal ones the first is the best.
rewrite(a, epochs=[epoch(k, k, {'loss': 1}, {'loss': 1, 'error_percent': 4 if k in (3, 5) else 6}, k, 1) for k in range(1, 9)])
run('report', a, b, '--out', page_path)
page = open(page_path).read()
assert row(page, 'Best validation error, %') == ['4', '4.5'] and row(page, '… at epoch') == ['3', '1']
assert sorted(curves(page)['error, %, from epoch 4 on'][0]['a, validation']) == [4, 5, 6, 7, 8]

# Losses of other options, data or terms have axes of their own, and only what is comparable has a best.
c, d = folder + '/c', folder + '/d'
for path in (c, d):
    shutil.copytree(b, path)


def charts_of(*runs):
    run('report', *runs, '--out', page_path)
    page = open(page_path).read()
    return {title: sorted(points) for title, (points, _) in curves(page).items()}, page


tested = {'event': 'test', 'split': 'test', 'best_epoch': 1, 'metrics': {'error_percent': 6, 'nll': 0.125, 'n': 100}}
first = [epoch(1, 8, {'loss': 4, 'error_percent': 40}, {'loss': 3, 'error_percent': 4}, 1, 444)]
for path in (a, b, c, d):
    rewrite(path, config, first, tested)
both = ['%s, %s' % (name, part) for name in 'abc' for part in ('training', 'validation')]
assert charts_of(a, b, c)[0] == {'error, %': both, 'loss': both}
for name, change in (('options', {'lambda2': '3'}), ('data', {'path': '/elsewhere'}), ('data', {'classes': 3})):
    rewrite(c, {**config, name: {**config[name], **change}}, first, {**tested, 'metrics': {'error_percent': 5, 'nll': 0.25}})
    charts, page = charts_of(a, b, c)
    assert charts == {'error, %': both, 'loss of a, b': both[:4], 'loss of c': both[4:]}, (change, charts)
    comparable = name == 'options'
    error = 'Test error, %' + ('' if comparable else ' (not comparable)')
    assert row(page, error) == ['6', '6', '5'] and row(page, 'Test nll (not comparable)') == ['0.125', '0.125', '0.25'], change
    assert [text_of(r) for r in re.findall(r'<td class=best>(.*?)</td>', page)] == ['5'] * comparable, change
for name, change in (('options', {'batch': '7'}), ('settings', {'lr': 3}), ('data', {'train': 7})):  # mean no other loss
    rewrite(c, {**config, name: {**config[name], **change}}, first, tested)
    assert charts_of(a, b, c)[0] == {'error, %': both, 'loss': both}, change
for name, change, best in (('data', {'test': 7}, ['4', '4']), ('data', {'validation': 7}, ['5']), ('options', {'data_seed': '7'}, []),
                           ('options', {'only_classes': 'a,b'}, []), ('options', {'validation_random': 'true'}, ['5'])):
    rewrite(c, {**config, name: {**config[name], **change}}, first, {**tested, 'metrics': {'error_percent': 5}})
    rewrite(b, config, [epoch(1, 8, {}, {'error_percent': 5}, 1, 1)], tested)
    assert [text_of(r) for r in re.findall(r'<td class=best>(.*?)</td>', charts_of(a, b, c)[1])] == best, change
rewrite(b, config, first, tested)
rewrite(c, {**config, 'model': 'vae'}, [epoch(1, 8, {'loss': 4, 'kl': 1}, {'loss': 3}, 1, 444)], tested)
assert charts_of(a, b, c)[0] == {'error, %': both[:4], 'loss of a, b': both[:4], 'loss of c': ['c, validation'], 'loss in training of c': ['c, training']}
rewrite(c, {**config, 'model': 'vae'}, [epoch(1, 8, {'loss': 4, 'kl': 1}, {'loss': 3, 'kl': 2}, 1, 444)], tested)
assert charts_of(a, c)[0] == {'error, %': both[:2], 'loss of a': both[:2], 'loss of c': both[4:], 'kl of c': both[4:]}

# ---- results of the benchmark ----


def results(name, rows, **peaks):
    with open('%s/%s.json' % (folder, name), 'w') as f:
        json.dump({'schema': 'latentcl-bench-1', 'device': {'name': 'Device ' + name, 'clock': '2 GHz'}, 'peaks': peaks, 'results': rows}, f)
    return f.name


def work(name, median, mad, gflop, mbytes, **more):
    return {'name': name, 'seconds': {'median': median, 'mad': mad}, 'gflop': gflop, 'mbytes': mbytes, 'gflops': gflop / median,
            'gbps': mbytes / 1e3 / median, **more}


def bench_page(*files):
    run('bench', '--compare', *files, '--html', page_path, '--threshold', '5%', code=1)  # one of them was not measured
    page = open(page_path).read()
    return page, rows_of(page[page.index('<h2>Figures'):])[1:], re.findall(r'<svg.*?</svg>', page, re.S)


first = [work('conv', 2e-3, 1e-4, 0.08, 8, roofline_percent=40, verified=True, algorithm='winograd'), {'name': 'none', 'seconds': {}},
         work('add', 5e-4, 1e-6, 2.5e-4, 3, roofline_percent=60), {'name': 'start', 'unit': 'us', 'value': 12.345},
         work('matmul', 0.5, 0.01, 30, 10, roofline_percent=120)]
second = [work('matmul', 2, 0.1, 30, 10), work('conv', 1e-3, 0, 0.08, 8, verified=True), {'name': 'start', 'unit': 'us', 'value': 6.1725}]
x = results('x', first, gflops=100, gbps=10, levels=[{'gbps': 50}])
y = results('y', second, gflops=100, gbps=10)
page, figures, plots = bench_page(x, x)
assert 'Device x' in page and 'at best 100 GFLOP/s, 10 GB/s from memory, 50 GB/s from the L1 cache' in text_of(page) and '2 GHz' in page
assert [r[:5] for r in figures] == [['1 conv', '2 ms ± 100 µs ✓', '40', '4', '40 %'], ['none', '–', '', '', ''],
                                    ['2 add', '500 µs ± 1 µs', '0.5', '6', '60 %'], ['start', '12.35 us', '', '', ''],
                                    ['3 matmul', '500 ms ± 10 ms', '60', '0.02', '120 %']], figures
assert re.findall('--part:([0-9.]+)%', page) == ['40', '40', '60', '60', '100', '100']
page, figures, plots = bench_page(x, y)
assert [r[5:] for r in figures] == [['1 ms ± 0 µs ✓', '80', '8', '', '2.00'], ['–', '', '', '', ''], ['–', '', '', '', ''],
                                    ['6.173 us', '', '', '', '2.00'], ['2 s ± 100 ms', '15', '0.005', '', '0.25']], figures
assert 'from the L1 cache' not in text_of(page.split('Device y')[1].split('</div>')[0])

# Places on logarithmic axes follow from those of the grid's lines.


def axes(svg):
    """(value, place) of two lines of each axis."""
    across = [(float(v), float(p)) for p, v in re.findall(r'<path d="M([0-9.]+) [0-9]+V[0-9]+" class=grid /><text [^>]*>([^<]*)<', svg)]
    up = [(float(v), float(p)) for p, v in re.findall(r'<path d="M[0-9]+ ([0-9.]+)H[0-9]+" class=grid /><text [^>]*>([^<]*)<', svg)]
    return (across[0], across[-1]), (up[0], up[-1])


def place(axis, v):
    (a, from_), (b, to) = axis
    return from_ + (to - from_) * math.log(v / a) / math.log(b / a)


roofs = plots[0]
across, up = axes(roofs)
dots = [(float(cx), float(cy)) for cx, cy in re.findall(r'<circle [^>]*cx=([0-9.]+) cy=([0-9.]+)', roofs)]
numbers = [(int(n), float(x), float(y)) for x, y, n in re.findall(r'<text class=number x=([0-9.]+) y=([0-9.]+)[^>]*>([0-9]+)<', roofs)]
assert [n for n, _, _ in numbers] == [1, 2, 3]
assert [p for _, p in across] == [56, 616] and [p for _, p in up] == [356, 16], (across, up)  # all of the plot
names = [html.unescape(n) for n in re.findall(r'<g class=point tabindex=0>.*?<text class=name [^>]*>([^<]*)</text></g>', roofs)]
assert names == ['conv: 40 GFLOP/s', 'add: 0.5 GFLOP/s', 'matmul: 60 GFLOP/s'], names
assert 'line: at most 100 GFLOP/s, 10 GB/s from memory; dashes: 50 GB/s from the L1 cache' in text_of(page)
for (cx, cy), (intensity, gflops) in zip(dots, ((10, 40), (2.5e5 / 3e6, 0.5), (3000, 60)), strict=True):
    assert abs(cx - place(across, intensity)) < 0.2 and abs(cy - place(up, gflops)) < 0.2, (cx, cy, intensity, gflops)
lines = re.findall(r'class="roof( cache)?" d="M([0-9.]+) ([0-9.]+)L([0-9.]+) ([0-9.]+)H', roofs)
assert [l[0] for l in lines] == [' cache', ''], lines
for (_, *corner), gbps in zip(lines, (50, 10)):
    x0, y0, x1, y1 = map(float, corner)
    assert abs(x1 - place(across, 100 / gbps)) < 0.2 and abs(y1 - place(up, 100)) < 0.2, corner
    start = max(across[0][0], up[0][0] / gbps)
    assert abs(x0 - place(across, start)) < 0.2 and abs(y0 - place(up, start * gbps)) < 0.2, corner
bars = page[page.index('<h2>Time of one run'):page.index('<h2>Figures')]
ticks = {html.unescape(text): float(at) for at, text in re.findall(r'<span class="[a-z]+" style="left:([0-9.]+)%">([^<]*)<', bars)}
assert list(ticks) == ['100 µs', '1 ms', '10 ms', '100 ms', '1 s', '10 s'] and ticks['100 µs'] == 0 and ticks['10 s'] == 100, ticks
assert re.search(r'--decade:20.000%', bars)
axis = (1e-3, ticks['1 ms']), (1, ticks['1 s'])
shown = re.findall(r'<i class="(s[0-9])" style="width:([0-9.]+)%"></i><span>([^<]*)<', bars)
assert [(c, text) for c, _, text in shown] == [('s1', '2 ms'), ('s2', '1 ms'), ('s1', '500 µs'), ('s1', '500 ms'), ('s2', '2 s')], shown
assert re.findall(r'<div class="panel device (s[0-9])"><b>([^<]*)<', page) == [('s1', 'Device x'), ('s2', 'Device y')]
for (_, width, _), seconds in zip(shown, (2e-3, 1e-3, 5e-4, 0.5, 2)):
    assert abs(float(width) - place(axis, seconds)) < 0.02, (width, seconds)

# Where points crowd, numbers cover neither each other nor a point; what has none is told by the point and the table.
crowd = [work('w%d' % i, 1e-3 * 1.013 ** (i * 7 % 90), 0, 0.04 * 1.01 ** (i % 11), 4) for i in range(90)]
crowded = results('crowd', crowd + [{'name': 'none', 'seconds': {}}], gflops=100, gbps=10)
page, figures, plots = bench_page(crowded, crowded)
points = [(float(x) - 4, float(y) - 4, float(x) + 4, float(y) + 4) for x, y in re.findall(r'<circle [^>]*cx=([0-9.]+) cy=([0-9.]+)', plots[0])]
boxes = [(float(x) - 3.5 * len(n), float(y) - 9, float(x) + 3.5 * len(n), float(y) + 2)
         for x, y, n in re.findall(r'<text class=number x=([0-9.]+) y=([0-9.]+)[^>]*>([0-9]+)<', plots[0])]
assert len(points) == 90 and 5 < len(boxes) < 90, (len(points), len(boxes))
for k, a_box in enumerate(boxes):
    for other_box in points + boxes[:k]:
        assert any(a_box[i] + 0.2 > other_box[i + 2] or other_box[i] + 0.2 > a_box[i + 2] for i in (0, 1)), (a_box, other_box)

# A wrong result is pale, and says so.
second[1]['verified'] = False
page, figures, plots = bench_page(x, results('z', second))
assert '1 ms ± 0 µs WRONG' in text_of(page) and page.count(' wrong"') == 1, page.count(' wrong"')

# ---- a gallery of many people's results ----

many = folder + '/many'
os.makedirs(many)


def collect(name, device, rows, **more):
    with open('%s/%s' % (many, name), 'w') as f:
        json.dump({'schema': 'latentcl-bench-1', 'device': device, 'results': rows, **more}, f)


def gallery(*args, **how):
    return run('bench', '--gallery', many, *args, **how).stderr


def tables(page):
    found = re.findall(r'<h2>([^<]*)</h2>.*?<table[^>]*>(.*?)</table>', page, re.S)
    return {html.unescape(title): [[text_of(c) for c in re.findall(r'<t[hd][^>]*>(.*?)</t[hd]>', r, re.S)]
                                   for r in re.findall(r'<tr>(.*?)</tr>', table, re.S)] for title, table in found}


assert 'no files' in gallery(code=1) and not os.path.exists(many + '/index.html')
collect('b.json', {'name': 'Beta', 'platform': 'P', 'driver': '2'}, [work('gemm-64', 2e-3, 0, 1, 1), work('gemm-256', 1, 0, 2, 1, verified=False),
        work('other', 3, 0, 1, 1), {'name': 'read', 'unit': 'GB/s', 'value': 20}], version='0.1.0', commit='abc', date='2026-11-29T00:00:00Z',
        peaks={'gflops': 100, 'gbps': 10})
collect('a.json', {'name': 'Alpha', 'platform': 'P', 'driver': '1'}, [work('gemm-256', 2, 0, 2, 1, verified=True), work('gemm-64', 1e-3, 0, 1, 1),
        work('gemm-512', 1, 0, 5, 1), {'name': 'read', 'unit': 'GB/s', 'value': 30}])
collect('c.json', {'name': 'Gamma', 'platform': 'P', 'driver': '3'}, [work('gemm-512', 2, 0, 6, 1), work('gemm-256', 4, 0, 2, 1)])
told = gallery()
page = open(many + '/index.html').read()
assert told == '' and tables(page) == {
    'What was run': [['device', 'driver', 'version', 'commit', 'date', 'GFLOP/s', 'GB/s', 'file'],
                     ['Alpha', 'P 1', '–', '–', '–', '–', '–', 'a.json'],
                     ['Beta', 'P 2', '0.1.0', 'abc', '2026-11-29T00:00:00Z', '100', '10', 'b.json'],
                     ['Gamma', 'P 3', '–', '–', '–', '–', '–', 'c.json']],
    'device': [['device', 'read'], ['Alpha', '30 GB/s'], ['Beta', '20 GB/s']],
    'gemm': [['device', 'gemm-64', 'gemm-256', 'gemm-512'], ['Alpha', '1 ms', '2 s ✓', '1 s'], ['Beta', '2 ms', '1 s WRONG', '–'],
             ['Gamma', '–', '4 s', '2 s']],
    'of other versions': [['device', 'other'], ['Beta', '3 s']]}, tables(page)
# A wrong result is not the best, nor is one of other work (gemm-512), nor one without a second.
assert re.findall(r'data-v=([0-9.]+) class=best', page) == ['30', '0.001', '2'], re.findall(r'data-v=([0-9.]+) class=best', page)
assert 'Not shown' not in page and page.count('<script') == 1
# Of two devices of one name, a table tells the files.
collect('d.json', {'name': 'Beta', 'platform': 'P', 'driver': '2'}, [work('gemm-64', 4e-3, 0, 1, 1)])
gallery()
assert [r[0] for r in tables(open(many + '/index.html').read())['gemm'][1:]] == ['Alpha', 'Betab.json', 'Gamma', 'Betad.json']
os.remove(many + '/d.json')
# Files of strangers: what they hold is text, as much as fits; one that is none is named, and the others are shown.
evil = '<script>\x1b\u202e"\'&x' + 'y' * 10000
collect('<b>.json', {'name': evil, 'driver': evil, 'platform': evil}, [{'name': evil[:20] + str(i), 'seconds': {'median': 10.0 ** (i % 17 - 8)}, 'gflop': 1}
        for i in range(4000)], version=evil, commit=evil, date=evil)
collect('types.json', {'name': 'T'}, [work('gemm-64', 1, 0, 1, 1)], version=[1])
collect('set.json', {'name': 'S'}, [work('gemm-64', 1, 0, 1, 1)] * 2)
open(many + '/none.json', 'w').write('{')
open(many + '/huge.json', 'w').write('[' * (3 << 20))
os.mkfifo(many + '/pipe.json')
open(many + '/notes.txt', 'w').write('x')
os.remove(many + '/index.html')
told = gallery('--html', page_path)
page = open(page_path).read()
assert not os.path.exists(many + '/index.html') and '\x1b' not in page and page.count('<script') == 1 and '<b>.json' not in page
assert len(page) < 300000 and '&lt;script&gt;' in page, len(page)
assert sorted(re.search(r'(\w+)\.json', l)[1] for l in told.splitlines()) == ['huge', 'none', 'pipe', 'set', 'types'], told
left = page[page.index('<h2>Not shown'):]
assert left.count('<li>') == 6 and re.search('<li>[0-9]+ results of further workloads', left), left
assert [r[0] for r in tables(page)['gemm'][1:]] == ['Alpha', 'Beta', 'Gamma']
run_of = json.load(open(many + '/a.json'))
with open(many + '/many.json', 'w') as f:
    json.dump({'schema': 'latentcl-bench-set-1', 'runs': [run_of] * 201}, f)
assert 'at most 200 devices' in gallery('--html', page_path)
for args in (['gemm-64'], ['--json', folder + '/x.json'], ['--compare', many + '/a.json'], ['--list']):
    assert '--gallery' in gallery(*args, code=2)
os.rename(many + '/none.json', folder + '/none.json')
shutil.rmtree(many)
assert 'cannot read' in gallery('--html', page_path, code=1)
os.makedirs(many)
shutil.copy(folder + '/none.json', many + '/none.json')
assert 'no results that can be shown' in gallery('--html', page_path, code=1)
# What is measured says when and by which build.
run('bench', 'gemm-64', '--quick', '--seconds', '0.01', '--json', many + '/mine.json')
mine = json.load(open(many + '/mine.json'))
assert abs(time.time() - time.mktime(time.strptime(mine['date'], '%Y-%m-%dT%H:%M:%SZ')) + time.timezone) < 300, mine['date']
assert mine['commit'] and mine['commit'] in run('version').stdout, mine['commit']

shutil.rmtree(folder)

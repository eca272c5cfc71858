"""What the tests in Python share: the command that they test, what it has to say, and files to try it with.

A test is called with the command as its first argument, and finds this module by
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..'))"""
import json
import os
import random
import re
import struct
import subprocess
import sys
import tempfile
import time
import zlib

LATENTCL = os.path.abspath(sys.argv[1]) if sys.argv[1:] else ''


# ---- commands ----

def call(*command, code=0, env={}, **how):
    """Runs a command, which has to end with `code`: what subprocess.run() gives."""
    words = [w if isinstance(w, bytes) else str(w) for w in command]
    p = subprocess.run(words, env=os.environ | env, **{'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, 'text': True, 'timeout': 300, **how})
    if p.returncode != code:
        sys.exit(f"{' '.join(map(str, words))}: exit code {p.returncode}, not {code}\n{p.stdout}{p.stderr}")
    return p


def run(*args, **how):
    """The same of latentcl."""
    return call(LATENTCL, *args, **how)


def said(*args, **how):
    """All that latentcl says."""
    p = run(*args, **how)
    return p.stdout + p.stderr


def refused(*args, code=1, **how):
    """The one line on standard error with which latentcl ends; there is nothing on standard output."""
    p = run(*args, code=code, **how)
    lines = [l for l in p.stderr.splitlines() if not re.fullmatch(r'\d+ warnings? generated\.', l)]  # a driver's compiler
    assert len(lines) == 1 and not p.stdout, (args, p)
    return lines[0] + '\n'


def subcommands():
    return [line.split()[0] for line in run('--help').stdout.split('Commands:\n')[1].split('\n\n')[0].splitlines()]


def raises(kind, text, function):
    """The error of this kind that function() raises, which has to say the text."""
    try:
        function()
    except kind as error:
        assert text in str(error), (text, str(error))
        return error
    raise AssertionError(f"no {kind.__name__} with '{text}'")


def in_folder(*parts):
    """Calls the functions in an empty folder, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix='latentcl-') as folder:
        os.chdir(folder)
        try:
            for part in parts:
                began = time.time()
                part()
                print(f'{part.__name__} passed, {time.time() - began:.1f} s', flush=True)
        finally:
            os.chdir('/')


# ---- files ----

def write(path, data):
    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
    with open(path, 'wb') as file:
        file.write(data)


def read(path):
    with open(path, 'rb') as file:
        return file.read()


def write_idx(path, shape, values, code='B'):
    """MNIST's format. code: as of struct."""
    write(path, bytes([0, 0, {'B': 8, 'b': 9, 'i': 12, 'f': 13}[code], len(shape)]) + struct.pack(f'>{len(shape)}I', *shape) +
          struct.pack(f'>{len(values)}{code}', *values))


def write_digits(folder, sizes={'train': 160, 't10k': 40}, side=8, labels=lambda n, rng: [i % 4 for i in range(n)]):
    """Grey images in MNIST's files, of which every fourth pixel is bright; where it is says the class."""
    rng = random.Random(1)
    for part, n in sizes.items():
        classes = labels(n, rng)
        pixels = [rng.randrange(120) + (100 if k % 4 == c % 4 else 0) for c in classes for k in range(side * side)]
        write_idx(f'{folder}/{part}-images-idx3-ubyte', (n, side, side), pixels)
        write_idx(f'{folder}/{part}-labels-idx1-ubyte', (n,), classes)


def write_png(path, side, pixels, channels=1):
    """Grey pixels, each channel the same."""
    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    rows = b''.join(b'\0' + bytes(v for v in pixels[y * side:(y + 1) * side] for _ in range(channels)) for y in range(side))
    write(path, b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', side, side, 8, 2 if channels == 3 else 0, 0, 0, 0)) +
          chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))


NPY = {'|u1': 'B', '|b1': '?', '<i4': 'i', '<i8': 'q', '<f4': 'f', '<f8': 'd'}  # as of struct


def write_npy(path, descr, shape, values):
    head = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {tuple(shape)!r}, }}".ljust(117) + '\n'
    write(path, b'\x93NUMPY\x01\x00' + struct.pack('<H', len(head)) + head.encode() + struct.pack(f'<{len(values)}{NPY[descr]}', *values))


def read_npy(path):
    """Shape and numbers."""
    data = read(path)
    at = 10 + struct.unpack('<H', data[8:10])[0]
    head = data[10:at].decode('latin1')
    code = NPY[re.search(r"'descr': '([^']*)'", head)[1]]
    shape = tuple(int(n) for n in re.findall(r'\d+', re.search(r"'shape': \(([^)]*)\)", head)[1]))
    return shape, list(struct.unpack(f'<{(len(data) - at) // struct.calcsize(code)}{code}', data[at:]))


def read_safetensors(path):
    """What the file's head says, and the bytes behind it."""
    data = read(path)
    at = 8 + struct.unpack('<Q', data[:8])[0]
    return json.loads(data[8:at]), data[at:]


def write_safetensors(path, head, data):
    text = json.dumps(head).encode()
    text += b' ' * (-len(text) % 8)
    write(path, struct.pack('<Q', len(text)) + text + data)


def events(run_folder, event):
    """The lines of a run's log of this kind."""
    with open(run_folder + '/log.jsonl') as file:
        return [line for line in map(json.loads, file) if line['event'] == event]


# ---- ONNX files, without the package onnx ----

def varint(n):
    out = bytearray()
    while True:
        out.append(n & 127 | (128 if n > 127 else 0))
        n >>= 7
        if not n:
            return bytes(out)


def field(number, value):
    """A field of a message: whole number, text or bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def onnx_value(name, element, dims):
    shape = b''.join(field(1, field(2 if isinstance(d, str) else 1, d)) for d in dims)
    return field(1, name) + field(2, field(1, field(1, element) + field(2, shape)))


def onnx_tensor(name, dims, values):
    return b''.join(field(1, d) for d in dims) + field(2, 1) + field(8, name) + field(9, struct.pack(f'<{len(values)}f', *values))


def onnx_node(op, inputs, outputs):
    return b''.join(field(1, i) for i in inputs) + b''.join(field(2, o) for o in outputs) + field(4, op)


def write_onnx(path, inputs, outputs, nodes, weights=()):
    graph = (b''.join(field(1, n) for n in nodes) + field(2, 'g') + b''.join(field(5, w) for w in weights)
             + b''.join(field(11, i) for i in inputs) + b''.join(field(12, o) for o in outputs))
    write(path, field(1, 8) + field(7, graph) + field(8, field(2, 13)))

#!/usr/bin/env python3
"""null_calls.py LIBRARY HEADERS...: misuse of every public function, as the headers declare them:
- NULL for all pointers, and NULL for one pointer at a time beside objects that are real;
- numbers, types, shapes and descriptors that make no sense beside objects that are real, one at a time;
- a tensor of another graph beside one of the first;
- objects whose context is gone.
None may end the process or hang; a failure has a message; NULL for all pointers and foreign tensors are failures."""
import ctypes, os, re, signal, struct, sys, tempfile

BYTES = 1 << 14 # room for any descriptor or result
# Status functions for which NULL is a documented value: a default device, no subset, nothing to do.
OK_WITH_NULL = {'lcl_context_create'}
WORDS = {'int': 4, 'int32_t': 4, 'uint32_t': 4, 'unsigned': 4, 'bool': 1, 'int64_t': 8, 'uint64_t': 8, 'size_t': 8,
         'lcl_dtype': 4}

def declarations(paths):
    for path in paths:
        text = re.sub(r'/\*.*?\*/|//[^\n]*', '', open(path).read(), flags=re.S)
        for result, name, parameters in re.findall(r'LCL_API\s+([\w\s]+?[\s*]+)(\w+)\(([^;]*?)\)\s*(?:LCL_PRINTF\(.*?\)\s*)?;', text):
            parameters = [] if parameters.strip() == 'void' else split(parameters.replace(', ...', ''))
            yield result.strip(), name, [' '.join(p.split()) for p in parameters]

def split(text):
    parts, depth = [''], 0
    for c in text:
        depth += (c == '(') - (c == ')')
        if c == ',' and depth == 0:
            parts.append('')
        else:
            parts[-1] += c
    return parts

def is_pointer(parameter):
    return '*' in parameter or '[' in parameter or parameter.split()[-2].endswith(('_fn', 'callback'))

# A callback that gives back its first tensor, for the parameters that are one.
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)(lambda user, x, y: x)

class Shape(ctypes.Structure):
    _fields_ = [('rank', ctypes.c_int), ('dim', ctypes.c_int64 * 6)]
class Init(ctypes.Structure):
    _fields_ = [('kind', ctypes.c_int), ('value', ctypes.c_float), ('scale', ctypes.c_float),
                ('fan_in', ctypes.c_int64), ('fan_out', ctypes.c_int64)]
class State(ctypes.Structure): # the only one of 16 bytes, which travels in registers
    _fields_ = [('epoch', ctypes.c_int64), ('step', ctypes.c_int64)]
class Large(ctypes.Structure): # any structure of more than 16 bytes travels the same way when it is all zeros
    _fields_ = [('word', ctypes.c_int64 * 64)]
STRUCTURES = {'lcl_shape': Shape, 'lcl_init': Init, 'lcl_batch_state': State}

def argument(parameter, pointer):
    kind = re.sub(r'\b(const|enum|struct)\b', '', parameter).split()[0]
    if is_pointer(parameter):
        return ctypes.c_void_p(pointer(parameter))
    if kind in ('float', 'double'):
        return {'float': ctypes.c_float, 'double': ctypes.c_double}[kind](0)
    if kind in STRUCTURES:
        return STRUCTURES[kind]()
    if kind in WORDS or kind.endswith(('_kind', '_mode', '_code', '_level', '_type', '_status', '_dtype', '_format')):
        return ctypes.c_int64(0)
    return Large()

def call(library, declaration, arguments):
    result, name, _ = declaration
    f = getattr(library, name)
    f.restype = ctypes.c_int if result == 'lcl_status' else ctypes.c_void_p if '*' in result else \
        None if result == 'void' else ctypes.c_int64 if result in WORDS else ctypes.c_double if result == 'double' else \
        ctypes.c_float if result == 'float' else STRUCTURES.get(result, Large)
    return f(*arguments)

def in_child(work):
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os._exit(work() or 0)
    _, status = os.waitpid(pid, 0)
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)

def all_null(library, declaration):
    status = call(library, declaration, [argument(p, lambda parameter: None) for p in declaration[2]])
    if declaration[0] == 'lcl_status' and any(map(is_pointer, declaration[2])) and declaration[1] not in OK_WITH_NULL:
        return 1 if status == 0 or not library.lcl_error_message() else 0
    return 0

# ---- calls with objects that are real, one after the other in a process ----

# They run for long, or end the objects.
LONG = re.compile(r'lcl_(bench_run|bench_measure_peaks|bench_json|train|reproduce|log_set\w*|\w+_(destroy|close|free))$')
# Numbers that say how much there is behind a pointer: nobody can check those.
COUNTS = {('lcl_dataset_subset', 'n'), ('lcl_dataset_from_u8', 'count'), ('lcl_dataset_from_f32', 'count'),
          ('lcl_dataset_from_u8', 'channels'), ('lcl_dataset_from_u8', 'height'), ('lcl_dataset_from_u8', 'width'),
          ('lcl_dataset_from_f32', 'channels'), ('lcl_dataset_from_f32', 'height'), ('lcl_dataset_from_f32', 'width'),
          ('lcl_dataset_concat', 'n'), ('lcl_prep_from_json', 'n'), ('lcl_range_check_values', 'n'), ('lcl_tensor_file_parse', 'n'),
          ('lcl_options_create', 'n'), ('lcl_report_compare', 'n'), ('lcl_bench_json', 'n'),
          ('lcl_gradients', 'n'), ('lcl_vjp', 'n'), ('lcl_bench_add_onnx', 'n_dims')}
HUGE = 1 << 40
SHAPES = [Shape(-1), Shape(99, (ctypes.c_int64 * 6)(1)), Shape(2, (ctypes.c_int64 * 6)(HUGE, HUGE)), Shape(1, (ctypes.c_int64 * 6)(-3)),
          Shape(1, (ctypes.c_int64 * 6)(0)), Shape(6, (ctypes.c_int64 * 6)(*[HUGE] * 6))]
NAN = float('nan')
INITS = [Init(99), Init(-1), Init(1, NAN, NAN), Init(2, 1e38, -1, -1, -1)] + [Init(k, 1, 1, 0, -HUGE) for k in range(2, 7)]

class World:
    """One of each kind of object; a graph of its own for every call, because errors stay in it."""
    def __init__(self, library, structures):
        self.library = library
        library.lcl_buffer_cl_mem.restype = ctypes.c_void_p
        self.memory, self.text = ctypes.create_string_buffer(BYTES), ctypes.create_string_buffer(b'text')
        self.structures, self.objects, self.foreign = structures, {}, None
        make, o = self.make, self.objects
        make('lcl_context', 'lcl_context_create', None)
        make('lcl_store', 'lcl_store_create', o['lcl_context'], ctypes.c_uint64(1))
        make('lcl_buffer', 'lcl_buffer_create', o['lcl_context'], ctypes.c_size_t(64))
        make('lcl_model_class', 'lcl_model_find', b'vae')
        make('lcl_options', 'lcl_model_options', o['lcl_model_class'])
        make('lcl_dataset', 'lcl_dataset_synthetic', ctypes.c_uint64(1), ctypes.c_int64(0), ctypes.c_int64(20))
        make('lcl_prep', 'lcl_prep_fit', ctypes.byref(self.memory), o['lcl_dataset'])
        desc = struct.pack('QQiibxxxQIb', o['lcl_dataset'].value, o['lcl_prep'].value, 4, 0, 0, 1, 0, 1)
        make('lcl_batcher', 'lcl_batcher_create', ctypes.create_string_buffer(desc, 64))
        make('lcl_tensor_file', 'lcl_tensor_file_create')
        self.graphs()
        library.lcl_output.restype = ctypes.c_void_p
        library.lcl_output(ctypes.c_void_p(o['lcl_tensor']), b'text')
        make('lcl_program', 'lcl_compile', o['lcl_graph'], None)

    def make(self, kind, function, *arguments):
        out = ctypes.c_void_p()
        if getattr(self.library, function)(*arguments, ctypes.byref(out)):
            sys.exit('%s: %s' % (function, self.library.lcl_error_message().decode()))
        self.objects[kind] = out
        return out

    def graphs(self):
        self.library.lcl_input.restype = ctypes.c_void_p
        shape, o = Shape(2, (ctypes.c_int64 * 6)(4, 4)), self.objects
        self.make('other', 'lcl_graph_create', o['lcl_store'], b'other')
        self.foreign = self.library.lcl_input(o['other'], b'text', 0, shape)
        self.make('lcl_graph', 'lcl_graph_create', o['lcl_store'], b'null')
        o['lcl_tensor'] = self.library.lcl_input(o['lcl_graph'], b'text', 0, shape)

    def drop_graphs(self):
        for kind in ('other', 'lcl_graph'):
            self.library.lcl_graph_destroy(self.objects[kind])

    def pointer(self, parameter):
        kind = kind_of(parameter)
        stars = parameter.count('*') + parameter.count('[')
        if kind.endswith('_fn'):
            return ctypes.cast(CALLBACK, ctypes.c_void_p).value
        if parameter.endswith('*cl_mem'):
            return self.library.lcl_buffer_cl_mem(self.objects['lcl_buffer'])
        if stars == 1 and kind in self.objects:
            object = self.objects[kind]
            return object if isinstance(object, int) else object.value
        ctypes.memset(self.memory, 0, BYTES)
        return ctypes.addressof(self.text if 'const char' in parameter and stars == 1 else self.memory)

    def call(self, declaration, which, value):
        """With `value` for parameter `which`."""
        return call(self.library, declaration,
                    [value if i == which else argument(p, self.pointer) for i, p in enumerate(declaration[2])])

    def graph_failed(self):
        return any(self.library.lcl_graph_status(self.objects[k]) for k in ('lcl_graph', 'other'))

def kind_of(parameter):
    return re.sub(r'\b(const|enum|struct)\b', '', parameter).split()[0].rstrip('*')

def wrong_values(name, parameter, world):
    kind = kind_of(parameter)
    if is_pointer(parameter):
        body = world.structures.get(kind, '*')
        if '*' in body or parameter.count('*') != 1 or 'const' not in parameter:
            return []
        return [ctypes.c_char_p(bytes([b]) * BYTES) for b in ([1] if 'bool' in body else [1, 255, 127])]
    if (name, parameter.split()[-1]) in COUNTS:
        return [] if kind == 'size_t' else [ctypes.c_int64(v) for v in (-1, -1 << 31)]
    if kind == 'bool':
        return []
    if kind in ('float', 'double'):
        return [{'float': ctypes.c_float, 'double': ctypes.c_double}[kind](v) for v in (NAN, 1e999, -1e999, -1, 1e38)]
    if kind == 'lcl_shape':
        return SHAPES
    if kind == 'lcl_init':
        return INITS
    if kind in ('int64_t', 'uint64_t', 'size_t'):
        return [ctypes.c_int64(v) for v in (-1, HUGE, (1 << 63) - 1, -1 << 63)]
    if kind == 'lcl_batch_state':
        return [State(-1), State(0, -1), State(0, HUGE), State(HUGE, HUGE)]
    if kind in world.structures:
        return [Large(*[(ctypes.c_int64 * 64)(*[v] * 64)]) for v in (-1, HUGE)]
    return [ctypes.c_int64(v) for v in (-1, 99, (1 << 31) - 1, -1 << 31)]

def can_be_called(d, world):
    """Whether there is a real object for each pointer to one."""
    opaque = [kind_of(p) for p in d[2] if is_pointer(p) and p.count('*') == 1 and kind_of(p).startswith('lcl_')]
    return not LONG.match(d[1]) and all(k in world.objects or k in world.structures or k.endswith('_fn') for k in opaque)

def real_calls(found, world):
    """(what, declaration, parameter, value, whether it has to fail, whether the context goes first)"""
    for d in found:
        if not can_be_called(d, world):
            continue
        for i, p in enumerate(d[2]):
            if is_pointer(p):
                yield 'NULL for ' + p, d, i, ctypes.c_void_p(None), False, False
            for value in wrong_values(d[1], p, world):
                yield 'a wrong ' + p, d, i, value, False, False
        tensors = [i for i, p in enumerate(d[2]) if re.fullmatch(r'lcl_tensor \*\w+', p)]
        if len(tensors) > 1 and d[0] in ('void', 'lcl_tensor *'):
            for i in tensors:
                yield 'a foreign ' + d[2][i], d, i, 'foreign', True, False
    for d in found:
        if any(k + ' ' in p for k in world.objects for p in d[2]) and can_be_called(d, world):
            yield 'no context', d, -1, None, False, True

def run_real(library, found, structures, start, report):
    world = World(library, structures)
    for k, (what, d, i, value, fails, gone) in enumerate(real_calls(found, world)):
        if k < start:
            continue
        os.write(report, struct.pack('i', k))
        signal.alarm(20)
        if gone and 'gone' not in world.objects:
            world.graphs()
            library.lcl_context_destroy(world.objects['lcl_context'])
            world.objects['gone'] = None
        if not gone:
            world.graphs()
        result = world.call(d, i, ctypes.c_void_p(world.foreign) if value == 'foreign' else value)
        silent = d[0] == 'lcl_status' and result and not library.lcl_error_message()
        if silent or (fails and not world.graph_failed()):
            os.write(report, struct.pack('i', ~k))
        if not gone:
            world.drop_graphs()
    return 0

def misuse_real(library, found, structures):
    """Failures, and how many calls; a process that ends is followed by one that goes on after the call."""
    start, bad = 0, {}
    while True:
        r, w = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            os._exit(run_real(library, found, structures, start, w))
        os.close(w)
        seen = []
        while chunk := os.read(r, 4):
            seen.append(struct.unpack('i', chunk)[0])
        os.close(r)
        _, status = os.waitpid(pid, 0)
        bad.update({~k: 'accepted, or without a message' for k in seen if k < 0})
        last = max([k for k in seen if k >= 0], default=-1)
        if not os.WIFSIGNALED(status):
            if status:
                sys.exit('the objects for the calls cannot be made')
            return bad, last + 1
        bad[last] = signal.Signals(os.WTERMSIG(status)).name
        start = last + 1

def names_of(found, structures, numbers):
    world = type('', (), {'structures': structures, 'objects': dict.fromkeys(
        'lcl_context lcl_store lcl_buffer lcl_model_class lcl_options lcl_dataset lcl_prep lcl_batcher lcl_tensor_file other '
        'lcl_graph lcl_tensor lcl_program'.split())})
    return {k: '%s with %s' % (d[1], what) for k, (what, d, *_) in enumerate(real_calls(found, world)) if k in numbers}

def main():
    library = ctypes.CDLL(sys.argv[1])
    library.lcl_error_message.restype = ctypes.c_char_p
    found = list(declarations(sys.argv[2:]))
    if len(found) < 270:
        sys.exit(f'only {len(found)} declarations were read')
    text = re.sub(r'/\*.*?\*/', '', ''.join(open(p).read() for p in sys.argv[2:]), flags=re.S)
    structures = {name: body for body, name in re.findall(r'typedef struct \w+ \{([^{}]*)\} (\w+);', text)}
    with tempfile.TemporaryDirectory() as folder: # some calls that succeed write files
        os.chdir(folder)
        bad, calls = misuse_real(library, found, structures)
        real = names_of(found, structures, bad)
        failures = [f'{real[k]}: {bad[k]}' for k in sorted(bad)]
        for d in found:
            got, calls = in_child(lambda: all_null(library, d)), calls + 1
            if got:
                failures.append(f'{d[1]}: ' + (signal.Signals(-got).name if got < 0 else 'success, or no message'))
    print('\n'.join(failures))
    print(f'{calls} calls of {len(found)} functions, {len(failures)} failures')
    sys.exit(bool(failures) or calls < 1500)

main()
